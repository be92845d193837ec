// Greedy budgets: by votes, the cheaper first of equal votes, each project funded if it fits. Projects equal in both are
// equal for the rule; ties among them go as declared. Of an exclusive group at most one is funded.
import type { Facts } from "../canonical";
import { type Question, regular } from "../question";
import {
  type Decide, type Profile, type Step, type Tie, countChoices, decided, denominatorOf, inOrder, openingSteps, optionResult, outcome, placed, step, threshold,
  tieStep, withDecided,
} from "./outcome";

interface Project {
  id: number;
  votes: number;
  cost: number;
}

interface Decision {
  why: string;
  remaining: number;
}

export function countBudget(question: Question, profile: Profile, entitled: number | null, decide: Decide): Facts {
  const rule = question.rule;
  const { classes, votes } = countChoices(question, profile, false);
  const projects = regular(question).map((option): Project => ({ id: option.id, votes: votes.get(option.id)!, cost: option.cost! }));
  const project = new Map(projects.map((one) => [one.id, one]));
  const n = denominatorOf(rule, classes, entitled);
  const bound = threshold(rule, votes, n);
  const unmet = rule.threshold !== null && n === null ? "threshold_unknown" : "below_threshold";
  const barred = new Map(projects.filter((one) => !bound.above.has(one.id)).map((one) => [one.id, unmet]));
  const better = (a: number, b: number): number => project.get(b)!.votes - project.get(a)!.votes || project.get(a)!.cost - project.get(b)!.cost;
  const { order, places } = placed(projects.map((one) => one.id), better);
  const walk = new Walk(question, decide, (id) => places.get(id)!);
  for (const group of grouped(order.map((id) => project.get(id)!), (one) => one.votes)) {
    const out = new Map<number, string>();
    for (const one of group) {
      const why = barred.get(one.id) ?? (rule.method === "greedy_threshold" && one.votes < rule.min_score ? "below_threshold" : null);
      if (why) out.set(one.id, why);
    }
    walk.meet(group, out);
  }
  const stands = withDecided(order, places, walk.ties);
  const funded = [...walk.decisions].filter(([, found]) => found.why === "funded").map(([id]) => id);
  const least = rule.method === "greedy_threshold" ? rule.min_score : null;
  const steps = [
    ...openingSteps(rule, classes, entitled), ...bound.steps, step("budget_rule", { method: rule.method, budget: rule.budget, min_score: least }),
    inOrder("votes", "cost", stands, places), ...walk.equal,
    ...[...walk.decisions].map(([id, found]) => step("project", { option: id, votes: votes.get(id)!, cost: project.get(id)!.cost, funded: found.why === "funded", ...found })),
    ...walk.ties.map(tieStep),
  ];
  const unasked = funded.filter((id) => !votes.get(id));
  if (unasked.length) steps.push(step("funded_without_votes", { options: unasked }));
  if (![...votes.values()].some(Boolean)) steps.push(step("no_votes", {}));
  const spent = funded.reduce((sum, id) => sum + project.get(id)!.cost, 0); // what is funded fits into the budget: exact
  steps.push(step("budget_spent", { spent, remaining: walk.remaining }), step("winners", { winners: [...funded] }));
  const options = projects.map((one) => {
    const found = walk.decisions.get(one.id)!;
    return optionResult(one.id, one.votes, n, places.get(one.id)!, { cost: one.cost, funded: found.why === "funded", ...found });
  });
  return outcome(question, classes, { n, options, order: stands, winners: funded, ties: walk.ties, met: bound.met, steps });
}

function grouped<T>(items: T[], key: (item: T) => number): T[][] {
  const groups: T[][] = [];
  for (const item of items) {
    const last = groups.at(-1);
    if (last && key(last[0]!) === key(item)) last.push(item);
    else groups.push([item]);
  }
  return groups;
}

const sum = (projects: Project[]): bigint => projects.reduce((so, one) => so + BigInt(one.cost), 0n);

// The money left and what is decided, while the projects come by.
class Walk {
  remaining: number;
  readonly decisions = new Map<number, Decision>();
  readonly equal: Step[] = [];
  readonly ties: Tie[] = [];
  #groupOf = new Map<number, number>();
  #groups: number[][];
  #taken = new Set<number>();
  #stops: boolean;
  #stopped = false;
  #hangs = false; // on a tie nobody has decided

  constructor(readonly question: Question, readonly decide: Decide, readonly place: (id: number) => number) {
    this.remaining = question.rule.budget;
    this.#stops = question.rule.method === "greedy_no_skip";
    this.#groups = question.exclusive_groups;
    this.#groups.forEach((group, number) => group.forEach((id) => this.#groupOf.set(id, number)));
  }

  // All projects of one number of votes, cheapest first; those in `out` are not running.
  meet(group: Project[], out: Map<number, string>): void {
    const why = (one: Project): string | undefined => out.get(one.id) ?? (this.#excluded(one.id) ? "excluded" : undefined);
    const apart = group.map((one): [Project, string | undefined] => [one, why(one)]);
    const running = apart.filter(([, reason]) => reason === undefined).map(([one]) => one);
    if (group.length > 1) {
      this.equal.push(step("equal_votes", { options: group.map((one) => one.id), votes: group[0]!.votes, matters: this.#orderMatters(running) }));
    }
    for (const [one, reason] of apart) if (reason !== undefined) this.#decision(one.id, reason);
    for (const twins of grouped(running, (one) => one.cost)) this.#meetTwins(twins);
  }

  // Whether some other order of projects of equal votes would fund others.
  #orderMatters(running: Project[]): boolean {
    if (this.#stopped || this.#hangs) return false;
    if (this.#rivals(running).length) return true;
    const fitting = running.filter((one) => one.cost <= this.remaining);
    if (this.#stops) return fitting.length > 0 && sum(running) > BigInt(this.remaining);
    return sum(fitting) > BigInt(this.remaining);
  }

  // Projects of equal votes and equal cost.
  #meetTwins(all: Project[]): void {
    for (const one of all) if (this.#excluded(one.id)) this.#decision(one.id, "excluded");
    const twins = all.filter((one) => !this.decisions.has(one.id));
    if (!twins.length) return;
    const cost = twins[0]!.cost;
    const rivals = this.#rivals(twins);
    const slots = twins.length - rivals.reduce((so, group) => so + group.length - 1, 0);
    const room = cost === 0 ? twins.length : Math.floor(this.remaining / cost);
    if (this.#stopped || this.#hangs || (room >= twins.length && twins.length === slots)) for (const one of twins) this.#turn(one);
    else if (room === 0) {
      for (const one of twins) this.#decision(one.id, "over_budget");
      this.#stopped = this.#stops;
    } else if (room < slots) this.#tie(twins, room, true);
    else {
      for (const one of twins) if (!rivals.some((group) => group.includes(one))) this.#turn(one);
      for (const group of rivals) this.#tie(group, 1, false);
    }
  }

  #turn(one: Project): void {
    let why = "funded";
    if (this.#hangs) why = "after_open_tie";
    else if (this.#excluded(one.id)) why = "excluded";
    else if (this.#stopped) why = "after_stop";
    else if (one.cost > this.remaining) {
      why = "over_budget";
      this.#stopped = this.#stops;
    } else {
      this.remaining -= one.cost;
      const group = this.#groupOf.get(one.id);
      if (group !== undefined) this.#taken.add(group);
    }
    this.#decision(one.id, why);
  }

  #tie(tied: Project[], seats: number, short: boolean): void {
    const ids = tied.map((one) => one.id);
    const order = decided(this.decide, this.question.rule, 1, ids);
    const rule = this.question.rule.tie;
    this.ties.push({ options: ids, place: this.place(ids[0]!), seats, resolution: order ? "order" : rule, kind: "budget", stage: 1, order });
    if (order) {
      for (const id of order) this.#turn(tied.find((one) => one.id === id)!);
      return;
    }
    if (rule !== "joint") {
      this.remaining -= seats * tied[0]!.cost; // kept aside for those that will be named
      const settled = new Set([...this.decisions.keys(), ...ids]);
      for (const number of new Set(ids.flatMap((id) => this.#groupOf.get(id) ?? []))) {
        if (!short) this.#taken.add(number);
        else if (!this.#known(number).every((id) => settled.has(id))) this.#hangs = true;
      }
    }
    for (const id of ids) this.#decision(id, rule === "joint" ? "tied" : "tie_open");
    this.#stopped ||= this.#stops && short;
  }

  #known(group: number): number[] {
    return this.#groups[group]!.filter((id) => this.question.options.some((option) => option.id === id && option.kind === "regular"));
  }

  #excluded(id: number): boolean {
    const group = this.#groupOf.get(id);
    return group !== undefined && this.#taken.has(group);
  }

  #rivals(projects: Project[]): Project[][] {
    const found = new Map<number, Project[]>();
    for (const one of projects) {
      const group = this.#groupOf.get(one.id);
      if (group !== undefined) found.set(group, [...(found.get(group) ?? []), one]);
    }
    return [...found.values()].filter((group) => group.length > 1);
  }

  #decision(id: number, why: string): void {
    this.decisions.set(id, { why, remaining: this.remaining });
  }
}
