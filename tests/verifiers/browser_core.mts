// Runs the browser's verifier under Node: one JSON command a line on stdin, one JSON reply a line on stdout.
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { counterOf } from "../../frontend/src/verify/count/index";
import type { Facts } from "../../frontend/src/verify/canonical";
import { fromBase64 } from "../../frontend/src/verify/bytes";
import { lookUp } from "../../frontend/src/verify/quick";
import { type Question, unfit } from "../../frontend/src/verify/question";
import { NotAReceipt, type Receipt, readToken } from "../../frontend/src/verify/receipt";
import { type Source, Unreachable, Web } from "../../frontend/src/verify/source";
import { verify } from "../../frontend/src/verify/verify";

type Tied = [stage: number, tied: number[], order: number[]];
type Overlay = { [path: string]: string | null };
type Board = { dir: string; overlay?: Overlay; poll?: string; registry?: string; token?: string; changing?: number; room?: number };
type Count = { do: "count"; question: Question; answers: [string, number, number[]][]; entitled: number | null; ties: Tied[] };

// One question from its profile; `fit` names answers that the verifier would refuse on a ballot of these styles.
function count(command: Count): Facts {
  const counter = counterOf(command.question);
  const wrong = command.answers.flatMap(([text, , styles]) => styles.flatMap((style) => unfit(command.question, style, text) ?? []));
  if (!counter) return { outcome: null, wrong };
  const decided = new Map(command.ties.map(([stage, tied, order]) => [JSON.stringify([stage, tied]), order]));
  const profile = new Map(command.answers.map(([text, n]): [string, number] => [text, n]));
  return { outcome: counter(command.question, profile, command.entitled, (stage, tied) => decided.get(JSON.stringify([stage, tied])) ?? null), wrong };
}

// A directory of files, some replaced (base64) or gone (null) in the first readings of each, in all unless `changing` says
// how many. `asked` lists what was read.
class Directory implements Source {
  readonly asked: string[] = [];

  constructor(readonly dir: string, readonly overlay: Overlay = {}, readonly changing = Infinity) {}

  async get(path: string): Promise<Uint8Array | null> {
    this.asked.push(path);
    const readings = this.asked.filter((one) => one === path).length;
    if (Object.hasOwn(this.overlay, path) && readings <= this.changing) return this.overlay[path] === null ? null : fromBase64(this.overlay[path]);
    return readFile(`${this.dir}/${path}`).then((data) => new Uint8Array(data), () => null);
  }
}

const asked = (command: Board): { board: Directory; registry: Source | null; poll: string | null; wait: number } => ({
  board: new Directory(command.dir, command.overlay, command.changing),
  registry: command.registry === undefined ? null : new Directory(command.registry),
  poll: command.poll ?? null,
  wait: 0,
});

async function board(command: Board): Promise<Facts> {
  const from = asked(command);
  const states: Facts = {};
  let done = 0;
  const report = { check: (name: string, state: string): void => void (states[name] = state), progress: (records: number): void => void (done = records) };
  const token = command.token === undefined ? null : readToken(command.token);
  const found = await verify({ ...from, token, room: command.room }, report);
  return { ...(found as unknown as Facts), states, done, asked: from.board.asked.length };
}

async function quick(command: Board): Promise<Facts> {
  const from = asked(command);
  const { receipt } = readToken(command.token!) as { receipt: Receipt };
  return { ballot: (await lookUp(from, receipt)) as unknown as Facts, asked: from.board.asked };
}

// One file over HTTP, as the page asks for it.
async function fetched(command: { base: string; path: string; most: number; patience: number }): Promise<Facts> {
  try {
    const data = await new Web(command.base, command.patience, 1).get(command.path, command.most);
    return { found: data && data.length };
  } catch (error) {
    return { most_memory: process.memoryUsage.rss(), fault: (error as Error).constructor === Unreachable ? "unreachable" : "refused", detail: String(error) };
  }
}

const DO: { [name: string]: (command: never) => Facts | Promise<Facts> } = { count, board, quick, fetched };

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as { do: string };
  let reply: Facts;
  try {
    reply = await DO[command.do]!(command as never);
  } catch (error) {
    reply = error instanceof NotAReceipt ? { refused: error.message } : { error: String((error as Error).stack) };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
