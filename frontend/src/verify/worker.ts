// The verifier in a thread of its own: the page stays alive while millions of hashes are made, and stopping it is ending
// the thread. What it is told stays here: it asks the server for files of the board, and for nothing else.
import { lookUp } from "./quick";
import { type Receipt, type Token, readToken } from "./receipt";
import { type Source, Unreachable, Web } from "./source";
import { type BallotFound, type Result, verify } from "./verify";

export interface Order {
  board: string;
  registry: string;
  poll: string;
  text: string | null; // a receipt or a code
  quick: boolean;
}

export type Message =
  | { kind: "check"; name: string; state: string; detail: string }
  | { kind: "progress"; done: number; total: number }
  | { kind: "result"; result: Result }
  | { kind: "ballot"; ballot: BallotFound }
  | { kind: "error"; unreachable: boolean; detail: string };

// A board whose manifest is not there yet is not a false one.
class Published implements Source {
  readonly #web: Web;

  constructor(base: string) {
    this.#web = new Web(base);
  }

  async get(path: string, most: number): Promise<Uint8Array | null> {
    const found = await this.#web.get(path, most);
    if (!found && path === "manifest.json") throw new Unreachable("manifest.json: not published yet");
    return found;
  }
}

const WAIT = 1_000;

const tell = (message: Message): void => postMessage(message);

async function run(order: Order): Promise<void> {
  const asked = { board: new Published(order.board), registry: new Web(order.registry), poll: order.poll, wait: WAIT };
  const token: Token | null = order.text === null ? null : readToken(order.text);
  if (order.quick && token && "receipt" in token) {
    tell({ kind: "ballot", ballot: await lookUp(asked, token.receipt as Receipt) });
    return;
  }
  let told = 0;
  const report = {
    check: (name: string, state: string, detail: string): void => tell({ kind: "check", name, state, detail }),
    progress: (done: number, total: number): void => {
      if (done < total && Date.now() - told < 100) return;
      told = Date.now();
      tell({ kind: "progress", done, total });
    },
  };
  tell({ kind: "result", result: await verify({ ...asked, token }, report) });
}

addEventListener("message", (event: MessageEvent<Order>) => {
  run(event.data).catch((error: unknown) => tell({ kind: "error", unreachable: error instanceof Unreachable, detail: error instanceof Error ? error.message : String(error) }));
});
