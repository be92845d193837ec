// A city's sign-on to try and to test with: a certified OpenID Connect provider (oidc-provider) in a process of its own,
// whose people sign in by choosing who they are. Never for a real city: anybody may be anybody here.
//
//   node dev/sign-on.mjs CONFIG.json
//
// CONFIG: {port, client_id, client_secret, redirect_uris, userinfo, people: [{id, title, acr, claims}]}. Prints "ready".

import { generateKeyPairSync, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";

import Provider from "oidc-provider";

const config = JSON.parse(readFileSync(process.argv[2], "utf8"));
const issuer = `http://127.0.0.1:${config.port}`;
const people = new Map(config.people.map((person) => [person.id, person]));
const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });
const person_claims = ["national_id", "birthdate", "email"];

const provider = new Provider(issuer, {
  clients: [{
    client_id: config.client_id,
    client_secret: config.client_secret,
    redirect_uris: config.redirect_uris,
    token_endpoint_auth_method: "client_secret_basic",
  }],
  jwks: { keys: [{ ...key, kid: randomBytes(6).toString("hex"), alg: "RS256", use: "sig" }] },
  cookies: { keys: [randomBytes(16).toString("hex")] },
  acrValues: [...new Set(config.people.map((person) => person.acr))],
  claims: { openid: ["sub"], person: person_claims },
  scopes: ["openid", "person"],
  conformIdTokenClaims: config.userinfo === true, // true: claims of the person at the userinfo endpoint alone
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({ sub: id, ...(people.get(id)?.claims ?? {}) }),
  }),
  // Nobody is asked for consent to a city's own site.
  async loadExistingGrant(context) {
    const grant = new context.oidc.provider.Grant({
      clientId: context.oidc.client.clientId,
      accountId: context.oidc.session.accountId,
    });
    grant.addOIDCScope("openid person");
    await grant.save();
    return grant;
  },
});

const escaped = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

function choice(uid) {
  const buttons = config.people.map((person) =>
    `<p><button name="person" value="${escaped(person.id)}">${escaped(person.title)}</button></p>`);
  return `<!doctype html><html lang="ru"><meta charset="utf-8"><title>Вход для примера</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<main><h1>Кто вы?</h1><p>Это учебный сервис входа: здесь можно назваться кем угодно.</p>
<form method="post" action="/interaction/${uid}">${buttons.join("")}
<p><button name="person" value="">Отказаться</button></p></form></main></html>`;
}

async function interact(request, response) {
  const { uid } = await provider.interactionDetails(request, response);
  if (request.method !== "POST") {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
    response.end(choice(uid));
    return;
  }
  let body = "";
  for await (const piece of request) body += piece;
  const person = people.get(new URLSearchParams(body).get("person") ?? "");
  const result = person === undefined
    ? { error: "access_denied", error_description: "said no" }
    : { login: { accountId: person.id, acr: person.acr, remember: false } };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

const ordinary = provider.callback();
http.createServer((request, response) => {
  if (!request.url.startsWith("/interaction/")) {
    ordinary(request, response);
    return;
  }
  interact(request, response).catch(() => {
    response.writeHead(400, { "content-type": "text/plain" });
    response.end("This sign-in is over. Begin again.");
  });
}).listen(config.port, "127.0.0.1", () => console.log("ready"));
