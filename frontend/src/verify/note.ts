// Signed notes as C2SP has them: a text, an empty line, and lines "— name base64(4 bytes of key hash ‖ signature)".
import { compare, fromBase64, joined, utf8 } from "./bytes";
import { sha256, signedBy } from "./hashing";

const ED25519 = new Uint8Array([1]);

export const keyHash = (name: string, key: Uint8Array): Uint8Array => sha256(joined(utf8(`${name}\n`), ED25519, key)).slice(0, 4);

// The text of a note with exactly one signature, under `name`, by one of these keys (32 bytes each); throws otherwise.
export async function openNote(data: Uint8Array, name: string, keys: Uint8Array[]): Promise<{ text: string; key: Uint8Array }> {
  const note = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  const found = /^([^]+\n)\n\u2014 (\S+) (\S+)\n$/.exec(note);
  if (!found || found[1]!.includes("\n\n")) throw new Error("not a signed note with one signature");
  const [, text, signer, encoded] = found as unknown as [string, string, string, string];
  if (signer !== name) throw new Error(`signed under another name: ${signer}`);
  const line = fromBase64(encoded);
  if (line.length !== 68) throw new Error("a signature line has 68 bytes");
  for (const key of keys) {
    if (compare(keyHash(name, key), line.subarray(0, 4)) !== 0) continue;
    if (await signedBy(key, utf8(text), line.subarray(4))) return { text, key };
    throw new Error("the signature is wrong");
  }
  throw new Error("signed with a key that is not listed");
}

export interface Checkpoint {
  size: number;
  root: Uint8Array;
}

// A checkpoint's three lines.
export function readCheckpoint(text: string, origin: string): Checkpoint {
  const lines = text.split("\n");
  if (lines.length !== 4 || lines[3] !== "" || lines[0] !== origin) throw new Error("not a checkpoint of this tree");
  if (!/^(0|[1-9][0-9]{0,14})$/.test(lines[1]!)) throw new Error("not a size");
  const root = fromBase64(lines[2]);
  if (root.length !== 32) throw new Error("not a root");
  return { size: Number(lines[1]), root };
}
