// SHA-256 and Ed25519. Hashes come from @noble/hashes: leaves are hashed one by one, and a promise for each, as WebCrypto
// has it, costs five times the hash. Signatures are WebCrypto's, or @noble/curves' where the browser has no Ed25519 or
// the page no secure context.
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { compare, joined, utf8 } from "./bytes";

export { sha256 };

const LEAF = new Uint8Array([0]);
const NODE = new Uint8Array(65);

// RFC 6962 §2.1.
export const leafHash = (entry: Uint8Array): Uint8Array => sha256(joined(LEAF, entry));

export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  NODE[0] = 1;
  NODE.set(left, 1);
  NODE.set(right, 33);
  return sha256(NODE);
}

export async function signedBy(key: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  if (key.length !== 32 || signature.length !== 64) return false;
  const subtle = globalThis.crypto?.subtle;
  if (subtle) {
    try {
      const imported = await subtle.importKey("raw", key.slice(), "Ed25519", false, ["verify"]);
      return await subtle.verify("Ed25519", imported, signature.slice(), message.slice());
    } catch {
      // No Ed25519 here, or a key that is no point of the curve: the other implementation says which.
    }
  }
  try {
    return ed25519.verify(signature, message, key, { zip215: false });
  } catch {
    return false;
  }
}

// What a lot decides about tied options, best first: docs of the board say how.
export function lotOrder(official: Uint8Array, observer: Uint8Array, root: Uint8Array, question: Uint8Array, stage: Uint8Array, tied: [number, Uint8Array][]): number[] {
  const drawn = sha256(joined(utf8("veche/lot/v1"), official, observer, root, question, stage, ...tied.map(([, four]) => four)));
  return tied
    .map(([id, four]): [number, Uint8Array] => [id, sha256(joined(drawn, four))])
    .sort((a, b) => compare(a[1], b[1]))
    .map(([id]) => id);
}
