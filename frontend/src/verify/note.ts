// Signed notes as C2SP has them: a text, an empty line, and lines "— name base64(4 bytes of key hash ‖ signature)".
import { compare, fromBase64, joined, utf8 } from "./bytes";
import { sha256, signedBy } from "./hashing";

const ED25519 = new Uint8Array([1]);

export const keyHash = (name: string, key: Uint8Array): Uint8Array => sha256(joined(utf8(`${name}\n`), ED25519, key)).slice(0, 4);

// The text of a note signed under `name` by one of these keys (32 bytes each); throws otherwise. Lines of others are
// passed over, as witnesses may add theirs; malformed lines are not.
export async function openNote(data: Uint8Array, name: string, keys: Uint8Array[]): Promise<{ text: string; key: Uint8Array }> {
  const note = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  const gap = note.lastIndexOf("\n\n");
  const text = note.slice(0, gap + 1);
  if (gap < 1 || !note.endsWith("\n")) throw new Error("not a signed note");
  let signer: Uint8Array | null = null;
  for (const line of note.slice(gap + 2, -1).split("\n")) {
    const [, who, encoded] = /^\u2014 ([^\s+]+) (\S+)$/.exec(line) ?? [];
    const signature = fromBase64(encoded);
    if (signature.length < 5) throw new Error("a malformed line of signature");
    const key = who === name && keys.find((one) => compare(keyHash(name, one), signature.subarray(0, 4)) === 0);
    if (!key) continue;
    if (!(await signedBy(key, utf8(text), signature.subarray(4)))) throw new Error("the signature is wrong");
    signer = key;
  }
  if (!signer) throw new Error(`there is no signature of ${name} by a key that is listed`);
  return { text, key: signer };
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
