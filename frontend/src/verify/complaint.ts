// A complaint: a receipt the service signed, and the proof that the board it signed does not hold the ballot. In a tree
// sorted by leaf hash, two neighbours with inclusion proofs show that nothing lies between them. Anyone can check it.
import { fromHex, toBase64, compare } from "./bytes";
import { type Facts, type Json } from "./canonical";
import { leafHash } from "./hashing";
import type { Receipt } from "./receipt";
import type { Gap, Neighbour } from "./seeking";
import { type HashAt, inclusionProof, proves } from "./tree";

export interface Absence {
  question: number;
  checkpoint: string;
  size: number;
  left: Proved | null;
  right: Proved | null;
}

export type Proved = { index: number; entry: string; proof: string[] };

// Why a leaf is in no place of a question's tree.
export async function absence(question: number, checkpoint: string, size: number, root: Uint8Array, gap: Gap, at: HashAt): Promise<Absence> {
  const prove = async (one: Neighbour | null): Promise<Proved | null> => {
    if (!one) return null;
    const path = await inclusionProof(at, one.index, 0, size);
    if (!proves(leafHash(one.entry), one.index, size, path, root)) throw new Error("a neighbour is not in the tree");
    return { index: one.index, entry: toBase64(one.entry), proof: path.map(toBase64) };
  };
  const leaf = fromHex(gap.leaf, 32);
  const { left, right } = gap;
  if ((left && compare(leafHash(left.entry), leaf) >= 0) || (right && compare(leafHash(right.entry), leaf) <= 0)) throw new Error("the neighbours do not lie around it");
  if ((left?.index ?? -1) + 1 !== (right?.index ?? size)) throw new Error("the neighbours are none");
  return { question, checkpoint, size, left: await prove(left), right: await prove(right) };
}

export interface Missing {
  leaf: string;
  trees: Absence[];
}

export function complaint(receipt: Receipt, manifest: Uint8Array, note: Uint8Array, missing: Missing[]): Facts {
  return {
    v: 1,
    format: "veche/complaint/v1",
    receipt: { receipt: receipt.receipt, key_id: receipt.key_id, signature: receipt.signature },
    manifest: toBase64(manifest),
    manifest_note: new TextDecoder().decode(note),
    missing: missing as unknown as Json[],
  };
}
