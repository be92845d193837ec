// RFC 6962 trees in C2SP tiles: a tile of level L holds up to 256 hashes, each of a whole subtree of 256^L leaves.
import { compare } from "./bytes";
import { nodeHash, sha256 } from "./hashing";

export const WIDTH = 256;

// "x001/x234/067"
export function tileNumber(n: number): string {
  const digits = String(n).padStart(Math.ceil(String(n).length / 3) * 3, "0").match(/.../g)!;
  return digits.map((three, i) => (i < digits.length - 1 ? `x${three}` : three)).join("/");
}

export interface Tile {
  level: number;
  index: number;
  width: number;
}

export const tilePath = (tile: Tile): string => `tile/${tile.level}/${numbered(tile)}`;
export const bundlePath = (tile: Tile): string => `tile/entries/${numbered(tile)}`;
const numbered = (tile: Tile): string => tileNumber(tile.index) + (tile.width < WIDTH ? `.p/${tile.width}` : "");

// How many hashes of a level a tree of this size holds.
export const hashesAt = (size: number, level: number): number => Math.floor(size / WIDTH ** level);

// The tiles of one level, in order.
export function tileAt(size: number, level: number, index: number): Tile {
  return { level, index, width: Math.min(WIDTH, hashesAt(size, level) - index * WIDTH) };
}

export const tilesAt = (size: number, level: number): number => Math.ceil(hashesAt(size, level) / WIDTH);

export function* tilesOf(size: number, level: number): Generator<Tile> {
  for (let index = 0; index < tilesAt(size, level); index++) yield tileAt(size, level, index);
}

// The tree hash of a few hashes in their order.
export function rootOf(hashes: Uint8Array[]): Uint8Array {
  if (!hashes.length) return sha256(new Uint8Array());
  if (hashes.length === 1) return hashes[0]!;
  const split = powerBelow(hashes.length);
  return nodeHash(rootOf(hashes.slice(0, split)), rootOf(hashes.slice(split)));
}

// The largest power of two below n.
function powerBelow(n: number): number {
  let power = 1;
  while (power * 2 < n) power *= 2;
  return power;
}

// Where hashes of a level come from: memory, or tiles asked for one by one.
export type HashAt = (level: number, index: number) => Promise<Uint8Array>;

// MTH of the leaves from `start` up to `end`, out of the hashes of the levels.
export async function subtree(at: HashAt, start: number, end: number): Promise<Uint8Array> {
  const count = end - start;
  for (let level = 0, span = 1; span <= count; level++, span *= WIDTH) {
    if (span === count && start % span === 0) return at(level, start / span);
  }
  const split = start + powerBelow(count);
  return nodeHash(await subtree(at, start, split), await subtree(at, split, end));
}

// RFC 6962 §2.1.1: the audit path of leaf `index`, the nearest sibling first.
export async function inclusionProof(at: HashAt, index: number, start: number, end: number): Promise<Uint8Array[]> {
  if (end - start <= 1) return [];
  const split = start + powerBelow(end - start);
  return index < split
    ? [...(await inclusionProof(at, index, start, split)), await subtree(at, split, end)]
    : [...(await inclusionProof(at, index, split, end)), await subtree(at, start, split)];
}

// RFC 9162 §2.1.3.2: whether the path leads from the leaf to the root.
export function proves(leaf: Uint8Array, index: number, size: number, path: Uint8Array[], root: Uint8Array): boolean {
  if (index >= size) return false;
  let fn = index;
  let sn = size - 1;
  let hash = leaf;
  for (const sibling of path) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      hash = nodeHash(sibling, hash);
      while (fn % 2 === 0 && fn !== 0) {
        fn = Math.floor(fn / 2);
        sn = Math.floor(sn / 2);
      }
    } else hash = nodeHash(hash, sibling);
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  return sn === 0 && compare(hash, root) === 0;
}
