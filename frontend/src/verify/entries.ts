// Published records: a bundle's bytes into entries, and an entry's into style, answer and nonce.
import { leafHash } from "./hashing";
import { type Definition, type Question, inQuestion, leadsOn, unfit } from "./question";
import { TooMuch } from "./source";

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

const SHORT = 200; // letters of an answer that is worth remembering
const ROOM = 64 * 1024 * 1024; // letters of all distinct answers together

// How many records there are by ballot style.
export type ByStyle = Map<number, number>;

export const more = (counts: ByStyle, style: number): Map<number, number> => counts.set(style, (counts.get(style) ?? 0) + 1);

interface Judged {
  wrong: string | null;
  leads: number[]; // the follow-ups that this answer on a ballot of this style shows
}

// Reads the entries of one question, each distinct answer judged once, and counts them: by answer, by style, and those
// that show each follow-up.
export class Reader {
  readonly profile = new Map<string, number>();
  readonly styles: ByStyle = new Map();
  readonly leads = new Map<number, ByStyle>();
  readonly #followUps: Question[];
  readonly #judged = new Map<string, Judged>();
  readonly #start: string;
  #room: number;

  constructor(readonly question: Question, readonly definition: Definition, pollHash: string, readonly withheldStyles: number[], room = ROOM) {
    this.#start = `["${pollHash}",${question.id},`;
    this.#followUps = definition.questions.filter((one) => one.shown_if?.question === question.id);
    for (const one of this.#followUps) this.leads.set(one.id, new Map());
    this.#room = room;
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
    const { wrong } = this.#judge(Number(style), answer);
    if (wrong !== null) throw new Error(`the answer ${answer.slice(0, 200)} on a ballot of style ${style} does not fit: ${wrong}`);
    return { bytes, leaf: leafHash(bytes), style: Number(style), answer, nonce };
  }

  // Throws TooMuch where the distinct answers are more than a tab should hold.
  count({ answer, style }: Entry): void {
    const before = this.profile.get(answer) ?? 0;
    if (!before && (this.#room -= answer.length) < 0) throw new TooMuch(`q${this.question.id}: the distinct answers are too many`);
    this.profile.set(answer, before + 1);
    more(this.styles, style);
    if (this.#followUps.length) for (const id of this.#judge(style, answer).leads) more(this.leads.get(id)!, style);
  }

  #judge(style: number, answer: string): Judged {
    const key = `${style} ${answer}`;
    const known = this.#judged.get(key);
    if (known) return known;
    const declared = style === 0 || this.definition.styles.some((one) => one.id === style);
    const wrong = !declared ? "no such style" : !inQuestion(this.question, style) ? "a style without this question" : this.withheldStyles.includes(style) ? "a style that is withheld" : unfit(this.question, style, answer);
    const leads = wrong === null ? this.#followUps.filter((one) => inQuestion(one, style) && leadsOn(one.shown_if!, this.question, answer)).map((one) => one.id) : [];
    const judged = { wrong, leads };
    if (this.#judged.size < 100_000 && answer.length <= SHORT) this.#judged.set(key, judged);
    return judged;
  }
}
