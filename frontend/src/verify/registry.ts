// The site's registry log: every public event in one order, hashed and signed. What a board says of its keys, its rules,
// its lots and itself has to be what was entered there, and entered in time.
import { fromBase64, hex, same } from "./bytes";
import { type Facts, type Json, canonical, difference, readCanonical, readStrict, strictText } from "./canonical";
import { splitBundle } from "./entries";
import { leafHash, sha256 } from "./hashing";
import { type Manifest, keysFor } from "./manifest";
import { DAY, instant, isDay } from "./moments";
import { openNote, readCheckpoint } from "./note";
import type { Opened, Version } from "./opening";
import { BUNDLE, MOST, Missing, SMALL, type Source, TooMuch, Unreachable, ahead, need, pause } from "./source";
import { type HashAt, type Tile, WIDTH, bundlePath, hashesAt, rootOf, subtree, tilesOf } from "./tree";

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
  public: Uint8Array;
  added: Event;
  retired: Event | null;
}

// What the log holds of keys and of one poll.
export interface Registry {
  keys: ListedKey[];
  events: Event[];
}

const TRIES = 3;
const MOST_EVENTS = 20_000; // of one poll, or of keys
const COURSE = ["poll_sealed", "poll_opened", "poll_closed", "poll_counted"]; // of every counted poll, in this order
const MOVES = ["poll_extended", "poll_closed_early", "poll_resumed"]; // with a new closing time
const OF_A_POLL = [...COURSE, ...MOVES, "lot_committed", "board_published"];

// Reads all of the log of `host` and hashes it anew. The files of a growing log move on: a partial one that has gone is
// looked for again under the next checkpoint.
export async function readRegistry(source: Source, host: string, poll: string, wait: number): Promise<Registry> {
  const listed = await needed(source, "keys.json", MOST);
  const { origin, keys = [] } = readStrict(strictText(listed)) as { origin?: string; keys?: { purpose?: string; public?: string }[] };
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
  const fetchOne = async (tile: Tile): Promise<[Tile, Uint8Array]> => [tile, await need(source, bundlePath(tile), BUNDLE)];
  for await (const [tile, bundle] of ahead(tilesOf(size, 0), fetchOne)) {
    const entries = splitBundle(bundle, tile.width);
    entries.forEach((entry, i) => enter(registry, entry, tile.index * WIDTH + i, poll));
    if (Math.max(registry.events.length, registry.keys.length) > MOST_EVENTS) throw new TooMuch("the registry says more of this poll than a tab should hold");
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
  if (said.poll !== null && typeof said.poll !== "string") throw new Error(`entry ${position} of the registry is of no poll`);
  const event: Event = { position, kind: said.kind, at: instant(said.at), poll: said.poll, body: said.body };
  if (event.poll === poll && OF_A_POLL.includes(event.kind)) registry.events.push(event);
  const { purpose, key_id: id } = event.body;
  if (event.kind === "key_added") registry.keys.push({ purpose: String(purpose), key_id: String(id), public: fromBase64(event.body.public), added: event, retired: null });
  if (event.kind === "key_retired") for (const key of registry.keys) if (key.purpose === purpose && key.key_id === id) key.retired ??= event;
}

const isObject = (value: Json | undefined): value is Facts => value !== null && typeof value === "object" && !Array.isArray(value);

// The keys of a board were entered in the log, and those that signed not retired before; trees were signed by a key that
// was there at the count. Throws otherwise.
export function checkKeys(registry: Registry, { newest, versions }: Opened, checkpoints: Uint8Array[]): void {
  const board = registry.keys.filter((key) => key.purpose === "board");
  const entered = (purpose: string, key: Uint8Array): ListedKey | undefined => registry.keys.find((one) => one.purpose === purpose && same(one.public, key));
  for (const purpose of ["board", "receipt"]) {
    if (!keysFor(newest.manifest, purpose).every((key) => entered(purpose, key))) throw new Error(`a ${purpose} key that the manifest lists is not in the registry`);
  }
  const first = versions[0]!.counted_at;
  const uses = [...versions.flatMap(({ signers, counted_at: at }) => signers.map((signer) => ({ signer, at }))), ...checkpoints.map((signer) => ({ signer, at: first }))];
  for (const { signer, at } of uses) {
    const key = entered("board", signer);
    if (!key) throw new Error("signed by a board key that is not in the registry");
    if (key.retired && key.retired.at < instant(at)) throw new Error(`the board key ${key.key_id} had been retired before it signed`);
  }
  const counted = registry.events.find((event) => event.kind === "poll_counted");
  const younger = (key: ListedKey): boolean => (counted ? key.added.position > counted.position : key.added.at > instant(first));
  if (checkpoints.some((signer) => younger(entered("board", signer)!)) && !board.every(younger)) throw new Error("the trees are signed by a key younger than the count, though there was a key then");
}

// Receipt keys that were there on a day; the day is the voter's, so it may be the one before the log's. One retired since
// stays good: a process that was not restarted yet signs with it, and a thief would write an earlier day.
export function receiptKeys(registry: Registry, day: string): Uint8Array[] {
  return registry.keys.filter((key) => key.purpose === "receipt" && wasThere(key.added.at, day)).map((key) => key.public);
}

// The same of the manifest's list, where there is no log.
export function listedOn(manifest: Manifest, day: string): Uint8Array[] {
  return manifest.keys.filter((key) => key.purpose === "receipt" && wasThere(instant(key.valid_from), day)).map((key) => fromBase64(key.public));
}

// Of no day at all nothing is said here: then the receipt is no proper one.
const wasThere = (since: bigint, day: string): boolean => !isDay(day) || since < instant(`${day}T00:00:00Z`) + 2n * DAY;

export type Entered = "entered" | "not_entered" | "newer";

// The log's word on a poll: sealed by this hash, the lots committed to before the opening, this board in every version.
// Throws where it says otherwise; gives whether all versions are there already, or one after them. Of the sealed rules it
// needs the closing time, and whether they draw lots; null where they could not be read.
export function checkEntered(registry: Registry, { newest: { manifest }, versions }: Opened, sealed: { closes: string | null; draws: boolean } | null): Entered {
  const of = (kind: string): Event[] => registry.events.filter((event) => event.kind === kind);
  if (of("poll_sealed").at(-1)?.body.poll_hash !== manifest.poll_hash) throw new Error("the registry does not have these rules as the sealed ones");
  if (sealed) checkCourse(registry, manifest, sealed.closes);
  checkLotWasFirst(registry, manifest, sealed?.draws ?? false);
  const published = of("board_published");
  const missing = versions.filter((version) => !isEntered(registry, published, manifest, version));
  if (published.some(({ body }) => typeof body.version === "number" && body.version > manifest.version)) return "newer";
  return missing.length ? "not_entered" : "entered";
}

// Sealed, opened, closed and counted in this order, at the manifest's times, every move of the closing entered before the
// count. What is lacking is hidden, unless the board is not entered yet either.
function checkCourse(registry: Registry, manifest: Manifest, sealed: string | null): void {
  const opens = instant(manifest.opens_at);
  let closes = instant(sealed);
  const places = new Map<string, number>();
  for (const { kind, position, body } of registry.events) {
    if (kind === "poll_opened" || kind === "poll_closed") {
      if (instant(body.opens_at) !== opens || instant(body.closes_at) !== closes) throw new Error(`the registry's entry ${position} (${kind}) has other times than were in force`);
    } else if (MOVES.includes(kind) && !places.has("poll_counted")) closes = instant(body.closes_at);
    else if (kind === "poll_counted") {
      const { ballots, participations, poll_hash } = manifest;
      for (const [name, said] of Object.entries({ ballots, participations, poll_hash })) {
        if (difference(body[name] ?? null, said) !== null) throw new Error(`the registry's entry ${position} (${kind}) and the manifest differ in ${name}`);
      }
    }
    if (!places.has(kind)) places.set(kind, position);
  }
  if (!places.has("board_published")) return;
  const lacking = COURSE.filter((kind) => !places.has(kind));
  if (lacking.length) throw new Error(`the registry conceals what every counted poll has: ${lacking.join(", ")}`);
  if (closes !== instant(manifest.closes_at)) throw new Error("voting closed at another time than was sealed, and nothing in the registry moved it there before the count");
  // Of a poll that an earlier release counted, opening and closing may be written down after the count.
  const late = registry.keys.every((key) => key.purpose !== "board" || key.added.position > places.get("poll_counted")!);
  const course = COURSE.filter((kind) => !late || kind === "poll_sealed" || kind === "poll_counted").map((kind) => places.get(kind)!);
  if (course.some((position, i) => i > 0 && position < course[i - 1]!)) throw new Error("sealing, opening, closing and counting do not stand in the registry in this order");
}

// Commitments stand before the opening: by their places in the log, and by the time they tell of themselves only where the
// log has no opening.
function checkLotWasFirst(registry: Registry, manifest: Manifest, draws: boolean): void {
  const opened = registry.events.find((event) => event.kind === "poll_opened");
  const inTime = (event: Event): boolean => (opened ? event.position < opened.position : event.at <= instant(manifest.opens_at));
  const before = registry.events.filter((event) => event.kind === "lot_committed" && inTime(event));
  const of = (party: string): Json[] => before.filter((event) => event.body.party === party).map((event) => event.body.commitment ?? null);
  for (const party of ["official", "observer"] as const) {
    if (manifest.lot && difference(of(party), [manifest.lot[party].commitment]) !== null) throw new Error(`the registry does not have the ${party}'s commitment to a lot before the opening`);
  }
  if (!manifest.lot && draws && of("official").length && of("observer").length) throw new Error("two parties committed to a lot, and the board has none");
}

function isEntered(registry: Registry, published: Event[], manifest: Manifest, { version, digest, signers }: Version): boolean {
  const facts: Facts = {
    version, manifest: digest,
    roots: Object.fromEntries(manifest.questions.map(({ id, root }) => [id, root])),
    sizes: Object.fromEntries(manifest.questions.map(({ id, size }) => [id, size])),
  };
  const short: Facts = { sha256: hex(sha256(new TextEncoder().encode(canonical(facts)))) }; // of facts too long for an entry
  const says = (event: Event, wanted: Facts): boolean => difference(event.body, wanted) === null;
  if (published.some((event) => event.body.version === version && !says(event, facts))) throw new Error(`the registry has another board as version ${version}`);
  const entered = published.find((event) => says(event, facts) || says(event, short));
  const late = registry.keys.some((key) => key.purpose === "board" && entered && key.added.position > entered.position && signers.some((signer) => same(signer, key.public)));
  if (late) throw new Error(`version ${version} was entered in the registry before the key that signed it`);
  return entered !== undefined;
}
