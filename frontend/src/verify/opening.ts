// The signed parts of a board: its manifest and the manifests before it, the sealed rules, the checkpoints. Whatever a
// later check relies on has been held here against a signature or a hash.
import { fromBase64, fromHex, hex, same, toBase64 } from "./bytes";
import { type Facts, difference, readCanonical } from "./canonical";
import { sha256 } from "./hashing";
import { type Listed, type Manifest, keysFor, readManifest } from "./manifest";
import { openNote, readCheckpoint } from "./note";
import { type Definition, readDefinition } from "./question";
import { type Source, need } from "./source";

export interface Signed {
  manifest: Manifest;
  bytes: Uint8Array;
  note: Uint8Array;
}

// manifest.json under its note; `poll` is whose board this should be, where that is known.
export async function openManifest(board: Source, poll: string | null, name = "manifest"): Promise<Signed> {
  const [bytes, note] = await Promise.all([need(board, `${name}.json`), need(board, `${name}.note`)]);
  const manifest = readManifest(readCanonical(bytes));
  const { text } = await openNote(note, manifest.origin, keysFor(manifest, "board"));
  const expected = `${manifest.origin}\nveche/manifest/v1\n${manifest.version}\n${toBase64(sha256(bytes))}\n`;
  if (text !== expected) throw new Error(`${name}.note is not about ${name}.json`);
  if (!manifest.origin.endsWith(`/board/${manifest.poll}`) || (poll !== null && manifest.poll !== poll)) throw new Error("the board of another poll");
  return { manifest, bytes, note };
}

// Every version before: signed, named by the next one's hash, over the same rules and the same trees. The first names none.
export async function checkHistory(board: Source, newest: Signed): Promise<void> {
  const poll = newest.manifest.poll;
  let next = await openManifest(board, poll, `manifest-${newest.manifest.version}`);
  if (newest.manifest.version < 1 || !same(next.bytes, newest.bytes) || !same(next.note, newest.note)) throw new Error("manifest.json is not the newest version");
  for (let version = newest.manifest.version - 1; version >= 1; version--) {
    const { manifest, bytes, note } = await openManifest(board, poll, `manifest-${version}`);
    if (hex(sha256(bytes)) !== next.manifest.previous) throw new Error(`manifest-${version}.json is not what version ${version + 1} names`);
    if (manifest.version !== version) throw new Error(`manifest-${version}.json is of version ${manifest.version}`);
    const trees = (one: Manifest): Facts => ({ hash: one.poll_hash, trees: one.questions.map(({ id, size, root }) => [id, size, root]), ballots: one.ballots });
    if (difference(trees(manifest), trees(newest.manifest)) !== null) throw new Error(`version ${version} has other rules or records`);
    next = { manifest, bytes, note };
  }
  if (next.manifest.previous !== null) throw new Error("the first version names one before it");
}

// The keys of the board are those the service lists in its registry.
export async function checkKeys(registry: Source, manifest: Manifest): Promise<void> {
  const data = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(await need(registry, "keys.json"))) as { keys?: { purpose?: string; public?: string }[] };
  const listed = new Set((data.keys ?? []).map((key) => `${key.purpose} ${key.public}`));
  for (const key of manifest.keys) {
    if (fromBase64(key.public).length !== 32 || !listed.has(`${key.purpose} ${key.public}`)) throw new Error(`the ${key.purpose} key ${key.key_id} is not in the registry's list`);
  }
}

export async function checkRules(board: Source, manifest: Manifest): Promise<Definition> {
  const bytes = await need(board, "definition.json");
  if (hex(sha256(bytes)) !== manifest.poll_hash) throw new Error("definition.json is not the document with the poll's hash");
  const definition = readDefinition(readCanonical(bytes));
  const said: Facts = { poll: manifest.poll, privacy: manifest.privacy, receipt: manifest.receipt, known: manifest.roll.known, zone: manifest.time_zone, ids: manifest.questions.map((question) => question.id) };
  const sealed: Facts = { poll: definition.poll_id, privacy: definition.privacy, receipt: definition.receipt, known: definition.roll_known, zone: definition.time_zone, ids: definition.questions.map((question) => question.id) };
  const differs = difference(said, sealed);
  if (differs !== null) throw new Error(`the manifest and the sealed rules differ: ${differs}`);
  return definition;
}

// One question's checkpoint, signed under the name of its tree, saying what the manifest says.
export async function checkCheckpoint(board: Source, manifest: Manifest, listed: Listed): Promise<string> {
  const note = await need(board, `q${listed.id}/checkpoint`);
  const origin = `${manifest.origin}/q${listed.id}`;
  const { text } = await openNote(note, origin, keysFor(manifest, "board"));
  const { size, root } = readCheckpoint(text, origin);
  if (size !== listed.size || !same(root, fromHex(listed.root, 32))) throw new Error(`q${listed.id}: checkpoint and manifest differ`);
  return new TextDecoder().decode(note);
}

