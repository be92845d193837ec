// Where the files of a board come from. A file that is not there is a fault of the board; one that could not be fetched
// is not, and leaves the check open.
export class Unreachable extends Error {}

export interface Source {
  // The bytes, or null where there is no such file. Throws Unreachable where nobody can tell.
  get(path: string): Promise<Uint8Array | null>;
}

const MOST = 64 * 1024 * 1024; // no file of a board is larger than this but by mischief

export async function need(source: Source, path: string): Promise<Uint8Array> {
  const found = await source.get(path);
  if (!found) throw new Error(`${path} is missing`);
  if (found.length > MOST) throw new Error(`${path} is too large`);
  return found;
}

// Files below an address, asked for without cookies: the server is not told who verifies.
export class Web implements Source {
  constructor(readonly base: string) {}

  async get(path: string): Promise<Uint8Array | null> {
    for (let attempt = 0; ; attempt++) {
      try {
        const reply = await fetch(this.base + path, { credentials: "omit", referrerPolicy: "no-referrer", redirect: "error" });
        if (reply.status === 404 || reply.status === 410) return null;
        if (reply.ok) return new Uint8Array(await reply.arrayBuffer());
        if (attempt >= 3) throw new Unreachable(`${path}: HTTP ${reply.status}`);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        if (attempt >= 3) throw new Unreachable(`${path}: ${error.message}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** attempt));
    }
  }
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
