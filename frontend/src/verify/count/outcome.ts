// The outcome of a question as the board publishes it, and what every rule shares: classes of ballots, denominators,
// thresholds, places, the line between winners and the rest, ties. Written from docs/rules and the board's format, not
// from the engine: a second opinion is worth something only if it comes from somebody else.
import type { Facts, Json } from "../canonical";
import { Fraction } from "../fraction";
import { type Question, type Rule, neutral, regular, takesWords } from "../question";

export type Profile = Map<string, number>; // canonical answer → ballots
export type Counts = Map<number, number>; // option id → n, in stated order
export type Decide = (stage: number, tied: number[]) => number[] | null;

export interface Tie {
  options: number[];
  place: number;
  seats: number;
  resolution: string;
  kind: string;
  stage: number;
  order: number[] | null;
}

export interface Classes {
  cast: number;
  valid: number;
  blank: number;
  neutral: Counts;
  neutralTotal: number;
  own: number | null;
}

export interface Step {
  code: string;
  facts: Facts;
}

export const step = (code: string, facts: Facts): Step => ({ code, facts });
export const tieStep = (tie: Tie): Step => step("tie", { ...tie });
export const list = (counts: Map<number, { toString(): string }>): Json => [...counts].map(([id, n]) => [id, n.toString()]);

// Blank and neutral answers apart; the rest goes to `each`, answer by answer.
export function divide(question: Question, profile: Profile, each: (answer: never, n: number) => void): Classes {
  const apart = new Map(neutral(question).map((option) => [`[${option.id}]`, option.id]));
  const found: Classes = { cast: 0, valid: 0, blank: 0, neutral: zeros(neutral(question)), neutralTotal: 0, own: null };
  for (const [text, n] of profile) {
    found.cast += n;
    const option = apart.get(text);
    if (text === "[]") found.blank += n;
    else if (option !== undefined) {
      found.neutral.set(option, found.neutral.get(option)! + n);
      found.neutralTotal += n;
    } else {
      found.valid += n;
      each(JSON.parse(text) as never, n);
    }
  }
  return found;
}

export const zeros = (options: { id: number }[]): Counts => new Map(options.map((option) => [option.id, 0]));

export function add(counts: Counts, id: number, n: number): void {
  const before = counts.get(id);
  if (before === undefined) throw new Error(`no option ${id}`);
  counts.set(id, before + n);
}

// Votes of a question answered with a list of options; own words are for none of them.
export function countChoices(question: Question, profile: Profile, ownCounts = takesWords(question)): { classes: Classes; votes: Counts } {
  const votes = zeros(regular(question));
  let own = 0;
  const classes = divide(question, profile, (ids: number[], n) => {
    if (ids[0] === 0) own += n;
    for (const id of ids) if (id !== 0) add(votes, id, n);
  });
  classes.own = ownCounts ? own : null;
  return { classes, votes };
}

export function denominatorOf(rule: Rule, classes: Classes, entitled: number | null): number | null {
  if (rule.denominator === "cast") return classes.cast;
  if (rule.denominator === "entitled") return entitled;
  return classes.valid + (rule.also_valid.includes("neutral") ? classes.neutralTotal : 0) + (rule.also_valid.includes("blank") ? classes.blank : 0);
}

export const share = (n: number, of: number | null): string | null => (of ? new Fraction(n, of).toString() : null);

export function openingSteps(rule: Rule, classes: Classes, entitled: number | null): Step[] {
  const ballots: Facts = { cast: classes.cast, blank: classes.blank, neutral: classes.neutralTotal, valid: classes.valid };
  if (classes.own !== null) ballots.own = classes.own;
  const steps = [
    step("ballots", ballots),
    step("denominator", { denominator: rule.denominator, n: denominatorOf(rule, classes, entitled), also: [...new Set(rule.also_valid)].sort() }),
  ];
  if (entitled !== null && classes.cast > entitled) steps.push(step("cast_exceeds_roll", { cast: classes.cast, entitled }));
  return steps;
}

export interface Threshold {
  above: Set<number>;
  met: boolean | null;
  steps: Step[];
}

// Who may win: strictly more than the share, and at least so many votes.
export function threshold(rule: Rule, votes: Counts, n: number | null): Threshold {
  let above = [...votes.keys()];
  let met: boolean | null = null;
  const steps: Step[] = [];
  if (rule.threshold !== null) {
    const facts = { share: rule.threshold, denominator: rule.denominator };
    if (n === null) {
      above = [];
      steps.push(step("threshold_unknown", facts));
    } else {
      const line = Fraction.of(rule.threshold).times(n);
      above = above.filter((id) => new Fraction(votes.get(id)!).compare(line) > 0);
      met = above.length > 0;
      steps.push(step("threshold", { ...facts, n, needs_more_than: line.toString(), above: [...above] }));
    }
  }
  if (rule.min_votes) {
    const enough = [...votes.keys()].filter((id) => votes.get(id)! >= rule.min_votes);
    steps.push(step("min_votes", { needs: rule.min_votes, enough }));
    above = above.filter((id) => enough.includes(id));
  }
  return { above: new Set(above), met, steps };
}

// A stated order, and the place of each: equal ones share one (1, 2, 2, 4). `better` is negative where a comes before b.
export function placed(ids: number[], better: (a: number, b: number) => number): { order: number[]; places: Counts } {
  const order = [...ids].sort(better); // stable
  const places: Counts = new Map();
  order.forEach((id, at) => places.set(id, at > 0 && better(order[at - 1]!, id) === 0 ? places.get(order[at - 1]!)! : at + 1));
  return { order, places };
}

// What somebody has decided about a tie, checked to be an order of the tied.
export function decided(decide: Decide, rule: Rule, stage: number, tied: number[]): number[] | null {
  if (rule.tie === "joint") return null;
  const ids = [...tied].sort((a, b) => a - b);
  const order = decide(stage, ids);
  if (order && JSON.stringify([...order].sort((a, b) => a - b)) !== JSON.stringify(ids)) throw new Error("the order of a tie is not one of the tied");
  return order;
}

export function drawLine(rule: Rule, candidates: number[], places: Counts, decide: Decide): { winners: number[]; ties: Tie[] } {
  const seats = rule.winners;
  if (candidates.length <= seats || places.get(candidates[seats]!) !== places.get(candidates[seats - 1]!)) return { winners: candidates.slice(0, seats), ties: [] };
  const line = places.get(candidates[seats]!)!;
  const above = candidates.filter((id) => places.get(id)! < line);
  const tied = candidates.filter((id) => places.get(id) === line);
  const tie: Tie = { options: tied, place: line, seats: seats - above.length, resolution: rule.tie, kind: "winners", stage: 1, order: null };
  const order = decided(decide, rule, 1, tied);
  if (order) return { winners: [...above, ...order.slice(0, tie.seats)], ties: [{ ...tie, resolution: "order", order }] };
  return { winners: rule.tie === "joint" ? [...above, ...tied] : above, ties: [tie] };
}

// The order with decided ties in their decided order; places stay as they are.
export function withDecided(order: number[], places: Counts, ties: Tie[]): number[] {
  let now = order;
  for (const tie of ties) {
    if (!tie.order) continue;
    const at = (id: number): number => (tie.order!.includes(id) ? tie.order!.indexOf(id) : tie.order!.length);
    now = [...now].sort((a, b) => places.get(a)! - places.get(b)! || at(a) - at(b));
  }
  return now;
}

export const inOrder = (by: string, then: string | null, order: number[], places: Counts): Step =>
  step("ordered", { by, then, order: [...order], places: order.map((id) => places.get(id)!) });

const NO_FIGURES: Facts = {
  rated: null, mean: null, median: null, distribution: null, cost: null, funded: null, why: null, remaining: null, trimmed_mean: null,
  grade: null, grade_above: null, grade_below: null, points: null, score: null,
};

// One option's line; `figures` are those its rule has.
export const optionResult = (id: number, votes: number, n: number | null, place: number, figures: Facts = {}): Facts => ({
  id, votes, share: share(votes, n), place, ...NO_FIGURES, ...figures,
});

export interface Parts {
  n: number | null;
  options: Facts[];
  order: number[];
  winners: number[];
  ties: Tie[];
  met: boolean | null;
  steps: Step[];
  pairwise?: Facts;
}

export function outcome(question: Question, classes: Classes, parts: Parts): Facts {
  return {
    method: question.rule.method,
    question_id: question.id,
    denominator: question.rule.denominator,
    denominator_n: parts.n,
    cast: classes.cast,
    valid: classes.valid,
    blank: classes.blank,
    neutral: Object.fromEntries(classes.neutral),
    neutral_total: classes.neutralTotal,
    options: parts.options,
    order: parts.order,
    winners: parts.winners,
    ties: parts.ties.map((tie) => ({ ...tie })),
    threshold_met: parts.met,
    steps: parts.steps.map((one) => ({ ...one })),
    own: classes.own,
    pairwise: parts.pairwise ?? null,
    houses: null,
  };
}

export interface Ordering {
  by: string;
  better: (a: number, b: number) => number;
  further?: Step[];
  figures?: (id: number) => Facts;
}

// The outcome of a rule that orders options by some figure and takes the first so many; without votes nobody wins.
export function conclude(question: Question, entitled: number | null, classes: Classes, votes: Counts, ordering: Ordering, decide: Decide): Facts {
  const rule = question.rule;
  const n = denominatorOf(rule, classes, entitled);
  const { order: first, places } = placed([...votes.keys()], ordering.better);
  const bound = threshold(rule, votes, n);
  const { winners, ties } = drawLine(rule, first.filter((id) => votes.get(id)! > 0 && bound.above.has(id)), places, decide);
  const order = withDecided(first, places, ties);
  const steps = [...openingSteps(rule, classes, entitled), ...(ordering.further ?? []), inOrder(ordering.by, null, order, places), ...bound.steps];
  if (![...votes.values()].some(Boolean)) steps.push(step("no_votes", {}));
  steps.push(...ties.map(tieStep), step("winners", { winners: [...winners] }));
  const options = [...votes].map(([id, got]) => optionResult(id, got, n, places.get(id)!, ordering.figures?.(id)));
  return outcome(question, classes, { n, options, order, winners, ties, met: bound.met, steps });
}
