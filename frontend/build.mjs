// One build step: theme tokens → CSS, then CSS and TypeScript bundled with hashed names into the package.
// The output folder is ignored by git: no third-party file and no generated asset is ever committed.
import { build } from "esbuild";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";

const out = "../src/voting/static/dist";
const fresh = `${out}.new`;
const theme = "build/theme/golos.css";
const config = "designsystemet.config.json";

if (!existsSync(theme) || statSync(theme).mtimeMs < statSync(config).mtimeMs) {
  const cli = "node_modules/@digdir/designsystemet/dist/bin/designsystemet.js";
  execFileSync(process.execPath, [cli, "tokens", "create"], { stdio: "ignore" });
  execFileSync(process.execPath, [cli, "tokens", "build", "-t", "build/design-tokens", "-o", "build/theme"], { stdio: "ignore" });
  // Paper is white whatever the reader's screen is.
  const css = readFileSync(theme, "utf8").replaceAll("@media (prefers-color-scheme: dark)", "@media screen and (prefers-color-scheme: dark)");
  writeFileSync(theme, css);
}

rmSync(fresh, { recursive: true, force: true });
mkdirSync(fresh, { recursive: true });
await build({
  entryPoints: { app: "src/main.ts", style: "src/main.css", docs: "src/docs.ts", passkeys: "src/passkeys.ts", verify: "src/verify/page.ts", "verify-worker": "src/verify/worker.ts" },
  outdir: fresh, bundle: true, minify: true, format: "esm", target: "es2022", logLevel: "warning",
  loader: { ".woff2": "file" }, assetNames: "[name]-[hash]", entryNames: "[name]-[hash]",
});
cpSync("node_modules/swagger-ui-dist/swagger-ui-bundle.js", `${fresh}/swagger-ui-bundle-5.js`);
cpSync("node_modules/swagger-ui-dist/swagger-ui.css", `${fresh}/swagger-ui-5.css`);
cpSync("node_modules/swagger-ui-dist/LICENSE", `${fresh}/swagger-ui-LICENSE.txt`);

// name without its hash → file
const manifest = {};
for (const file of readdirSync(fresh)) manifest[file.replace(/-[A-Z0-9]{8}(?=\.)/, "")] = file;
writeFileSync(`${fresh}/manifest.json`, JSON.stringify(manifest, null, 1));
rmSync(out, { recursive: true, force: true });
renameSync(fresh, out);
