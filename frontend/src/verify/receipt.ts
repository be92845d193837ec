// A receipt in any form a resident may have it, and what a board says about it. Nothing here ever leaves the browser.
import { fromBase64, fromHex, joined, utf8 } from "./bytes";
import { type Facts, type Json, canonical } from "./canonical";
import { sha256, signedBy } from "./hashing";
import { type Manifest, keysFor } from "./manifest";

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
    data = JSON.parse(text) as Json;
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

export type Standing = "signed" | "another_poll" | "not_signed";

// Whether the service signed this receipt, for this poll.
export async function judged(receipt: Receipt, manifest: Manifest): Promise<Standing> {
  const facts = receipt.receipt;
  try {
    const message = utf8(`veche/receipt/v1\n${canonical(facts)}`);
    const signature = fromBase64(receipt.signature);
    const keys = keysFor(manifest, "receipt", receipt.key_id);
    if (facts.v !== 1 || !(await anySigned(keys, message, signature))) return facts.poll === manifest.poll_hash ? "not_signed" : "another_poll";
  } catch {
    return "not_signed";
  }
  return facts.poll === manifest.poll_hash ? "signed" : "another_poll";
}

async function anySigned(keys: Uint8Array[], message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  for (const key of keys) if (await signedBy(key, message, signature)) return true;
  return false;
}

export const isInclusion = (receipt: Receipt): boolean => receipt.receipt.kind === "inclusion";

// The leaf hashes of an inclusion receipt, in hex; throws where it has none.
export function leavesOf(receipt: Receipt): string[] {
  const leaves = receipt.receipt.leaves;
  if (!Array.isArray(leaves)) throw new NotAReceipt("file");
  return leaves.map((leaf) => {
    fromHex(leaf, 32);
    return leaf as string;
  });
}
