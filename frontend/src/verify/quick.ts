// A receipt alone, without reading the board: the leaves are sorted, so a binary search over the tiles of level 0 finds
// one in a few requests. It tells the server which 256 records were looked at; the page says so before it is chosen.
import { compare, fromHex, hex } from "./bytes";
import { type Absence, absence, complaint } from "./complaint";
import { Reader, splitBundle } from "./entries";
import { leafHash } from "./hashing";
import type { Listed } from "./manifest";
import { checkCheckpoint, checkRules, hostOf, openNewest } from "./opening";
import type { Definition } from "./question";
import { type Receipt, fate, isInclusion, judged, leavesOf } from "./receipt";
import { listedOn, readRegistry, receiptKeys } from "./registry";
import type { Neighbour } from "./seeking";
import { BUNDLE, SMALL, type Source, need } from "./source";
import { type HashAt, WIDTH, bundlePath, hashesAt, inclusionProof, proves, tileAt, tilePath, tilesAt } from "./tree";
import type { Asked, BallotFound, Compared } from "./verify";

// What the board says about the ballot of a receipt. Throws where the board contradicts itself on the way. The registry is
// read only where the manifest does not list the key that signed, and only for its keys; `compared` says which.
export async function lookUp({ board, registry, poll, wait }: Omit<Asked, "token">, receipt: Receipt): Promise<BallotFound> {
  const signed = await openNewest(board, poll, wait);
  const { manifest } = signed;
  const withheld = manifest.questions.reduce((sum, listed) => sum + listed.withheld.records, 0);
  let compared: Compared = "board";
  const says = (state: BallotFound["state"]): BallotFound => ({ state, found: [], withheld, complaint: null, compared });
  const definition = await checkRules(board, manifest);
  const terms = { pollHash: manifest.poll_hash, kind: definition.receipt, keys: (day: string): Uint8Array[] => listedOn(manifest, day) };
  let standing = await judged(receipt, terms);
  if (standing === "not_signed" && registry) {
    compared = "keys";
    const log = await readRegistry(registry, hostOf(manifest), manifest.poll, wait);
    standing = await judged(receipt, { ...terms, keys: (day) => receiptKeys(log, day) });
  }
  if (standing !== "signed") return says(standing);
  if (!isInclusion(receipt)) return says("acceptance");
  const trees: Tree[] = [];
  for (const listed of manifest.questions) trees.push(new Tree(board, listed, definition, manifest.poll_hash, (await checkCheckpoint(board, manifest, listed, null)).note));
  const hidden = new Set(manifest.questions.flatMap((listed) => listed.withheld.leaves));
  const replaced = new Set(manifest.superseded);
  const found: BallotFound["found"] = [];
  const absences = new Map<string, Absence[]>();
  for (const leaf of leavesOf(receipt)) {
    if (hidden.has(leaf) || replaced.has(leaf)) continue;
    absences.set(leaf, []);
    for (const tree of trees) {
      const place = await tree.find(leaf);
      if ("index" in place) {
        found.push(place);
        break;
      }
      absences.get(leaf)!.push(place);
    }
  }
  const { outcome, missing } = fate(receipt, found, hidden, replaced);
  if (outcome === "missing") return { ...says("missing"), complaint: complaint(receipt, signed.bytes, signed.note, missing.map((leaf) => ({ leaf, trees: absences.get(leaf)! }))) };
  return { ...says(outcome), found: outcome === "counted" || outcome === "withheld" ? found : [] };
}

class Tree {
  readonly #tiles = new Map<string, Promise<Uint8Array>>();
  readonly #root: Uint8Array;

  constructor(readonly board: Source, readonly listed: Listed, readonly definition: Definition, readonly pollHash: string, readonly checkpoint: string) {
    this.#root = fromHex(listed.root, 32);
  }

  // Where the leaf is, its inclusion proven, or the proof that it is nowhere.
  async find(leaf: string): Promise<BallotFound["found"][number] | Absence> {
    const wanted = fromHex(leaf, 32);
    const { size, id } = this.listed;
    let low = 0;
    let high = size; // the first leaf that is not below the wanted one lies in [low, high]
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (compare(await this.#at(0, middle), wanted) < 0) low = middle + 1;
      else high = middle;
    }
    if (low < size && hex(await this.#at(0, low)) === leaf) return this.#found(leaf, wanted, low);
    const gap = { leaf, left: low > 0 ? await this.#neighbour(low - 1) : null, right: low < size ? await this.#neighbour(low) : null };
    return absence(id, this.checkpoint, size, this.#root, gap, this.#at);
  }

  async #found(leaf: string, wanted: Uint8Array, index: number): Promise<BallotFound["found"][number]> {
    const { size, id, withheld } = this.listed;
    if (!proves(wanted, index, size, await inclusionProof(this.#at, index, 0, size), this.#root)) throw new Error("the tiles do not lead to the signed root");
    const question = this.definition.questions.find((one) => one.id === id)!;
    const entry = new Reader(question, this.definition, this.pollHash, withheld.styles).read((await this.#neighbour(index)).entry);
    return { question: id, leaf, answer: entry.answer, style: entry.style, nonce: entry.nonce, index, text: question.text, options: question.options.map(({ id: option, text }) => ({ id: option, text })), kind: question.kind };
  }

  async #neighbour(index: number): Promise<Neighbour> {
    const tile = tileAt(this.listed.size, 0, Math.floor(index / WIDTH));
    const entry = splitBundle(await this.#file(bundlePath(tile), BUNDLE), tile.width)[index % WIDTH]!;
    if (compare(leafHash(entry), await this.#at(0, index)) !== 0) throw new Error("a record without its hash");
    return { index, entry };
  }

  #at: HashAt = async (level, index) => {
    if (index >= hashesAt(this.listed.size, level)) throw new Error("beyond the tree");
    const tile = tileAt(this.listed.size, level, Math.floor(index / WIDTH));
    const data = await this.#file(tilePath(tile), SMALL);
    if (data.length !== tile.width * 32 || tile.index >= tilesAt(this.listed.size, level)) throw new Error(`${tilePath(tile)} is of another size`);
    return data.subarray((index % WIDTH) * 32, (index % WIDTH) * 32 + 32);
  };

  #file(path: string, most: number): Promise<Uint8Array> {
    const known = this.#tiles.get(path) ?? need(this.board, `q${this.listed.id}/${path}`, most);
    this.#tiles.set(path, known);
    return known;
  }
}
