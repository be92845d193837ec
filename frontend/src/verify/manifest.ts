// manifest.json as data, with what it says about itself held to be of the right shape.
import { fromBase64, fromHex } from "./bytes";
import type { Facts, Json } from "./canonical";
import { isName } from "./note";

export interface Withheld {
  records: number;
  styles: number[];
  leaves: string[];
}

export interface Listed {
  id: number;
  size: number;
  root: string;
  shown: number;
  withheld: Withheld;
  entitled: number | null;
  counted_by: string;
  outcome: Facts;
}

export interface DecidedTie {
  question: number;
  stage: number;
  options: number[];
  decided: number[];
  method: string;
  reason: string;
}

export interface Party {
  commitment: string;
  secret: string | null;
}

export interface Key {
  key_id: string;
  purpose: string;
  public: string;
  valid_from: string;
  valid_to: string | null;
}

export interface Manifest {
  origin: string;
  poll: string;
  poll_hash: string;
  version: number;
  previous: string | null;
  reason: string;
  counted_at: string;
  opens_at: string;
  closes_at: string;
  time_zone: string;
  privacy: string;
  receipt: string;
  roll: { known: boolean; total: number | null; styles: [number, number][] };
  participations: number;
  ballots: number;
  questions: Listed[];
  ties: DecidedTie[];
  lot: { official: Party; observer: Party } | null;
  superseded: string[];
  keys: Key[];
  software: string;
}

const number = (value: Json | undefined): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const text = (value: Json | undefined): boolean => typeof value === "string";
const orNull = (holds: (value: Json | undefined) => boolean) => (value: Json | undefined): boolean => value === null || holds(value);
const list = (holds: (value: Json | undefined) => boolean) => (value: Json | undefined): boolean => Array.isArray(value) && value.every(holds);
const object = (shape: Shape) => (value: Json | undefined): boolean => value !== null && typeof value === "object" && !Array.isArray(value) && fault(value, shape) === null;
const anything = (value: Json | undefined): boolean => value !== null && typeof value === "object";
const flag = (value: Json | undefined): boolean => typeof value === "boolean";
const hash = (value: Json | undefined): boolean => {
  try {
    return fromHex(value, 32).length === 32;
  } catch {
    return false;
  }
};

type Shape = { [key: string]: (value: Json | undefined) => boolean };

const WITHHELD: Shape = { records: number, styles: list(number), leaves: list(hash) };
const QUESTION: Shape = {
  id: number, size: number, root: hash, shown: number, withheld: object(WITHHELD), entitled: orNull(number), counted_by: text, outcome: anything,
};
const PARTY: Shape = { commitment: hash, secret: orNull(hash) };
const LOT: Shape = { official: object(PARTY), observer: object(PARTY) };
const ROLL: Shape = { known: flag, total: orNull(number), styles: list((pair) => Array.isArray(pair) && pair.length === 2 && pair.every(number)) };
const TIE: Shape = { question: number, stage: number, options: list(number), decided: list(number), method: text, reason: text };
const KEY: Shape = { key_id: text, purpose: text, public: text, valid_from: text, valid_to: orNull(text) };
const MANIFEST: Shape = {
  v: number, format: text, origin: text, poll: text, poll_hash: hash, version: number, previous: orNull(hash), reason: text, counted_at: text,
  opens_at: text, closes_at: text, time_zone: text, privacy: text, receipt: text,
  roll: object(ROLL),
  participations: number, ballots: number, questions: list(object(QUESTION)),
  ties: list(object(TIE)), lot: orNull(object(LOT)), superseded: list(hash), keys: list(object(KEY)), software: text,
};

function fault(value: Facts, shape: Shape): string | null {
  for (const [key, holds] of Object.entries(shape)) if (!Object.hasOwn(value, key) || !holds(value[key])) return key;
  return null;
}

// What a later version of a count may not change: the fields of the format without `CHANGING`, outcomes and secrets.
const CHANGING = ["version", "previous", "reason", "counted_at", "ties", "lot", "questions", "keys", "software"];

export function lasting(manifest: Manifest): Facts {
  const data = manifest as unknown as Facts;
  const said = Object.keys(MANIFEST).filter((name) => !CHANGING.includes(name)).map((name): [string, Json] => [name, data[name]!]);
  const fields = Object.keys(QUESTION).filter((name) => name !== "outcome");
  const questions = (data.questions as Facts[]).map((one) => Object.fromEntries(fields.map((name): [string, Json] => [name, one[name]!])));
  const lot = manifest.lot && [manifest.lot.official.commitment, manifest.lot.observer.commitment];
  return { ...Object.fromEntries(said), questions, lot };
}

// Fields that the format does not have, as paths. A later release may say more: that is named, and not called wrong.
function strangers(data: Facts): string[] {
  const more = (value: Json | undefined, shape: Shape, path: string): string[] =>
    value && typeof value === "object" && !Array.isArray(value) ? Object.keys(value).filter((key) => !Object.hasOwn(shape, key)).map((key) => `${path}${key}`) : [];
  const each = (value: Json | undefined, shape: Shape, path: string): string[] => (value as Json[]).flatMap((one) => more(one, shape, path));
  const lot = data.lot as Facts | null;
  return [
    ...more(data, MANIFEST, ""), ...more(data.roll, ROLL, "roll/"), ...each(data.questions, QUESTION, "questions/"),
    ...(data.questions as Facts[]).flatMap((one) => more(one.withheld, WITHHELD, "questions/withheld/")), ...each(data.ties, TIE, "ties/"),
    ...each(data.keys, KEY, "keys/"), ...more(lot, LOT, "lot/"), ...more(lot?.official, PARTY, "lot/official/"), ...more(lot?.observer, PARTY, "lot/observer/"),
  ];
}

// The manifest in these values, and the fields it has besides; throws naming the field that is not what the format says.
export function readManifest(data: Facts): { manifest: Manifest; unknown: string[] } {
  const wrong = fault(data, MANIFEST);
  if (wrong !== null) throw new Error(`manifest.json: ${wrong} is not as the format has it`);
  if (data.v !== 1 || data.format !== "veche/board/v1") throw new Error("a board of another format");
  const manifest = data as unknown as Manifest;
  const host = manifest.origin.slice(0, -`/board/${manifest.poll}`.length);
  if (manifest.origin !== `${host}/board/${manifest.poll}` || !/^[0-9a-f]{32}$/.test(manifest.poll) || host.includes("/") || !isName(host)) throw new Error("the board's name is not that of its poll");
  return { manifest, unknown: [...new Set(strangers(data))] };
}

// Public keys of one purpose; throws on what is not one of 32 bytes.
export function keysFor(manifest: Manifest, purpose: string): Uint8Array[] {
  const keys = manifest.keys.filter((key) => key.purpose === purpose).map((key) => fromBase64(key.public));
  if (keys.some((key) => key.length !== 32)) throw new Error("a key that is none");
  return keys;
}
