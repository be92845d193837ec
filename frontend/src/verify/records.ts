// The records of one question, streamed: each entry valid, leaves strictly rising, every tile as it follows from them,
// the root as signed, none among `apart` (withheld or replaced). Memory holds one hash of 256 records and what is sought, whatever the size.
import { compare, fromHex, hex, joined, same } from "./bytes";
import { type ByStyle, type Reader, splitBundle } from "./entries";
import type { Listed } from "./manifest";
import type { Seeker } from "./seeking";
import { BUNDLE, SMALL, type Source, ahead, need } from "./source";
import { type HashAt, type Tile, WIDTH, bundlePath, hashesAt, rootOf, subtree, tilePath, tilesAt, tilesOf } from "./tree";

export interface Streamed {
  profile: Map<string, number>;
  styles: ByStyle;
  leads: Map<number, ByStyle>; // follow-up → the records that show it
  at: HashAt; // hashes of all whole tiles, and leaves of the tiles near what was sought
}

export async function streamRecords(source: Source, folder: string, listed: Listed, reader: Reader, seeker: Seeker, apart: Set<string>, progress: (records: number) => void): Promise<Streamed> {
  const levels: Uint8Array[][] = [[]]; // level 0 stays empty: its tiles come and go
  const kept = new Map<number, Uint8Array[]>();
  let last: Uint8Array | null = null;
  let before: { index: number; leaves: Uint8Array[] } | null = null;
  const fetchBoth = async (tile: Tile): Promise<[Tile, Uint8Array, Uint8Array]> => {
    const [bundle, hashes] = await Promise.all([need(source, folder + bundlePath(tile), BUNDLE), need(source, folder + tilePath(tile), SMALL)]);
    return [tile, bundle, hashes];
  };
  for await (const [tile, bundle, hashes] of ahead(tilesOf(listed.size, 0), fetchBoth)) {
    const leaves: Uint8Array[] = [];
    for (const bytes of splitBundle(bundle, tile.width)) {
      const entry = reader.read(bytes);
      if (last && compare(last, entry.leaf) >= 0) throw new Error(`entry ${tile.index * WIDTH + leaves.length} does not rise`);
      if (apart.size && apart.has(hex(entry.leaf))) throw new Error("a record is published, and also withheld or replaced");
      last = entry.leaf;
      reader.count(entry);
      seeker.meet(entry, tile.index * WIDTH + leaves.length);
      leaves.push(entry.leaf);
    }
    if (!same(joined(...leaves), hashes)) throw new Error(`${tilePath(tile)} does not hold the hashes of its entries`);
    if (tile.width === WIDTH) (levels[1] ??= []).push(rootOf(leaves));
    for (const one of [before, { index: tile.index, leaves }]) {
      if (one && (one.index === tilesAt(listed.size, 0) - 1 || seeker.near.some((index) => Math.floor(index / WIDTH) === one.index))) kept.set(one.index, one.leaves);
    }
    before = { index: tile.index, leaves };
    for (const index of kept.keys()) if (index !== tile.index && !seeker.near.some((near) => Math.floor(near / WIDTH) === index)) kept.delete(index);
    progress(leaves.length);
  }
  seeker.end();
  await checkLevels(source, folder, listed.size, levels);
  const at: HashAt = async (level, index) => {
    const found = level ? levels[level]?.[index] : kept.get(Math.floor(index / WIDTH))?.[index % WIDTH];
    if (!found) throw new Error("a hash that was not kept");
    return found;
  };
  const root = listed.size ? await subtree(at, 0, listed.size) : rootOf([]);
  if (!same(root, fromHex(listed.root, 32))) throw new Error("the root does not follow from the records");
  return { profile: reader.profile, styles: reader.styles, leads: reader.leads, at };
}

// The tiles above the leaves, each held against what follows from the level below.
async function checkLevels(source: Source, folder: string, size: number, levels: Uint8Array[][]): Promise<void> {
  for (let level = 1; hashesAt(size, level) > 0; level++) {
    const fetchOne = async (tile: Tile): Promise<[Tile, Uint8Array]> => [tile, await need(source, folder + tilePath(tile), SMALL)];
    for await (const [tile, hashes] of ahead(tilesOf(size, level), fetchOne)) {
      const mine = levels[level]!.slice(tile.index * WIDTH, tile.index * WIDTH + tile.width);
      if (!same(joined(...mine), hashes)) throw new Error(`${tilePath(tile)} does not follow from the level below`);
      if (tile.width === WIDTH) (levels[level + 1] ??= []).push(rootOf(mine));
    }
  }
}
