// Published records: a bundle's bytes into entries, and an entry's into style, answer and nonce.
import { leafHash } from "./hashing";
import { type Definition, type Question, inQuestion, unfit } from "./question";

export interface Entry {
  bytes: Uint8Array;
  leaf: Uint8Array;
  style: number;
  answer: string;
  nonce: string;
}

// A bundle is entries with their lengths in two bytes, big-endian; throws where it does not hold exactly `width`.
export function splitBundle(data: Uint8Array, width: number): Uint8Array[] {
  const entries: Uint8Array[] = [];
  let at = 0;
  while (at < data.length) {
    if (at + 2 > data.length) throw new Error("a bundle ends within a length");
    const length = data[at]! * 256 + data[at + 1]!;
    at += 2;
    if (at + length > data.length) throw new Error("a bundle ends within an entry");
    entries.push(data.subarray(at, at + length));
    at += length;
  }
  if (entries.length !== width) throw new Error(`a bundle of ${entries.length} entries where ${width} belong`);
  return entries;
}

const LATIN = new TextDecoder("latin1"); // one letter a byte, so that no two byte strings read alike

// Reads the entries of one question, each distinct answer judged once, and counts them.
export class Reader {
  readonly profile = new Map<string, number>();
  readonly #judged = new Map<string, string | null>();
  readonly #start: string;

  constructor(readonly question: Question, readonly definition: Definition, pollHash: string, readonly withheldStyles: number[]) {
    this.#start = `["${pollHash}",${question.id},`;
  }

  // Throws naming what is wrong with it.
  read(bytes: Uint8Array): Entry {
    const text = LATIN.decode(bytes);
    const tail = text.length - 36; // ,"<32 hex digits>"]
    const comma = text.indexOf(",", this.#start.length);
    const nonce = text.slice(tail + 2, -2);
    const style = text.slice(this.#start.length, comma);
    const plain = text.startsWith(this.#start) && comma > 0 && comma < tail && text.slice(tail, tail + 2) === ',"' && text.endsWith('"]');
    if (!plain || !/^[0-9a-f]{32}$/.test(nonce) || !/^(0|[1-9][0-9]{0,4})$/.test(style)) throw new Error(`not an entry of this question: ${text.slice(0, 200)}`);
    const answer = text.slice(comma + 1, tail);
    const wrong = this.#judge(Number(style), answer);
    if (wrong !== null) throw new Error(`the answer ${answer.slice(0, 200)} on a ballot of style ${style} does not fit: ${wrong}`);
    return { bytes, leaf: leafHash(bytes), style: Number(style), answer, nonce };
  }

  count(answer: string): void {
    this.profile.set(answer, (this.profile.get(answer) ?? 0) + 1);
  }

  #judge(style: number, answer: string): string | null {
    const key = `${style} ${answer}`;
    let wrong = this.#judged.get(key);
    if (wrong === undefined) {
      const known = style === 0 || this.definition.styles.some((one) => one.id === style);
      wrong = !known ? "no such style" : !inQuestion(this.question, style) ? "a style without this question" : this.withheldStyles.includes(style) ? "a style that is withheld" : unfit(this.question, style, answer);
      if (this.#judged.size < 100_000) this.#judged.set(key, wrong);
    }
    return wrong;
  }
}
