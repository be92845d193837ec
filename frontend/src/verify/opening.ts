// The signed parts of a board: its manifest and the manifests before it, the sealed rules, the checkpoints. Whatever a
// later check relies on has been held here against a signature or a hash.
import { fromBase64, fromHex, hex, same, toBase64 } from "./bytes";
import { type Facts, difference, readCanonical } from "./canonical";
import { sha256 } from "./hashing";
import { type Key, type Listed, type Manifest, keysFor, lasting, readManifest } from "./manifest";
import { instant } from "./moments";
import { openNote, readCheckpoint } from "./note";
import { type Definition, readDefinition } from "./question";
import { MOST, SMALL, type Source, Unreachable, need, pause, plain } from "./source";

export interface Signed {
  manifest: Manifest;
  bytes: Uint8Array;
  note: Uint8Array;
  signers: Uint8Array[];
  unknown: string[];
}

// What is remembered of every version.
export interface Version {
  version: number;
  digest: string;
  counted_at: string;
  signers: Uint8Array[];
}

export interface Opened {
  newest: Signed;
  versions: Version[]; // from the first on
  unknown: string[];
}

const MOST_VERSIONS = 1_000;

// The name of the site among logs: a board's origin is HOST/board/<poll>.
export const hostOf = (manifest: Manifest): string => manifest.origin.slice(0, -`/board/${manifest.poll}`.length);

// What may pass: the newest manifest and its note are two files, and a reader may come between them.
class Unsettled extends Error {
  constructor(message: string, readonly bytes: Uint8Array, readonly note: Uint8Array) {
    super(message);
  }
}

const TRIES = 3;

// manifest.json under its note; `poll` is whose board this should be, where that is known.
async function openManifest(board: Source, poll: string | null, name: string): Promise<Signed> {
  const [bytes, note] = await Promise.all([need(board, `${name}.json`, MOST), need(board, `${name}.note`, SMALL)]);
  let signed: Signed;
  try {
    const { manifest, unknown } = readManifest(readCanonical(bytes));
    const { text, signers } = await openNote(note, manifest.origin, keysFor(manifest, "board"));
    const expected = `${manifest.origin}\nveche/manifest/v1\n${manifest.version}\n${toBase64(sha256(bytes))}\n`;
    if (text !== expected) throw new Error(`${name}.note is not about ${name}.json`);
    signed = { manifest, bytes, note, signers, unknown };
  } catch (error) {
    throw new Unsettled(plain(error), bytes, note);
  }
  if (poll !== null && signed.manifest.poll !== poll) throw new Error("the board of another poll");
  return signed;
}

// No key signed after it was retired, by the newest list of keys.
function notRetired(manifest: Manifest, signers: Uint8Array[], moment: string): void {
  const ended = (key: Key): boolean => key.purpose === "board" && key.valid_to !== null && instant(key.valid_to) < instant(moment);
  const over = manifest.keys.filter(ended).map((key) => fromBase64(key.public));
  if (signers.some((signer) => over.some((key) => same(key, signer)))) throw new Error("signed by a key that had been retired before");
}

// Whether the trees' keys are younger than the count, by the manifest's list; right only where there was none then. Throws
// where there was one.
export function madeLate(manifest: Manifest, signers: Uint8Array[], counted: string): boolean {
  const younger = (key: Key): boolean => instant(key.valid_from) > instant(counted);
  const board = manifest.keys.filter((key) => key.purpose === "board");
  if (!board.some((key) => younger(key) && signers.some((signer) => same(fromBase64(key.public), signer)))) return false;
  if (!board.every(younger)) throw new Error("the trees are signed by a key younger than the count, though there was a key then");
  return true;
}

// The newest manifest, read again where it and its note do not fit, `wait` milliseconds apart.
export async function openNewest(board: Source, poll: string | null, wait: number): Promise<Signed> {
  for (let attempt = 1; ; attempt++) {
    try {
      const newest = await openManifest(board, poll, "manifest");
      notRetired(newest.manifest, newest.signers, newest.manifest.counted_at);
      return newest;
    } catch (error) {
      if (!(error instanceof Unsettled)) throw error;
      if (attempt >= TRIES) throw (await isTorn(board, error)) ? new Unreachable("manifest.json and manifest.note are of two versions: somebody stopped between the two files") : error;
    }
    await pause(wait);
  }
}

// Whether the newest manifest and note are each those of a numbered version, of two of them.
async function isTorn(board: Source, { bytes, note }: Unsettled): Promise<boolean> {
  const [, version] = /"version":([1-9]\d{0,2})[,}]/.exec(latin(bytes)) ?? [];
  const [, other] = /\nveche\/manifest\/v1\n([1-9]\d{0,2})\n/.exec(latin(note)) ?? [];
  if (!version || !other || version === other) return false;
  const [first, second] = await Promise.all([board.get(`manifest-${version}.json`, MOST), board.get(`manifest-${other}.note`, SMALL)]);
  return first !== null && second !== null && same(first, bytes) && same(second, note);
}

const latin = (data: Uint8Array): string => new TextDecoder("latin1").decode(data);

// The newest manifest and what every version before it is remembered by.
export async function openAll(board: Source, poll: string | null, wait: number): Promise<Opened> {
  const newest = await openNewest(board, poll, wait);
  const { version } = newest.manifest;
  if (version < 1 || version > MOST_VERSIONS) throw new Error("a board of no version");
  const [bytes, note] = [await need(board, `manifest-${version}.json`, MOST), await need(board, `manifest-${version}.note`, SMALL)];
  if (!same(bytes, newest.bytes) || !same(note, newest.note)) throw new Error("the newest manifest stands in two versions");
  const unknown = new Set(newest.unknown);
  const versions = [remembered(newest)];
  let next = newest.manifest;
  while (next.version > 1) {
    const found = await before(board, next, newest);
    for (const name of found.unknown) unknown.add(name);
    versions.unshift(remembered(found));
    next = found.manifest;
  }
  if (next.previous !== null) throw new Error("the first version names one before it");
  return { newest, versions, unknown: [...unknown] };
}

const remembered = ({ manifest, bytes, signers }: Signed): Version => ({ version: manifest.version, digest: hex(sha256(bytes)), counted_at: manifest.counted_at, signers });

// The version before one: named by its hash, and saying the same of all that a new count does not change.
async function before(board: Source, next: Manifest, newest: Signed): Promise<Signed> {
  const version = next.version - 1;
  const found = await openManifest(board, newest.manifest.poll, `manifest-${version}`);
  const { manifest } = found;
  if (hex(sha256(found.bytes)) !== next.previous) throw new Error(`manifest-${version}.json is not what version ${version + 1} names`);
  if (manifest.version !== version) throw new Error(`manifest-${version}.json is of version ${manifest.version}`);
  const differs = difference(lasting(manifest), lasting(newest.manifest));
  if (differs !== null) throw new Error(`a version after ${version} changes what no new count changes: ${differs}`);
  if (instant(manifest.counted_at) < instant(manifest.closes_at)) throw new Error(`version ${version} was counted before closing`);
  notRetired(newest.manifest, found.signers, manifest.counted_at);
  for (const party of ["official", "observer"] as const) {
    const secret = manifest.lot?.[party].secret;
    if (secret && secret !== next.lot?.[party].secret) throw new Error(`version ${version + 1} has another secret of the ${party}`);
  }
  return found;
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
export async function checkCheckpoint(board: Source, manifest: Manifest, listed: Listed, first: string | null): Promise<{ note: string; signers: Uint8Array[] }> {
  const note = await need(board, `q${listed.id}/checkpoint`, SMALL);
  const origin = `${manifest.origin}/q${listed.id}`;
  const { text, signers } = await openNote(note, origin, keysFor(manifest, "board"));
  const { size, root } = readCheckpoint(text, origin);
  if (size !== listed.size || !same(root, fromHex(listed.root, 32))) throw new Error(`q${listed.id}: checkpoint and manifest differ`);
  if (first !== null) notRetired(manifest, signers, first);
  return { note: new TextDecoder().decode(note), signers };
}
