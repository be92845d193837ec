// What a run looks for on the way: the leaves of a receipt, or the records of a ballot whose code is known. The stream
// of a question is sorted, so a leaf that is not there leaves two neighbours that prove it.
import { compare, fromHex, hex } from "./bytes";
import type { Entry } from "./entries";

export interface Neighbour {
  index: number;
  entry: Uint8Array;
}

export interface Found {
  question: number;
  leaf: string;
  answer: string;
  style: number;
  nonce: string;
  index: number;
}

export interface Gap {
  leaf: string;
  left: Neighbour | null;
  right: Neighbour | null;
}

export class Seeker {
  readonly found: Found[] = [];
  readonly gaps: Gap[] = [];
  #targets: Uint8Array[];
  #next = 0;
  #before: Neighbour | null = null;

  constructor(readonly question: number, leaves: string[], readonly nonce: string | null) {
    this.#targets = leaves.map((leaf) => fromHex(leaf, 32)).sort(compare);
  }

  // The entries come in the order of their leaves.
  meet(entry: Entry, index: number): void {
    for (; this.#next < this.#targets.length; this.#next++) {
      const order = compare(this.#targets[this.#next]!, entry.leaf);
      if (order > 0) break;
      if (order === 0) this.#take(entry, index);
      else this.#gap({ index, entry: entry.bytes });
    }
    if (this.nonce === entry.nonce) this.#take(entry, index);
    this.#before = { index, entry: entry.bytes };
  }

  end(): void {
    for (; this.#next < this.#targets.length; this.#next++) this.#gap(null);
  }

  // Which entries the proofs are about, so that their tiles are kept.
  get near(): number[] {
    const ends = this.gaps.flatMap((gap) => [gap.left, gap.right]);
    return [...ends, this.#before].flatMap((one) => (one ? [one.index] : []));
  }

  #take(entry: Entry, index: number): void {
    this.found.push({ question: this.question, leaf: hex(entry.leaf), answer: entry.answer, style: entry.style, nonce: entry.nonce, index });
  }

  #gap(right: Neighbour | null): void {
    this.gaps.push({ leaf: hex(this.#targets[this.#next]!), left: this.#before, right });
  }
}
