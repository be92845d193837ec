// What follows from the records without trusting anybody: the counts against each other, the result by the sealed rule,
// the lots from their revealed secrets.
import { four, fromHex, hex, joined, utf8 } from "./bytes";
import { difference } from "./canonical";
import { counterOf } from "./count/index";
import { Fraction } from "./fraction";
import { lotOrder, sha256 } from "./hashing";
import type { Listed, Manifest, Party } from "./manifest";
import type { Definition, Question } from "./question";

export function checkCounts(manifest: Manifest, definition: Definition): void {
  const { ballots, participations, roll } = manifest;
  if (ballots > participations) throw new Error(`${ballots} ballots of ${participations} participations`);
  if ((roll.total !== null) !== roll.known) throw new Error("the roll is known and has no total, or the other way round");
  if (roll.total !== null && participations > roll.total) throw new Error(`${participations} took part of ${roll.total} on the roll`);
  rising(manifest.superseded, "superseded records");
  if (manifest.superseded.length && definition.privacy !== "named") throw new Error("a vote that cannot be changed was replaced");
  checkTimes(manifest, definition);
  for (const listed of manifest.questions) {
    const { withheld } = listed;
    const named = `q${listed.id}`;
    if (listed.size + withheld.records !== listed.shown) throw new Error(`${named}: ${listed.size} published and ${withheld.records} withheld are not the ${listed.shown} ballots that held it`);
    if (listed.shown > ballots) throw new Error(`${named}: on ${listed.shown} of ${ballots} ballots`);
    const question = definition.questions.find((one) => one.id === listed.id)!;
    if ((question.rule.method === "units") !== (listed.counted_by === "units")) throw new Error(`${named}: counted by ${listed.counted_by}`);
    if (!question.styles.length && !question.shown_if && listed.shown !== ballots) throw new Error(`${named}: everybody is asked, and ${listed.shown} of ${ballots} ballots hold it`);
    if (withheld.leaves.length !== withheld.records) throw new Error(`${named}: ${withheld.leaves.length} hashes of ${withheld.records} withheld records`);
    rising(withheld.leaves, `${named}: withheld records`);
    checkEntitled(manifest, listed, question);
  }
}

// Opened as sealed, counted after closing. Closing itself may be put off or brought forward, publicly.
function checkTimes(manifest: Manifest, definition: Definition): void {
  const [opens, sealed, closes, counted] = [manifest.opens_at, definition.opens_at ?? "", manifest.closes_at, manifest.counted_at].map((moment) => Date.parse(moment));
  if (opens !== sealed) throw new Error("opened at another time than was sealed");
  if (!(closes! > opens!) || !(counted! >= closes!)) throw new Error("counted before it had closed, or closed before it opened");
}

function rising(leaves: string[], what: string): void {
  if (leaves.some((leaf, i) => i > 0 && leaves[i - 1]! >= leaf)) throw new Error(`${what} do not rise`);
}

function checkEntitled(manifest: Manifest, listed: Listed, question: Question): void {
  const { total } = manifest.roll;
  const expected = !question.styles.length ? total : total === null ? null : undefined;
  const fits = expected === undefined ? listed.entitled === null || listed.entitled <= total! : listed.entitled === expected;
  if (!fits) throw new Error(`q${listed.id}: ${listed.entitled} entitled of ${total} on the roll`);
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

// The outcome counted again, steps and all; throws naming where it differs from what was published.
export function checkTally(question: Question, listed: Listed, manifest: Manifest, profile: Map<string, number>): void {
  const ties = manifest.ties.filter((tie) => tie.question === question.id);
  const asked = new Set<object>();
  const again = counterOf(question)!(question, profile, listed.entitled, (stage, tied) => {
    const tie = ties.find((one) => one.stage === stage && rises(one.options, tied));
    if (tie) asked.add(tie);
    return tie?.decided ?? null;
  });
  const differs = difference(again, listed.outcome);
  if (differs !== null) throw new Error(`q${question.id}: the count differs from the published one at ${differs}`);
  if (asked.size !== ties.length) throw new Error(`q${question.id}: a tie was decided that there is not`);
}

const rises = (options: number[], tied: number[]): boolean => JSON.stringify([...options].sort((a, b) => a - b)) === JSON.stringify(tied);

// Every decision about a tie by the rule that was sealed, every lot drawn again.
export function checkTies(manifest: Manifest, definition: Definition): void {
  const pollHash = fromHex(manifest.poll_hash, 32);
  const { official, observer } = manifest.lot ?? {};
  const parties: [string, Party | null | undefined][] = [["official", official], ["observer", observer]];
  for (const [party, one] of parties) {
    if (!one?.secret) continue;
    const made = hex(sha256(joined(utf8("veche/lot-commitment/v1"), pollHash, utf8(party), new Uint8Array(1), fromHex(one.secret, 32))));
    if (made !== one.commitment) throw new Error(`the ${party}'s secret is not what was committed to`);
  }
  for (const tie of manifest.ties) {
    const question = definition.questions.find((one) => one.id === tie.question);
    const listed = manifest.questions.find((one) => one.id === tie.question);
    if (!question || !listed || !rises(tie.decided, [...tie.options].sort((a, b) => a - b))) throw new Error("a decision about no tie");
    if (tie.method === "chair" ? !["chair", "lot"].includes(question.rule.tie) || !tie.reason.trim() : tie.method !== "lot" || question.rule.tie !== "lot") {
      throw new Error(`q${tie.question}: a tie was decided in a way the rules do not have`);
    }
    if (tie.method !== "lot") continue;
    if (!official?.secret || !observer?.secret) throw new Error(`q${tie.question}: a lot without both secrets`);
    const tied = [...tie.options].sort((a, b) => a - b).map((id): [number, Uint8Array] => [id, four(id)]);
    const order = lotOrder(fromHex(official.secret, 32), fromHex(observer.secret, 32), fromHex(listed.root, 32), four(tie.question), four(tie.stage), tied);
    if (JSON.stringify(order) !== JSON.stringify(tie.decided)) throw new Error(`q${tie.question}: the lot gives another order`);
  }
}

