// Runs the browser's verifier under Node: one JSON command a line on stdin, one JSON reply a line on stdout.
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { counterOf } from "../../frontend/src/verify/count/index";
import type { Facts } from "../../frontend/src/verify/canonical";
import { fromBase64, utf8 } from "../../frontend/src/verify/bytes";
import { lookUp } from "../../frontend/src/verify/quick";
import { type Question, unfit } from "../../frontend/src/verify/question";
import { type Receipt, readToken } from "../../frontend/src/verify/receipt";
import type { Source } from "../../frontend/src/verify/source";
import { verify } from "../../frontend/src/verify/verify";

type Tied = [stage: number, tied: number[], order: number[]];
type Overlay = { [path: string]: string | null };
type Board = { dir: string; overlay?: Overlay; poll?: string; keys?: string; token?: string };
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

// A board's directory, with some files replaced (base64) or gone (null). `asked` lists what was read.
class Directory implements Source {
  readonly asked: string[] = [];

  constructor(readonly dir: string, readonly overlay: Overlay) {}

  async get(path: string): Promise<Uint8Array | null> {
    this.asked.push(path);
    if (Object.hasOwn(this.overlay, path)) return this.overlay[path] === null ? null : fromBase64(this.overlay[path]);
    return readFile(`${this.dir}/${path}`).then((data) => new Uint8Array(data), () => null);
  }
}

async function board(command: Board): Promise<Facts> {
  const files = new Directory(command.dir, command.overlay ?? {});
  const keys = command.keys === undefined ? null : { get: async (): Promise<Uint8Array> => utf8(command.keys!) };
  const states: Facts = {};
  let done = 0;
  const report = { check: (name: string, state: string): void => void (states[name] = state), progress: (records: number): void => void (done = records) };
  const token = command.token === undefined ? null : readToken(command.token);
  const found = await verify({ board: files, registry: keys, poll: command.poll ?? null, token }, report);
  return { ...(found as unknown as Facts), states, done, asked: files.asked.length };
}

async function quick(command: Board): Promise<Facts> {
  const files = new Directory(command.dir, command.overlay ?? {});
  const { receipt } = readToken(command.token!) as { receipt: Receipt };
  return { ballot: (await lookUp(files, command.poll ?? null, receipt)) as unknown as Facts, asked: files.asked };
}

const DO: { [name: string]: (command: never) => Facts | Promise<Facts> } = { count, board, quick };

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as { do: string };
  let reply: Facts;
  try {
    reply = await DO[command.do]!(command as never);
  } catch (error) {
    reply = { error: String((error as Error).stack) };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
