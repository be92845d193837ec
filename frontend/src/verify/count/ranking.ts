// Rankings: Borda, instant run-off, Schulze, and the matrix of pairs that goes with each.
import type { Facts } from "../canonical";
import { Fraction } from "../fraction";
import { type Question, type Rule, regular } from "../question";
import {
  type Counts, type Decide, type Profile, type Step, type Tie, decided, denominatorOf, divide, drawLine, inOrder, list, openingSteps, optionResult, outcome, step,
  threshold, tieStep, withDecided, zeros,
} from "./outcome";

interface Ballots {
  ids: number[]; // in stated order
  ranks: Uint16Array[]; // tier of each option per distinct ranking; ids.length where it is left out
  weights: number[];
  total: number;
}

interface Counted {
  tiers: number[][];
  steps: Step[];
  scores?: Map<number, Fraction>;
  runoff?: { winners: number[]; ties: Tie[]; held: Counts };
}

export function countRanking(question: Question, profile: Profile, entitled: number | null, decide: Decide): Facts {
  const rule = question.rule;
  const ids = regular(question).map((option) => option.id);
  const ballots: Ballots = { ids, ranks: [], weights: [], total: 0 };
  const classes = divide(question, profile, (tiers: number[][], n) => {
    const row = new Uint16Array(ids.length).fill(ids.length);
    tiers.forEach((tier, rank) => tier.forEach((id) => (row[ids.indexOf(id)] = rank)));
    ballots.ranks.push(row);
    ballots.weights.push(n);
    ballots.total += n;
  });
  const beats = pairwise(ballots);
  const counted = count(rule, ballots, beats, decide);
  const places: Counts = new Map();
  for (const tier of counted.tiers) {
    const place = places.size + 1;
    for (const id of tier) places.set(id, place);
  }
  let order = counted.tiers.flat();
  const n = denominatorOf(rule, classes, entitled);
  const ranked = ballotsWith(ballots, (rank) => rank < ids.length);
  const support = counted.runoff?.held ?? ranked;
  const bound = threshold(rule, support, n);
  let { winners, ties } = counted.runoff ?? { winners: [], ties: [] };
  if (counted.runoff) winners = winners.filter((id) => bound.above.has(id));
  else {
    ({ winners, ties } = drawLine(rule, order.filter((id) => support.get(id)! > 0 && bound.above.has(id)), places, decide));
    order = withDecided(order, places, ties);
  }
  const matrix = pairwiseFacts(ids, beats);
  const steps = [...openingSteps(rule, classes, entitled), step("pairwise", matrix), ...counted.steps, inOrder(rule.method, null, order, places)];
  if (bound.steps.length) {
    const votes = list(new Map([...support].map(([id, held]) => [id, new Fraction(held)])));
    steps.push(step("support", { of: counted.runoff ? "held" : "ranked", votes }));
  }
  steps.push(...bound.steps, ...ties.map(tieStep), step("winners", { winners: [...winners] }));
  const first = ballotsWith(ballots, (rank) => rank === 0);
  const options = ids.map((id) => optionResult(id, first.get(id)!, n, places.get(id)!, { score: counted.scores?.get(id)?.toString() ?? null }));
  return outcome(question, classes, { n, options, order, winners, ties, met: bound.met, steps, pairwise: matrix });
}

function count(rule: Rule, ballots: Ballots, beats: number[][], decide: Decide): Counted {
  if (rule.method === "borda") return borda(ballots, rule);
  if (rule.method === "schulze") return schulze(ballots, beats);
  return instantRunoff(ballots, rule, decide);
}

function ballotsWith(ballots: Ballots, holds: (rank: number) => boolean): Counts {
  const counts = zeros(ballots.ids.map((id) => ({ id })));
  ballots.ranks.forEach((row, b) => ballots.ids.forEach((id, i) => holds(row[i]!) && counts.set(id, counts.get(id)! + ballots.weights[b]!)));
  return counts;
}

// ---- every option against every other

function pairwise(ballots: Ballots): number[][] {
  const size = ballots.ids.length;
  const beats = Array.from({ length: size }, () => new Array<number>(size).fill(0));
  ballots.ranks.forEach((row, b) => {
    for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) if (row[i]! < row[j]!) beats[i]![j]! += ballots.weights[b]!;
  });
  return beats;
}

function pairwiseFacts(ids: number[], beats: number[][]): Facts {
  const others = (i: number, holds: (mine: number, theirs: number) => boolean): boolean => ids.every((_, j) => i === j || holds(beats[i]![j]!, beats[j]![i]!));
  const winner = ids.findIndex((_, i) => others(i, (mine, theirs) => mine > theirs));
  const loser = ids.length > 1 ? ids.findIndex((_, i) => others(i, (mine, theirs) => mine < theirs)) : -1;
  return { options: [...ids], beats: beats.map((row) => [...row]), winner: ids[winner] ?? null, loser: ids[loser] ?? null, smith: smithSet(ids, beats) };
}

// The fewest options that beat all others: whoever reaches everybody by chains of "is not beaten by".
function smithSet(ids: number[], beats: number[][]): number[] {
  const reach = (from: number): Set<number> => {
    const seen = new Set([from]);
    for (const i of seen) ids.forEach((_, j) => beats[i]![j]! >= beats[j]![i]! && seen.add(j));
    return seen;
  };
  return ids.filter((_, i) => reach(i).size === ids.length);
}

// ---- Borda

function borda(ballots: Ballots, rule: Rule): Counted {
  const size = ballots.ids.length;
  const twice = new Array<bigint>(size).fill(0n);
  ballots.ranks.forEach((row, b) => {
    const named = row.reduce((sum, rank) => sum + Number(rank < size), 0);
    for (let i = 0; i < size; i++) {
      if (rule.truncated !== "average" && row[i] === size) continue;
      // The places this option's tier fills, from the top; their points are shared, and "modified" counts from k, not m − 1.
      let above = 0;
      let equal = 0;
      for (const rank of row) {
        if (rank < row[i]!) above += 1;
        else if (rank === row[i]) equal += 1;
      }
      const best = (rule.truncated === "modified" ? named : size - 1) - above;
      twice[i]! += BigInt(2 * best - (equal - 1)) * BigInt(ballots.weights[b]!);
    }
  });
  const scores = new Map(ballots.ids.map((id, i) => [id, new Fraction(twice[i]!, 2n)]));
  const steps = [step("scores", { scores: list(scores) })];
  if (![...scores.values()].some((score) => score.n > 0n)) steps.push(step("no_votes", {}));
  return { tiers: byScore(ballots.ids, (id) => scores.get(id)!), steps, scores };
}

function byScore(ids: number[], score: (id: number) => Fraction): number[][] {
  const tiers: number[][] = [];
  for (const id of [...ids].sort((a, b) => score(b).compare(score(a)))) {
    const last = tiers.at(-1);
    if (last && score(last[0]!).compare(score(id)) === 0) last.push(id);
    else tiers.push([id]);
  }
  return tiers;
}

// ---- Schulze

function schulze(ballots: Ballots, beats: number[][]): Counted {
  const { ids } = ballots;
  const paths = ids.map((_, i) => ids.map((_, j) => (beats[i]![j]! > beats[j]![i]! ? beats[i]![j]! : 0)));
  for (let k = 0; k < ids.length; k++) {
    for (let i = 0; i < ids.length; i++) for (let j = 0; j < ids.length; j++) if (i !== j) paths[i]![j] = Math.max(paths[i]![j]!, Math.min(paths[i]![k]!, paths[k]![j]!));
  }
  ids.forEach((_, i) => (paths[i]![i] = 0));
  const above = (i: number, j: number): boolean => paths[i]![j]! > paths[j]![i]!;
  const tiers: number[][] = [];
  for (let left = ids.map((_, i) => i); left.length; ) {
    const free = left.filter((i) => !left.some((j) => above(j, i)));
    tiers.push(free);
    left = left.filter((i) => !free.includes(i));
  }
  const tierOf = (i: number): number => tiers.findIndex((tier) => tier.includes(i));
  const pairs = ids.flatMap((_, i) => ids.flatMap((_, j) => (tierOf(i) < tierOf(j) && !above(i, j) ? [[ids[i]!, ids[j]!]] : [])));
  const steps = [step("strengths", { options: [...ids], paths })];
  if (pairs.length) steps.push(step("incomparable", { pairs }));
  if (!ballots.total) steps.push(step("no_votes", {}));
  return { tiers: tiers.map((tier) => tier.map((i) => ids[i]!)), steps };
}

// ---- instant run-off

function instantRunoff(ballots: Ballots, rule: Rule, decide: Decide): Counted {
  const { ids } = ballots;
  const transfer = new Transfer(ballots, rule.equal === "skip");
  const steps: Step[] = [];
  const ties: Tie[] = [];
  const gone: number[][] = [];
  const held = zeros(ids.map((id) => ({ id })));
  let winners: number[] = [];
  let scores: Map<number, Fraction> | undefined;
  let votes: Counts = new Map();
  let left = [...ids];
  for (let round = 1; left.length; round++) {
    votes = transfer.votes();
    scores ??= new Map([...votes].map(([id, n]) => [id, new Fraction(n)]));
    for (const id of left) held.set(id, Math.max(held.get(id)!, votes.get(id)!));
    const counting = left.reduce((sum, id) => sum + votes.get(id)!, 0);
    steps.push(step("round", { round, votes: left.map((id) => [id, votes.get(id)!]), exhausted: ballots.total - counting }));
    if (!counting) {
      steps.push(step("no_votes", {}));
      break;
    }
    const best = left.find((id) => 2 * votes.get(id)! > counting);
    if (best !== undefined) {
      winners = [best];
      break;
    }
    const fewest = Math.min(...left.map((id) => votes.get(id)!));
    const tied = left.filter((id) => votes.get(id) === fewest);
    let leaving: number[] | null = tied;
    if (tied.length > 1) {
      const others = left.filter((id) => !tied.includes(id)).map((id) => votes.get(id)!);
      const matters = !others.length || fewest * tied.length >= Math.min(...others);
      const order = matters ? decided(decide, rule, round, tied) : null;
      const resolution = order ? "order" : matters ? rule.tie : "together";
      steps.push(step("elimination_tie", { round, options: [...tied], matters, resolution, order }));
      if (matters) {
        ties.push({ options: tied, place: left.length - tied.length + 1, seats: tied.length - 1, resolution, kind: "elimination", stage: round, order });
        if (order) leaving = [order.at(-1)!];
        else if (rule.tie !== "joint" || !others.length) leaving = null;
        if (!leaving && rule.tie === "joint") winners = tied;
      }
    }
    if (!leaving) break;
    const out = leaving;
    steps.push(step("eliminated", { round, options: [...out], batch: false }));
    left = left.filter((id) => !out.includes(id));
    gone.push(out);
    transfer.leave(out);
  }
  const rest = byScore(left.filter((id) => !winners.includes(id)), (id) => new Fraction(votes.get(id) ?? 0));
  const tiers = [...(winners.length ? [winners] : []), ...rest, ...gone.reverse()];
  return { tiers, steps, scores, runoff: { winners, ties, held } };
}

// Where each ballot counts while options leave: at the best of those still in. A tier of several still in ends the
// ballot or is skipped, as declared; a ballot moves only when its option leaves.
class Transfer {
  #at: Int16Array;
  #out: Set<number> = new Set();

  constructor(readonly ballots: Ballots, readonly skips: boolean) {
    this.#at = Int16Array.from(ballots.ranks, (row) => this.#place(row));
  }

  votes(): Counts {
    const counts = zeros(this.ballots.ids.map((id) => ({ id })));
    this.#at.forEach((i, b) => {
      if (i >= 0) counts.set(this.ballots.ids[i]!, counts.get(this.ballots.ids[i]!)! + this.ballots.weights[b]!);
    });
    return counts;
  }

  leave(options: number[]): void {
    for (const id of options) this.#out.add(this.ballots.ids.indexOf(id));
    this.#at.forEach((i, b) => {
      if (this.#out.has(i)) this.#at[b] = this.#place(this.ballots.ranks[b]!);
    });
  }

  #place(row: Uint16Array): number {
    const size = this.ballots.ids.length;
    for (let rank = 0; rank < size; rank++) {
      let found = -1;
      let several = false;
      for (let i = 0; i < size; i++) {
        if (row[i] !== rank || this.#out.has(i)) continue;
        several = found >= 0;
        found = i;
        if (several) break;
      }
      if (found < 0) continue;
      if (!several) return found;
      if (!this.skips) return -1;
    }
    return -1;
  }
}
