// Where the files of a board come from. A file that is not there is a fault of the board; one that could not be fetched
// is not, and leaves the check open.
import { joined } from "./bytes";

export class Unreachable extends Error {}

// More than a browser's tab should be made to hold: neither right nor wrong.
export class TooMuch extends Error {}

export interface Source {
  // The bytes, at most so many of them, or null where there is no such file. Throws Unreachable where nobody can tell.
  get(path: string, most: number): Promise<Uint8Array | null>;
}

export const MOST = 64 * 1024 * 1024; // no file of a board is larger than this but by mischief
export const SMALL = 64 * 1024; // notes and tiles
export const BUNDLE = 256 * (2 + 65_535);

// More than this verifier knows: a document of another schema, a way of deciding it has not heard of.
export class Unknown extends Error {}

// What went wrong, in words: a file of a shape nobody thought of ends in a fault of the program.
export function plain(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError ? `a published file is malformed (${text})` : text;
}

export class Missing extends Error {}
export class TooLarge extends Error {}

export async function need(source: Source, path: string, most: number): Promise<Uint8Array> {
  const found = await source.get(path, most);
  if (!found) throw new Missing(`${path} is missing`);
  if (found.length > most) throw new TooLarge(`${path} is too large`);
  return found;
}

const PATIENCE = 120_000; // for one whole file: a server that drips must not hold a check for ever

// Files below an address, asked for without cookies: the server is not told who verifies. What is larger than it may be
// is given up while it comes, unpacked or not.
export class Web implements Source {
  constructor(readonly base: string, readonly patience = PATIENCE, readonly attempts = 4) {}

  async get(path: string, most: number): Promise<Uint8Array | null> {
    for (let attempt = 1; ; attempt++) {
      try {
        const signal = AbortSignal.timeout(this.patience);
        const reply = await fetch(this.base + path, { credentials: "omit", referrerPolicy: "no-referrer", redirect: "error", signal });
        if (reply.ok) return await upTo(reply, most, path);
        void reply.body?.cancel();
        if (reply.status === 404 || reply.status === 410) return null;
        if (attempt >= this.attempts) throw new Unreachable(`${path}: HTTP ${reply.status}`);
      } catch (error) {
        if (error instanceof TooLarge || error instanceof Unreachable) throw error;
        if (error instanceof DOMException && error.name === "TimeoutError") throw new Unreachable(`${path}: took too long`);
        if (attempt >= this.attempts) throw new Unreachable(`${path}: ${error instanceof Error ? error.message : String(error)}`);
      }
      await pause(500 * 2 ** (attempt - 1));
    }
  }
}

export const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function upTo(reply: Response, most: number, path: string): Promise<Uint8Array> {
  const reader = reply.body?.getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  for (let part = await reader?.read(); part?.value; part = await reader?.read()) {
    length += part.value.length;
    if (length > most) {
      void reader?.cancel();
      throw new TooLarge(`${path} is too large`);
    }
    parts.push(part.value);
  }
  return joined(...parts);
}

// What `make` gives for each item, in order, with a few under way at a time.
export async function* ahead<T, R>(items: Iterable<T>, make: (item: T) => Promise<R>, parallel = 6): AsyncGenerator<R> {
  const under: Promise<R>[] = [];
  const start = (item: T): void => {
    const one = make(item);
    one.catch(() => undefined); // thrown where its turn comes
    under.push(one);
  };
  for (const item of items) {
    start(item);
    if (under.length >= parallel) yield await under.shift()!;
  }
  while (under.length) yield await under.shift()!;
}
