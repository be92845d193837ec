// The signed parts of a board: its manifest and the manifests before it, the sealed rules, the checkpoints. Whatever a
// later check relies on has been held here against a signature or a hash.
import { fromBase64, fromHex, hex, same, toBase64 } from "./bytes";
import { type Facts, type Json, difference, readCanonical } from "./canonical";
import { sha256 } from "./hashing";
import { type Key, type Listed, type Manifest, keysFor, readManifest } from "./manifest";
import { instant } from "./moments";
import { openNote, readCheckpoint } from "./note";
import { type Definition, readDefinition } from "./question";
import { MOST, Missing, SMALL, type Source, need, pause } from "./source";

export interface Signed {
  manifest: Manifest;
  bytes: Uint8Array;
  note: Uint8Array;
  signer: Uint8Array;
  unknown: string[];
}

// The name of the site among logs: a board's origin is HOST/board/<poll>.
export const hostOf = (manifest: Manifest): string => manifest.origin.slice(0, -`/board/${manifest.poll}`.length);

// What may pass: the newest manifest and its note are two files, and a reader may come between them.
class Unsettled extends Error {}

const TRIES = 3;

// manifest.json under its note; `poll` is whose board this should be, where that is known.
async function openManifest(board: Source, poll: string | null, name: string): Promise<Signed> {
  const [bytes, note] = await Promise.all([need(board, `${name}.json`, MOST), need(board, `${name}.note`, SMALL)]);
  const { manifest, unknown } = readManifest(readCanonical(bytes));
  if (!manifest.origin.endsWith(`/board/${manifest.poll}`) || (poll !== null && manifest.poll !== poll)) throw new Error("the board of another poll");
  const { text, key } = await openNote(note, manifest.origin, keysFor(manifest, "board"));
  const expected = `${manifest.origin}\nveche/manifest/v1\n${manifest.version}\n${toBase64(sha256(bytes))}\n`;
  if (text !== expected) throw new Unsettled(`${name}.note is not about ${name}.json`);
  notRetired(manifest, key, manifest.counted_at);
  return { manifest, bytes, note, signer: key, unknown };
}

// A key signs nothing after it was retired, by the list of keys itself.
function notRetired(manifest: Manifest, signer: Uint8Array, moment: string): void {
  const held = (key: Key): boolean => key.purpose === "board" && same(fromBase64(key.public), signer);
  if (!manifest.keys.some((key) => held(key) && (key.valid_to === null || instant(key.valid_to) >= instant(moment)))) throw new Error("signed by a key that had been retired before");
}

// The newest manifest, read again where it and its note do not fit, `wait` milliseconds apart.
export async function openNewest(board: Source, poll: string | null, wait: number): Promise<Signed> {
  return settled(wait, () => openManifest(board, poll, "manifest"));
}

// The newest manifest and every version before it, from the first on.
export async function openAll(board: Source, poll: string | null, wait: number): Promise<Signed[]> {
  return settled(wait, async () => {
    const newest = await openManifest(board, poll, "manifest");
    const { version } = newest.manifest;
    if (version < 1) throw new Error("a board of no version");
    const kept = await openManifest(board, poll, `manifest-${version}`).catch((error: unknown) => {
      throw error instanceof Missing ? new Unsettled(error.message) : error;
    });
    if (!same(kept.bytes, newest.bytes) || !same(kept.note, newest.note)) throw new Unsettled("manifest.json is not the newest version");
    const versions = [newest];
    while (versions[0]!.manifest.version > 1) versions.unshift(await before(board, versions[0]!, newest));
    if (versions[0]!.manifest.previous !== null) throw new Error("the first version names one before it");
    return versions;
  });
}

async function settled<T>(wait: number, read: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof Unsettled) || attempt >= TRIES) throw error;
    }
    await pause(wait);
  }
}

// The version before one: named by its hash, and saying the same of all that a new count does not change.
async function before(board: Source, next: Signed, newest: Signed): Promise<Signed> {
  const version = next.manifest.version - 1;
  const found = await openManifest(board, newest.manifest.poll, `manifest-${version}`);
  if (hex(sha256(found.bytes)) !== next.manifest.previous) throw new Error(`manifest-${version}.json is not what version ${version + 1} names`);
  if (found.manifest.version !== version) throw new Error(`manifest-${version}.json is of version ${found.manifest.version}`);
  const differs = difference(lasting(found.manifest), lasting(next.manifest));
  if (differs !== null) throw new Error(`version ${version + 1} changes what no new count changes: ${differs}`);
  if (instant(found.manifest.counted_at) > instant(next.manifest.counted_at)) throw new Error(`version ${version} was counted after version ${version + 1}`);
  for (const party of ["official", "observer"] as const) {
    const secret = found.manifest.lot?.[party]?.secret;
    if (secret && secret !== next.manifest.lot?.[party]?.secret) throw new Error(`version ${version + 1} has another secret of the ${party}`);
  }
  return found;
}

// What stays as it is from version to version: all but what `changing` names, outcomes, and secrets.
function lasting(manifest: Manifest): Facts {
  const changing = ["version", "previous", "reason", "counted_at", "ties", "lot", "questions", "keys", "software"];
  const { lot } = manifest;
  const said = Object.entries(manifest).filter(([name]) => !changing.includes(name)) as [string, Json][];
  const questions = manifest.questions.map((listed) => ({ ...listed, outcome: null }));
  return { ...Object.fromEntries(said), questions: questions as unknown as Json, lot: lot && [lot.official?.commitment ?? null, lot.observer?.commitment ?? null] };
}

export async function checkRules(board: Source, manifest: Manifest): Promise<Definition> {
  const bytes = await need(board, "definition.json", MOST);
  if (hex(sha256(bytes)) !== manifest.poll_hash) throw new Error("definition.json is not the document with the poll's hash");
  const definition = readDefinition(readCanonical(bytes));
  const said: Facts = { poll: manifest.poll, privacy: manifest.privacy, receipt: manifest.receipt, known: manifest.roll.known, zone: manifest.time_zone, ids: manifest.questions.map((question) => question.id) };
  const sealed: Facts = { poll: definition.poll_id, privacy: definition.privacy, receipt: definition.receipt, known: definition.roll_known, zone: definition.time_zone, ids: definition.questions.map((question) => question.id) };
  const differs = difference(said, sealed);
  if (differs !== null) throw new Error(`the manifest and the sealed rules differ: ${differs}`);
  return definition;
}

// One question's checkpoint, signed under the name of its tree, saying what the manifest says; `first` is when it was
// signed, at the first count.
export async function checkCheckpoint(board: Source, manifest: Manifest, listed: Listed, first: string | null): Promise<{ note: string; signer: Uint8Array }> {
  const note = await need(board, `q${listed.id}/checkpoint`, SMALL);
  const origin = `${manifest.origin}/q${listed.id}`;
  const { text, key } = await openNote(note, origin, keysFor(manifest, "board"));
  const { size, root } = readCheckpoint(text, origin);
  if (size !== listed.size || !same(root, fromHex(listed.root, 32))) throw new Error(`q${listed.id}: checkpoint and manifest differ`);
  if (first !== null) notRetired(manifest, key, first);
  return { note: new TextDecoder().decode(note), signer: key };
}
