// The site's registry log: every public event in one order, hashed and signed. What a board says of its keys, its rules,
// its lots and itself has to be what was entered there, and entered in time.
import { fromBase64, hex, same } from "./bytes";
import { type Facts, type Json, canonical, difference, readCanonical } from "./canonical";
import { splitBundle } from "./entries";
import { leafHash, sha256 } from "./hashing";
import type { Party } from "./manifest";
import { DAY, instant } from "./moments";
import { openNote, readCheckpoint } from "./note";
import type { Signed } from "./opening";
import { BUNDLE, MOST, Missing, SMALL, type Source, Unreachable, ahead, need, pause } from "./source";
import { type HashAt, type Tile, WIDTH, bundlePath, hashesAt, rootOf, subtree, tileAt, tilesAt } from "./tree";

export interface Event {
  position: number;
  kind: string;
  at: bigint;
  poll: string | null;
  body: Facts;
}

interface ListedKey {
  purpose: string;
  key_id: string;
  public: string;
  added: Event;
  retired: Event | null;
}

// What the log holds of keys and of one poll.
export interface Registry {
  keys: ListedKey[];
  events: Event[];
}

const TRIES = 3;
const SLACK = (3n * DAY) / 2n; // from noon: to the end of the day after

// Reads all of the log of `host` and hashes it anew. The files of a growing log move on: a partial one that has gone is
// looked for again under the next checkpoint.
export async function readRegistry(source: Source, host: string, poll: string, wait: number): Promise<Registry> {
  const listed = await needed(source, "keys.json", MOST);
  const { origin, keys = [] } = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(listed)) as { origin?: string; keys?: { purpose?: string; public?: string }[] };
  if (origin !== host) throw new Unreachable("the registry is that of another site");
  const mine = keys.filter((key) => key.purpose === "registry").map((key) => fromBase64(key.public));
  for (let attempt = 1; ; attempt++) {
    try {
      return await readLog(source, host, poll, mine);
    } catch (error) {
      if (!(error instanceof Missing) || attempt >= TRIES) throw error;
    }
    await pause(wait);
  }
}

// A log that is not there is not a false one.
async function needed(source: Source, path: string, most: number): Promise<Uint8Array> {
  try {
    return await need(source, path, most);
  } catch (error) {
    throw error instanceof Missing ? new Unreachable(`the registry's ${error.message}`) : error;
  }
}

async function readLog(source: Source, host: string, poll: string, keys: Uint8Array[]): Promise<Registry> {
  const origin = `${host}/registry`;
  const { text } = await openNote(await needed(source, "checkpoint", SMALL), origin, keys);
  const { size, root } = readCheckpoint(text, origin);
  const registry: Registry = { keys: [], events: [] };
  const levels: Uint8Array[][] = [[]];
  let last: Uint8Array[] = [];
  const tiles = Array.from({ length: tilesAt(size, 0) }, (_, index) => tileAt(size, 0, index));
  const fetchOne = async (tile: Tile): Promise<[Tile, Uint8Array]> => [tile, await need(source, bundlePath(tile), BUNDLE)];
  for await (const [tile, bundle] of ahead(tiles, fetchOne)) {
    const entries = splitBundle(bundle, tile.width);
    entries.forEach((entry, i) => enter(registry, entry, tile.index * WIDTH + i, poll));
    last = entries.map(leafHash);
    if (tile.width === WIDTH) (levels[1] ??= []).push(rootOf(last));
  }
  for (let level = 1; hashesAt(size, level + 1) > 0; level++) {
    levels[level + 1] = Array.from({ length: hashesAt(size, level + 1) }, (_, i) => rootOf(levels[level]!.slice(i * WIDTH, (i + 1) * WIDTH)));
  }
  const at: HashAt = async (level, index) => (level ? levels[level]![index]! : last[index % WIDTH]!);
  if (!same(size ? await subtree(at, 0, size) : rootOf([]), root)) throw new Error("the registry's signed root does not follow from its entries");
  return registry;
}

function enter(registry: Registry, entry: Uint8Array, position: number, poll: string): void {
  const said = readCanonical(entry);
  if (said.position !== position || typeof said.kind !== "string" || !isObject(said.body)) throw new Error(`entry ${position} of the registry is none`);
  const event: Event = { position, kind: said.kind, at: instant(said.at), poll: said.poll as string | null, body: said.body };
  if (event.poll === poll) registry.events.push(event);
  const { purpose, key_id: id } = event.body;
  if (event.kind === "key_added") registry.keys.push({ purpose: String(purpose), key_id: String(id), public: String(event.body.public), added: event, retired: null });
  if (event.kind === "key_retired") for (const key of registry.keys) if (key.purpose === purpose && key.key_id === id) key.retired ??= event;
}

const isObject = (value: Json | undefined): value is Facts => value !== null && typeof value === "object" && !Array.isArray(value);

// The keys of a manifest were entered in the log, and those that signed not retired before; throws otherwise.
export function checkKeys(registry: Registry, versions: Signed[], checkpoints: Uint8Array[]): void {
  const [first, newest] = [versions[0]!, versions.at(-1)!];
  for (const key of newest.manifest.keys) {
    if (fromBase64(key.public).length !== 32 || !find(registry, key.purpose, key.public, key.key_id)) throw new Error(`the ${key.purpose} key ${key.key_id} is not in the registry`);
  }
  const uses = [...versions.map(({ signer, manifest }) => ({ signer, at: manifest.counted_at })), ...checkpoints.map((signer) => ({ signer, at: first.manifest.counted_at }))];
  for (const { signer, at } of uses) {
    const key = registry.keys.find((one) => one.purpose === "board" && same(fromBase64(one.public), signer));
    if (!key) throw new Error("signed by a board key that is not in the registry");
    if (key.retired && key.retired.at < instant(at)) throw new Error(`the board key ${key.key_id} had been retired before it signed`);
  }
}

const find = (registry: Registry, purpose: string, key: string, id: string): ListedKey | undefined =>
  registry.keys.find((one) => one.purpose === purpose && one.public === key && one.key_id === id);

// Receipt keys by their id, in use on a day; the day is the voter's, so it may lie a day before or after the log's.
export function receiptKeys(registry: Registry, id: string, day: string): Uint8Array[] {
  const noon = instant(`${day}T12:00:00Z`);
  const inUse = (key: ListedKey): boolean => key.added.at <= noon + SLACK && (!key.retired || key.retired.at >= noon - SLACK);
  return registry.keys.filter((key) => key.purpose === "receipt" && key.key_id === id && inUse(key)).map((key) => fromBase64(key.public));
}

export type Entered = "entered" | "not_entered" | "newer";

// The log's word on a poll: sealed by this hash, the lots committed to before the opening, this board in every version.
// Throws where it says otherwise; gives whether the newest version is there already, or one after it.
export function checkEntered(registry: Registry, versions: Signed[]): Entered {
  const newest = versions.at(-1)!.manifest;
  const of = (kind: string): Event[] => registry.events.filter((event) => event.kind === kind);
  const opened = of("poll_opened")[0];
  const opens = instant(newest.opens_at);
  const inTime = (event: Event): boolean => opened ? event.position < opened.position : event.at <= opens;
  if (of("poll_sealed").at(-1)?.body.poll_hash !== newest.poll_hash) throw new Error("the registry does not have these rules as the sealed ones");
  for (const party of ["official", "observer"] as const) {
    const said: Party | null | undefined = newest.lot?.[party];
    const committed = of("lot_committed").filter((event) => event.body.party === party && inTime(event)).at(-1);
    if (said && committed?.body.commitment !== said.commitment) throw new Error(`the registry does not have the ${party}'s commitment to a lot before the opening`);
  }
  const parties = new Set(of("lot_committed").filter(inTime).map((event) => event.body.party));
  if (!newest.lot && parties.size > 1) throw new Error("two parties committed to a lot, and the board has none");
  const published = of("board_published");
  const missing = versions.filter((version) => !isEntered(published, version));
  if (missing.length) return "not_entered";
  return published.some((event) => Number(event.body.version) > newest.version) ? "newer" : "entered";
}

function isEntered(published: Event[], { manifest, bytes }: Signed): boolean {
  const facts: Facts = {
    version: manifest.version, manifest: hex(sha256(bytes)),
    roots: Object.fromEntries(manifest.questions.map(({ id, root }) => [id, root])),
    sizes: Object.fromEntries(manifest.questions.map(({ id, size }) => [id, size])),
  };
  const short: Facts = { sha256: hex(sha256(new TextEncoder().encode(canonical(facts)))) }; // of facts too long for an entry
  const mine = published.filter((event) => event.body.version === manifest.version);
  if (mine.some((event) => difference(event.body, facts) !== null)) throw new Error(`the registry has another board as version ${manifest.version}`);
  return mine.length > 0 || published.some((event) => difference(event.body, short) === null);
}
