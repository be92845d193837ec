// What follows from the records without trusting anybody: the counts against each other, the result by the sealed rule,
// the lots from their revealed secrets.
import { four, fromHex, hex, joined, utf8 } from "./bytes";
import { difference } from "./canonical";
import { counterOf } from "./count/index";
import { type ByStyle } from "./entries";
import { Fraction } from "./fraction";
import { lotOrder, sha256 } from "./hashing";
import type { Listed, Manifest, Party } from "./manifest";
import { instant } from "./moments";
import { type Definition, type Question, inQuestion, neutral } from "./question";
import type { Streamed } from "./records";
import { Unknown } from "./source";

export function checkCounts(manifest: Manifest, definition: Definition): void {
  const { ballots, participations, roll } = manifest;
  if (ballots > participations) throw new Error(`${ballots} ballots of ${participations} participations`);
  if ((roll.total !== null) !== roll.known) throw new Error("the roll is known and has no total, or the other way round");
  if (roll.total !== null && participations > roll.total) throw new Error(`${participations} took part of ${roll.total} on the roll`);
  rising(manifest.superseded, "superseded records");
  if (manifest.superseded.length && (definition.privacy !== "named" || !definition.may_change)) throw new Error("a vote that cannot be changed was replaced");
  checkTimes(manifest, definition);
  checkRoll(manifest, definition);
  for (const listed of manifest.questions) {
    const { withheld } = listed;
    const named = `q${listed.id}`;
    if (listed.size + withheld.records !== listed.shown) throw new Error(`${named}: ${listed.size} published and ${withheld.records} withheld are not the ${listed.shown} ballots that held it`);
    if (listed.shown > ballots) throw new Error(`${named}: on ${listed.shown} of ${ballots} ballots`);
    const question = definition.questions.find((one) => one.id === listed.id)!;
    if ((question.rule.method === "units") !== (listed.counted_by === "units")) throw new Error(`${named}: counted by ${listed.counted_by}`);
    if (!question.styles.length && !question.shown_if && listed.shown !== ballots) throw new Error(`${named}: everybody is asked, and ${listed.shown} of ${ballots} ballots hold it`);
    if (withheld.styles.some((style) => (style !== 0 && !definition.styles.some((one) => one.id === style)) || !inQuestion(question, style))) throw new Error(`${named}: withheld records of a style that is none`);
    if (withheld.styles.some((style, i) => i > 0 && withheld.styles[i - 1]! >= style)) throw new Error(`${named}: withheld styles do not rise`);
    if (Boolean(withheld.styles.length) !== Boolean(withheld.records)) throw new Error(`${named}: withheld records of no style, or a withheld style without records`);
    if (withheld.leaves.length !== withheld.records) throw new Error(`${named}: ${withheld.leaves.length} hashes of ${withheld.records} withheld records`);
    rising(withheld.leaves, `${named}: withheld records`);
    checkEntitled(manifest, listed, question);
  }
}

// Opened as sealed, counted after closing. Closing itself may be put off or brought forward, publicly.
function checkTimes(manifest: Manifest, definition: Definition): void {
  const [opens, closes, counted] = [manifest.opens_at, manifest.closes_at, manifest.counted_at].map(instant) as [bigint, bigint, bigint];
  if (opens !== instant(definition.opens_at)) throw new Error("opened at another time than was sealed");
  if (closes < opens || counted < closes) throw new Error("counted before it had closed, or closed before it opened");
}

// The roll by ballot style: every style that is declared, everybody else's, and no more people than there are.
function checkRoll(manifest: Manifest, definition: Definition): void {
  const { known, total, styles } = manifest.roll;
  const declared = new Set([0, ...definition.styles.map((style) => style.id)]);
  const expected = known && declared.size > 1 ? [...declared].sort((a, b) => a - b) : [];
  if (JSON.stringify(styles.map(([style]) => style)) !== JSON.stringify(expected)) throw new Error("the roll by ballot style is not of the declared styles");
  if (total !== null && styles.reduce((sum, [, n]) => sum + n, 0) > total) throw new Error("the roll by ballot style is more than the whole");
}

function rising(leaves: string[], what: string): void {
  if (leaves.some((leaf, i) => i > 0 && leaves[i - 1]! >= leaf)) throw new Error(`${what} do not rise`);
}

function checkEntitled(manifest: Manifest, listed: Listed, question: Question): void {
  const { total, styles } = manifest.roll;
  const ofStyles = (): number => styles.reduce((sum, [style, n]) => (inQuestion(question, style) ? sum + n : sum), 0);
  const expected = total === null || !question.styles.length ? total : ofStyles();
  if (listed.entitled !== expected) throw new Error(`q${listed.id}: ${listed.entitled} entitled where the roll says ${expected}`);
}

// The records against each other: every ballot of a style holds the questions that everybody of it is asked, and a
// follow-up is on no more ballots than have the answer it follows. Needs all records.
export function checkShown(manifest: Manifest, definition: Definition, streamed: Map<number, Streamed>): void {
  const byStyle = new Map<number, { question: number; records: number }>();
  for (const question of definition.questions) {
    const listed = manifest.questions.find((one) => one.id === question.id)!;
    const { styles } = streamed.get(question.id)!;
    checkOnRoll(manifest, definition, question, styles);
    if (question.shown_if) {
      checkFollowUp(manifest, question, listed, definition, streamed);
      continue;
    }
    for (const style of [0, ...definition.styles.map((one) => one.id)]) {
      if (!inQuestion(question, style) || listed.withheld.styles.includes(style)) continue;
      const records = styles.get(style) ?? 0;
      const other = byStyle.get(style) ?? { question: question.id, records };
      if (other.records !== records) throw new Error(`${records} ballots of style ${style} hold q${question.id}, and ${other.records} hold q${other.question}`);
      byStyle.set(style, other);
    }
  }
  const ballots = [...byStyle.values()].reduce((sum, { records }) => sum + records, 0);
  if (ballots > manifest.ballots) throw new Error(`the records are of ${ballots} ballots, and there are ${manifest.ballots}`);
}

function checkFollowUp(manifest: Manifest, question: Question, listed: Listed, definition: Definition, streamed: Map<number, Streamed>): void {
  const parent = definition.questions.find((one) => one.id === question.shown_if!.question);
  const hidden = manifest.questions.find((one) => one.id === parent?.id)?.withheld;
  const leads: ByStyle | undefined = parent && streamed.get(parent.id)?.leads.get(question.id);
  if (!parent || !hidden || !leads) throw new Error(`q${question.id}: follows no question`);
  const asked = [0, ...definition.styles.map((one) => one.id)].filter((style) => inQuestion(question, style));
  const held = streamed.get(question.id)!.styles;
  for (const style of asked) {
    if (hidden.styles.includes(style) || listed.withheld.styles.includes(style)) continue;
    const [records, led] = [held.get(style) ?? 0, leads.get(style) ?? 0];
    if (records !== led) throw new Error(`q${question.id}: ${records} records of style ${style}, and ${led} ballots that led to it`);
  }
  const led = asked.reduce((sum, style) => sum + (leads.get(style) ?? 0), 0);
  const most = led + (asked.some((style) => hidden.styles.includes(style)) ? hidden.records : 0);
  if (listed.shown < led || listed.shown > most) throw new Error(`q${question.id}: on ${listed.shown} ballots, and ${led} led to it`);
}

// A style has no more records than entitled residents, where nobody could come on the roll late.
function checkOnRoll(manifest: Manifest, definition: Definition, question: Question, held: ByStyle): void {
  if (definition.late_registration) return;
  for (const [style, entitled] of manifest.roll.styles) {
    const records = held.get(style) ?? 0;
    if (records > entitled) throw new Error(`q${question.id}: ${records} records of style ${style}, and ${entitled} residents on its roll`);
  }
}

// What holds of the published outcome by any rule, also one that is not counted again: how the ballots divide.
export function checkClasses(question: Question, listed: Listed, profile: Map<string, number>): void {
  const { outcome } = listed;
  const named = `q${listed.id}`;
  const [cast, valid, blank, neutralTotal] = [outcome.cast, outcome.valid, outcome.blank, outcome.neutral_total].map((n) => (Number.isSafeInteger(n) ? (n as number) : NaN)) as [number, number, number, number];
  if (outcome.question_id !== question.id || outcome.method !== question.rule.method) throw new Error(`${named}: the outcome of another question or rule`);
  if (cast !== valid + blank + neutralTotal) throw new Error(`${named}: the published numbers of ballots do not add up`);
  if (listed.counted_by !== "ballots") return;
  const ids = new Set(neutral(question).map((option) => `[${option.id}]`));
  const seen = { cast: 0, valid: 0, blank: 0, neutral: 0 };
  for (const [answer, n] of profile) {
    seen.cast += n;
    seen[answer === "[]" ? "blank" : ids.has(answer) ? "neutral" : "valid"] += n;
  }
  const fits = cast === listed.shown && seen.cast <= cast && seen.valid <= valid && seen.blank <= blank && seen.neutral <= neutralTotal;
  if (!fits) throw new Error(`${named}: the published numbers of ballots contradict the records`);
}

// Whether enough took part, as the poll declares; null where that hangs on a roll that is not known.
export function quorumMet(definition: Definition, manifest: Manifest): boolean | null | undefined {
  const { quorum } = definition;
  if (!quorum || (quorum.share === null && quorum.ballots === null)) return undefined;
  if (quorum.ballots !== null && manifest.ballots < quorum.ballots) return false;
  if (quorum.share === null) return true;
  return manifest.roll.total === null ? null : manifest.ballots >= Fraction.of(quorum.share).times(manifest.roll.total).ceiling();
}

export type Skipped = "withheld" | "units" | "rule";

// Why a question's result is not counted again here; null where it is.
export function skipped(question: Question, listed: Listed): Skipped | null {
  if (question.rule.method === "units") return "units";
  if (listed.withheld.records) return "withheld";
  return counterOf(question) ? null : "rule";
}

// The outcome counted again, steps and all; throws naming where it differs from what was published. Gives the fields that
// the published one has besides.
export function checkTally(question: Question, listed: Listed, manifest: Manifest, profile: Map<string, number>): string[] {
  const ties = manifest.ties.filter((tie) => tie.question === question.id);
  const asked = new Set<object>();
  const again = counterOf(question)!(question, profile, listed.entitled, (stage, tied) => {
    const tie = ties.find((one) => one.stage === stage && rises(tied, one.options));
    if (tie) asked.add(tie);
    return tie?.decided ?? null;
  });
  const unknown: string[] = [];
  const differs = difference(again, listed.outcome, "", unknown);
  if (differs !== null) throw new Error(`q${question.id}: the count differs from the published one at ${differs}`);
  if (asked.size !== ties.length) throw new Error(`q${question.id}: a tie was decided that there is not`);
  return unknown;
}

const rises = (options: number[], tied: number[]): boolean => JSON.stringify([...options].sort((a, b) => a - b)) === JSON.stringify(tied);

// Every decision about a tie by the rule that was sealed, every lot drawn again. Gives the ties that the chair decided
// though a lot could be drawn, with the order that it gives.
export function checkTies(manifest: Manifest, definition: Definition): { question: number; lot: number[] }[] {
  const pollHash = fromHex(manifest.poll_hash, 32);
  const { official, observer } = manifest.lot ?? {};
  const parties: [string, Party | undefined][] = [["official", official], ["observer", observer]];
  for (const [party, one] of parties) {
    if (!one?.secret) continue;
    const made = hex(sha256(joined(utf8("veche/lot-commitment/v1"), pollHash, utf8(party), new Uint8Array(1), fromHex(one.secret, 32))));
    if (made !== one.commitment) throw new Error(`the ${party}'s secret is not what was committed to`);
  }
  const decided = new Set<string>();
  const passedOver: { question: number; lot: number[] }[] = [];
  for (const tie of manifest.ties) {
    const question = definition.questions.find((one) => one.id === tie.question);
    const listed = manifest.questions.find((one) => one.id === tie.question);
    const { options } = tie;
    const rising = options.every((id, i) => i === 0 || options[i - 1]! < id);
    if (!question || !listed || !rising || !rises(tie.decided, options)) throw new Error("a decision about no tie");
    const name = JSON.stringify([tie.question, tie.stage, options]);
    if (decided.has(name)) throw new Error(`q${tie.question}: a tie was decided twice`);
    decided.add(name);
    if (question.rule.tie !== "joint" && !["chair", "lot"].includes(tie.method)) throw new Unknown(`q${tie.question}: a tie was decided by ${tie.method.slice(0, 40)}`);
    if (tie.method === "chair" ? !["chair", "lot"].includes(question.rule.tie) || !tie.reason.trim() : tie.method !== "lot" || question.rule.tie !== "lot") {
      throw new Error(`q${tie.question}: a tie was decided in a way the rules do not have`);
    }
    const drawable = official?.secret && observer?.secret && question.rule.tie === "lot";
    if (tie.method === "lot" && !drawable) throw new Error(`q${tie.question}: a lot without both secrets`);
    if (!drawable) continue;
    const tied = options.map((id): [number, Uint8Array] => [id, four(id)]);
    const order = lotOrder(fromHex(official.secret!, 32), fromHex(observer.secret!, 32), fromHex(listed.root, 32), four(tie.question), four(tie.stage), tied);
    if (tie.method === "chair") passedOver.push({ question: tie.question, lot: order });
    else if (JSON.stringify(order) !== JSON.stringify(tie.decided)) throw new Error(`q${tie.question}: the lot gives another order`);
  }
  return passedOver;
}
