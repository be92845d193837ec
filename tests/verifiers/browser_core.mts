// Runs the browser's verifier under Node: one JSON command a line on stdin, one JSON reply a line on stdout.
import { createInterface } from "node:readline";
import { counterOf } from "../../frontend/src/verify/count/index";
import type { Facts } from "../../frontend/src/verify/canonical";
import { type Question, unfit } from "../../frontend/src/verify/question";

type Tied = [stage: number, tied: number[], order: number[]];
type Command = { do: "count"; question: Question; answers: [string, number, number[]][]; entitled: number | null; ties: Tied[] };

// One question from its profile; `fit` names answers that the verifier would refuse on a ballot of these styles.
function count(command: Command): Facts {
  const counter = counterOf(command.question);
  const wrong = command.answers.flatMap(([text, , styles]) => styles.flatMap((style) => unfit(command.question, style, text) ?? []));
  if (!counter) return { outcome: null, wrong };
  const decided = new Map(command.ties.map(([stage, tied, order]) => [JSON.stringify([stage, tied]), order]));
  const profile = new Map(command.answers.map(([text, n]): [string, number] => [text, n]));
  return { outcome: counter(command.question, profile, command.entitled, (stage, tied) => decided.get(JSON.stringify([stage, tied])) ?? null), wrong };
}

const DO: { [name: string]: (command: never) => Facts | Promise<Facts> } = { count };

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as Command;
  let reply: Facts;
  try {
    reply = await DO[command.do]!(command as never);
  } catch (error) {
    reply = { error: String((error as Error).stack) };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
