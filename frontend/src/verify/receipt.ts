// A receipt in any form a resident may have it, and what a board says about it. Nothing here ever leaves the browser.
import { four, fromBase64, fromHex, joined, utf8 } from "./bytes";
import { type Facts, type Json, canonical, readStrict } from "./canonical";
import { isDay } from "./moments";
import { sha256, signedBy } from "./hashing";

export interface Receipt {
  receipt: Facts;
  key_id: string;
  signature: string;
}

// What was handed over: a whole receipt, or only the code of a ballot (16 bytes).
export type Token = { receipt: Receipt } | { code: Uint8Array };

export class NotAReceipt extends Error {}

const LONGEST = 40_000;
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const CODE_LENGTH = 26;

// From a file, from what a QR holds, or from a code somebody typed; throws NotAReceipt with a short reason.
export function readToken(text: string): Token {
  const trimmed = text.trim();
  if (!trimmed || trimmed.length > LONGEST) throw new NotAReceipt("empty");
  if (trimmed.startsWith("{")) return { receipt: fromFile(trimmed) };
  if (trimmed.startsWith("veche-receipt/1 ")) return { receipt: fromQr(trimmed) };
  return { code: readCode(trimmed) };
}

function fromFile(text: string): Receipt {
  let data: Json;
  try {
    data = readStrict(text);
  } catch {
    throw new NotAReceipt("file");
  }
  const found = data as unknown as Receipt;
  if (typeof found?.receipt !== "object" || found.receipt === null || Array.isArray(found.receipt)) throw new NotAReceipt("file");
  if (typeof found.key_id !== "string" || typeof found.signature !== "string" || Object.keys(found).length !== 3) throw new NotAReceipt("file");
  return found;
}

// One line: prefix, key id, signature in base64url, the body as it was signed.
function fromQr(text: string): Receipt {
  const [, key, signature, body] = /^veche-receipt\/1 (\w+) ([\w-]{86}) (\{.*\})$/.exec(text) ?? [];
  if (!key || !signature || !body) throw new NotAReceipt("qr");
  const standard = `${signature.replaceAll("-", "+").replaceAll("_", "/")}==`;
  return fromFile(`{"receipt":${body},"key_id":"${key}","signature":"${standard}"}`);
}

// 26 letters and digits in base32, in groups, lower case or with what separates groups: the 16 bytes of a ballot id.
export function readCode(text: string): Uint8Array {
  const letters = text.replace(/[\s\u00a0\u2009\u202f.\u2010-\u2015-]/g, "").toUpperCase().replace(/0/g, "O").replace(/1/g, "I").replace(/8/g, "B");
  if (letters.length !== CODE_LENGTH) throw new NotAReceipt(/^[0-9A-F]{64}$/i.test(text.trim()) ? "acceptance" : "length");
  let bits = 0n;
  for (const letter of letters) {
    const value = LETTERS.indexOf(letter);
    if (value < 0) throw new NotAReceipt("letters");
    bits = bits * 32n + BigInt(value);
  }
  if (bits % 4n) throw new NotAReceipt("letters"); // 130 bits of letters, 128 of id
  return fromHex((bits / 4n).toString(16).padStart(32, "0"), 16);
}

// The nonce that a ballot's record of one question has.
export const nonceOf = (ballot: Uint8Array, question: Uint8Array): string => {
  const digest = sha256(joined(utf8("veche/entry/v1"), ballot, question));
  return [...digest.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
};

export type Standing = "signed" | "another_poll" | "not_signed" | "improper";

// What a receipt is held against: the poll's hash, the kind of receipts it gives, and the keys that may sign one.
export interface Terms {
  pollHash: string;
  kind: string;
  keys(day: string): Uint8Array[];
}

// Whether the service signed this receipt, for this poll, and in a form that says anything. An improper one is signed,
// and no ballot page of this poll gives such: of another kind, naming no records, or one twice.
export async function judged(receipt: Receipt, terms: Terms): Promise<Standing> {
  const facts = receipt.receipt;
  const ours = facts.poll === terms.pollHash;
  try {
    const message = utf8(`veche/receipt/v1\n${canonical(facts)}`);
    const signature = fromBase64(receipt.signature);
    const keys = terms.keys(String(facts.day));
    if (!(await anySigned(keys, message, signature))) return ours ? "not_signed" : "another_poll";
  } catch {
    return "not_signed";
  }
  return !ours ? "another_poll" : isProper(facts, terms.kind) ? "signed" : "improper";
}

async function anySigned(keys: Uint8Array[], message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  for (const key of keys) if (await signedBy(key, message, signature)) return true;
  return false;
}

const MOST_LEAVES = 1_000;
const FIELDS: { [kind: string]: string } = { inclusion: "ballot day kind leaves poll v", acceptance_only: "acceptance day kind poll v" };

function isProper(facts: Facts, kind: string): boolean {
  if (facts.v !== 1 || facts.kind !== kind || Object.keys(facts).sort().join(" ") !== FIELDS[kind]) return false;
  if (!isDay(facts.day)) return false;
  try {
    if (kind === "acceptance_only") return fromHex(facts.acceptance, 32).length === 32;
    readCode(String(facts.ballot));
    const leaves = facts.leaves as string[];
    return leaves.length > 0 && leaves.length <= MOST_LEAVES && new Set(leaves).size === leaves.length && leaves.every((leaf) => fromHex(leaf, 32));
  } catch {
    return false;
  }
}

export const isInclusion = (receipt: Receipt): boolean => receipt.receipt.kind === "inclusion";

// The leaf hashes of an inclusion receipt, in hex; of one that has none to look for, none.
export function leavesOf(receipt: Receipt): string[] {
  return isInclusion(receipt) && isProper(receipt.receipt, "inclusion") ? (receipt.receipt.leaves as string[]) : [];
}

export interface Record {
  question: number;
  leaf: string;
  nonce: string;
}

export type Outcome = "counted" | "withheld" | "superseded" | "missing" | "clash";

// What the board says about a proper inclusion receipt, from the records found for its leaves. A record follows from the
// ballot it is of: one with another's nonce was promised to two voters, and two of one question are one too many.
export function fate(receipt: Receipt, found: Record[], withheld: Set<string>, superseded: Set<string>): { outcome: Outcome; missing: string[] } {
  const ballot = readCode(String(receipt.receipt.ballot));
  const leaves = leavesOf(receipt);
  const shown = new Set(found.map((one) => one.leaf));
  const missing = leaves.filter((leaf) => !shown.has(leaf) && !withheld.has(leaf) && !superseded.has(leaf));
  const strange = found.some((one) => one.nonce !== nonceOf(ballot, four(one.question))) || new Set(found.map((one) => one.question)).size < found.length;
  const among = (some: Set<string>): boolean => leaves.some((leaf) => some.has(leaf));
  return { outcome: missing.length ? "missing" : strange ? "clash" : among(superseded) ? "superseded" : among(withheld) ? "withheld" : "counted", missing };
}
