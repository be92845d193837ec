// The sealed poll as the verifier reads it, and which answers fit a question: the canonical forms of the document
// "board format", one per kind. An answer that fits in no way is an entry that no ballot page could have made.
import type { Facts } from "./canonical";
import { Fraction } from "./fraction";
import { Unknown } from "./source";

export interface Option {
  id: number;
  kind: "regular" | "neutral";
  cost: number | null;
  styles: number[];
  text: Text;
}

export interface Text {
  ru: string;
  en: string;
}

export interface Rule {
  method: string;
  denominator: "valid" | "cast" | "entitled";
  also_valid: ("neutral" | "blank")[];
  winners: number;
  threshold: string | null;
  min_votes: number;
  tie: "joint" | "lot" | "chair";
  // of ratings
  order_by: "mean" | "trimmed_mean" | "median" | "majority_judgment";
  trim: string;
  ungraded: "worst" | "left";
  // of rankings
  equal: "skip" | "exhaust";
  truncated: "average" | "zero" | "modified";
  // of budgets
  budget: number;
  min_score: number;
}

// A follow-up's condition on an earlier question: any of `options` chosen (0: own words), or, of levels and points, one
// of them (of all, where none is named) from `at_least` to `at_most`.
export interface ShownIf {
  question: number;
  options: number[];
  at_least: number | null;
  at_most: number | null;
}

export interface Question {
  id: number;
  kind: "single_choice" | "multiple_choice" | "rating" | "ranking" | "points" | "budget" | "text";
  text: Text;
  required: boolean;
  options: Option[];
  styles: number[];
  shown_if: ShownIf | null;
  rule: Rule;
  own_answer?: boolean;
  min_choices: number;
  max_choices: number | null;
  scale_min: number;
  scale_max: number;
  levels: Text[];
  min_ranked: number;
  max_ranked: number | null;
  equal_ranks: boolean;
  total: number;
  most_per_option: number | null;
  spend_all: boolean;
  ballot_limit: number | null;
  exclusive_groups: number[][];
  exclusive_on_ballot: boolean;
}

export interface Definition {
  poll_id: string;
  title: Text;
  questions: Question[];
  styles: { id: number }[];
  privacy: "separated" | "named";
  may_change: boolean;
  receipt: "inclusion" | "acceptance_only";
  roll_known: boolean;
  late_registration: boolean;
  quorum: { share: string | null; ballots: number | null } | null;
  opens_at: string | null;
  closes_at: string | null;
  time_zone: string;
}

export const regular = (question: Question): Option[] => question.options.filter((option) => option.kind === "regular");
export const neutral = (question: Question): Option[] => question.options.filter((option) => option.kind === "neutral");
export const takesWords = (question: Question): boolean => question.kind === "text" || question.own_answer === true;
const inStyle = (item: { styles: number[] }, style: number): boolean => !item.styles.length || item.styles.includes(style);
export const inQuestion = (question: Question, style: number): boolean => inStyle(question, style);

// What of a definition this verifier relies on; throws where it is not there. Its bytes have been held against the hash
// that the poll was sealed with, so this only guards against a document of another schema.
export function readDefinition(data: Facts): Definition {
  if (data.schema !== "veche/poll/v1") throw new Unknown("a poll document of another schema");
  if (!Array.isArray(data.questions) || !Array.isArray(data.styles)) throw new Error("a poll document without questions or styles");
  const found = data as unknown as Definition;
  if (found.questions.length > MOST_QUESTIONS) throw new Error("more questions than a poll can have");
  for (const question of found.questions) {
    if (!Number.isInteger(question.id) || !Array.isArray(question.options) || typeof question.rule?.method !== "string") throw new Error("a question that is none");
    if (!withinLimits(question)) throw new Error(`q${question.id}: beyond the limits of a poll document`);
  }
  return found;
}

const MOST_QUESTIONS = 50;
const MOST_OPTIONS = 300;
const MOST_LEVEL = 100;

// Of a size that can be counted: a document sealed in bad faith must not keep a verifier busy for ever.
function withinLimits({ options, rule, scale_min: low, scale_max: high }: Question): boolean {
  const level = (n: number | undefined): boolean => n === undefined || (Number.isInteger(n) && Math.abs(n) <= MOST_LEVEL);
  const share = (text: string | null | undefined): boolean => text == null || Fraction.is(text);
  return options.length <= MOST_OPTIONS && level(low) && level(high) && share(rule.threshold) && share(rule.trim);
}

// Whether a canonical answer to the earlier question shows the follow-up. An option of a ranking counts when it is ranked,
// one of levels or points when it has any.
export function leadsOn(condition: ShownIf, earlier: Question, text: string): boolean {
  const answer = JSON.parse(text) as Value[];
  const wanted = (id: number): boolean => !condition.options.length || condition.options.includes(id);
  const { at_least: least, at_most: most } = condition;
  const leveled = earlier.kind === "rating" || earlier.kind === "points";
  if (leveled && (least !== null || most !== null)) {
    return (answer as (number | [number, number])[]).some((pair) => Array.isArray(pair) && wanted(pair[0]) && (least === null || pair[1] >= least) && (most === null || pair[1] <= most));
  }
  const named = answer.flatMap((item) => (typeof item === "number" ? [item] : leveled ? [item[0]!] : item));
  return named.some(wanted);
}

type Value = number | number[];

// Why a canonical answer does not fit the question on a ballot of this style; null when it does.
export function unfit(question: Question, style: number, text: string): string | null {
  let answer: Value[];
  try {
    answer = JSON.parse(text) as Value[];
  } catch {
    return "not JSON";
  }
  if (!Array.isArray(answer) || JSON.stringify(answer) !== text) return "not canonical";
  const whole = (item: unknown): boolean => Number.isSafeInteger(item);
  if (!answer.every((item) => (Array.isArray(item) ? item.every(whole) : whole(item)))) return "not whole numbers";
  const shown = question.options.filter((option) => inStyle(option, style));
  const names = new Set(shown.filter((option) => option.kind === "regular").map((option) => option.id));
  if (!answer.length) return question.required ? "blank where an answer is required" : null;
  if (answer.length === 1 && shown.some((option) => option.kind === "neutral" && option.id === answer[0])) return null;
  switch (question.kind) {
    case "single_choice":
      return choices(question, answer, names, 1, 1);
    case "multiple_choice":
      return choices(question, answer, names, question.min_choices, question.max_choices);
    case "budget":
      return choices(question, answer, names, question.min_choices, question.max_choices) ?? overLimits(question, answer as number[]);
    case "text":
      return text === "[0]" ? null : "not a text";
    case "rating":
      return pairs(answer, names) ?? ((answer as number[][]).every(([, level]) => level! >= question.scale_min && level! <= question.scale_max) ? null : "off the scale");
    case "points":
      return pairs(answer, names) ?? wrongPoints(question, answer as number[][]);
    case "ranking":
      return wrongRanking(question, answer, names);
    default:
      return "a kind of question that is not known";
  }
}

function choices(question: Question, answer: Value[], names: Set<number>, least: number, most: number | null): string | null {
  if (answer.some((id) => typeof id !== "number")) return "not a list of options";
  const ids = answer as number[];
  if (ids.some((id, i) => i > 0 && ids[i - 1]! >= id)) return "options do not rise";
  const own = takesWords(question) && ids[0] === 0 ? 1 : 0;
  if (ids.slice(own).some((id) => !names.has(id))) return "an option that is not on the ballot";
  return ids.length < least || (most !== null && ids.length > most) ? "too few or too many options" : null;
}

function overLimits(question: Question, ids: number[]): string | null {
  if (question.exclusive_on_ballot && question.exclusive_groups.some((group) => group.filter((id) => ids.includes(id)).length > 1)) return "projects that exclude each other";
  const spent = question.options.reduce((sum, option) => (ids.includes(option.id) ? sum + BigInt(option.cost ?? 0) : sum), 0n);
  return question.ballot_limit !== null && spent > BigInt(question.ballot_limit) ? "over the limit of a ballot" : null;
}

function pairs(answer: Value[], names: Set<number>): string | null {
  let before = 0;
  for (const pair of answer) {
    if (!Array.isArray(pair) || pair.length !== 2) return "not pairs";
    if (pair[0]! <= before) return "options do not rise";
    if (!names.has(pair[0]!)) return "an option that is not on the ballot";
    before = pair[0]!;
  }
  return null;
}

function wrongPoints(question: Question, given: number[][]): string | null {
  const cap = question.most_per_option ?? question.total;
  if (given.some(([, n]) => n! < 1 || n! > cap)) return "points out of bounds";
  const spent = given.reduce((sum, [, n]) => sum + n!, 0);
  return spent > question.total || (question.spend_all && spent < question.total) ? "points do not make the sum" : null;
}

function wrongRanking(question: Question, answer: Value[], names: Set<number>): string | null {
  const seen = new Set<number>();
  for (const tier of answer) {
    if (!Array.isArray(tier) || !tier.length) return "not tiers";
    if (tier.length > 1 && !question.equal_ranks) return "equal ranks";
    for (const [i, id] of tier.entries()) {
      if (i > 0 && tier[i - 1]! >= id) return "options of a tier do not rise";
      if (!names.has(id) || seen.has(id)) return "an option that is not on the ballot, or twice";
      seen.add(id);
    }
  }
  const least = Math.min(question.min_ranked, names.size);
  return seen.size < least || (question.max_ranked !== null && seen.size > question.max_ranked) ? "ranks too few or too many" : null;
}
