// Signed notes as C2SP has them: a text, an empty line, and lines "— name base64(4 bytes of key hash ‖ signature)".
import { compare, fromBase64, joined, utf8 } from "./bytes";
import { strictText } from "./canonical";
import { sha256, signedBy } from "./hashing";

const ED25519 = new Uint8Array([1]);
const MOST_LINES = 64;
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f]/;
const NAME = "[^\\s+\\u0000-\\u001f\\u007f-\\u009f]+";
const LINE = new RegExp(`^\u2014 (${NAME}) (\\S+)$`);
export const isName = (text: string): boolean => new RegExp(`^${NAME}$`).test(text);

export const keyHash = (name: string, key: Uint8Array): Uint8Array => sha256(joined(utf8(`${name}\n`), ED25519, key)).slice(0, 4);

// The text of a note signed under `name` by one of these keys (32 bytes each); throws otherwise. Lines of others are
// passed over, as witnesses may add theirs; malformed lines are not.
export async function openNote(data: Uint8Array, name: string, keys: Uint8Array[]): Promise<{ text: string; signers: Uint8Array[] }> {
  const note = strictText(data);
  const gap = note.lastIndexOf("\n\n");
  const text = note.slice(0, gap + 1);
  const lines = note.slice(gap + 2, -1).split("\n");
  if (gap < 1 || !note.endsWith("\n") || lines.length > MOST_LINES || CONTROL.test(text)) throw new Error("not a signed note");
  const signers: Uint8Array[] = [];
  for (const line of lines) {
    const [, who, encoded] = LINE.exec(line) ?? [];
    const signature = fromBase64(encoded);
    if (signature.length < 5) throw new Error("a malformed line of signature");
    const known = who === name ? keys.filter((one) => compare(keyHash(name, one), signature.subarray(0, 4)) === 0) : [];
    const right: Uint8Array[] = [];
    for (const key of known) if (await signedBy(key, utf8(text), signature.subarray(4))) right.push(key);
    if (known.length && !right.length) throw new Error("the signature is wrong");
    signers.push(...right);
  }
  if (!signers.length) throw new Error(`there is no signature of ${name} by a key that is listed`);
  return { text, signers };
}

export interface Checkpoint {
  size: number;
  root: Uint8Array;
}

const MOST_LEAVES = 10 ** 10; // nobody should have to read a log of more

// A checkpoint's three lines.
export function readCheckpoint(text: string, origin: string): Checkpoint {
  const lines = text.split("\n");
  if (lines.length !== 4 || lines[3] !== "" || lines[0] !== origin) throw new Error("not a checkpoint of this tree");
  if (!/^(0|[1-9][0-9]{0,14})$/.test(lines[1]!)) throw new Error("not a size");
  if (Number(lines[1]) > MOST_LEAVES) throw new Error("a log of more entries than there are people");
  const root = fromBase64(lines[2]);
  if (root.length !== 32) throw new Error("not a root");
  return { size: Number(lines[1]), root };
}
