// Ratings: mean, trimmed mean, median, majority judgment, all exact.
import type { Facts } from "../canonical";
import { Fraction, gcd } from "../fraction";
import { type Question, regular } from "../question";
import { type Decide, type Profile, add, conclude, divide, step } from "./outcome";

type Grades = Map<number, number>; // level, rising → ballots

export function countRating(question: Question, profile: Profile, entitled: number | null, decide: Decide): Facts {
  const rule = question.rule;
  const scale = Array.from({ length: question.scale_max - question.scale_min + 1 }, (_, i) => question.scale_min + i);
  const given = new Map(regular(question).map((option): [number, Grades] => [option.id, new Map(scale.map((level) => [level, 0]))]));
  const classes = divide(question, profile, (pairs: [number, number][], n) => {
    for (const [id, level] of pairs) add(given.get(id)!, level, n);
  });
  const rated = new Map([...given].map(([id, grades]) => [id, total(grades)]));
  const judged = new Map([...given].map(([id, grades]) => [id, filled(grades, classes.valid, question)]));
  const figures = new Map(
    [...given].map(([id, grades]) => [id, { mean: meanWithout(grades, 0), trimmed_mean: meanWithout(grades, Fraction.of(rule.trim).times(total(grades)).floor()), median: median(grades) }]),
  );
  const better = (a: number, b: number): number => {
    if (rule.order_by === "majority_judgment") return judgment(judged.get(a)!, judged.get(b)!);
    const [x, y] = [figures.get(a)![rule.order_by], figures.get(b)![rule.order_by]];
    return x && y ? y.compare(x) : Number(x === null) - Number(y === null);
  };
  const further = rule.order_by === "majority_judgment" ? [...judged].map(([id, grades]) => step("judgment", { option: id, ...gauge(grades) })) : [];
  return conclude(question, entitled, classes, rated, {
    by: rule.order_by,
    better,
    further,
    figures: (id) => {
      const { grade, above, below } = gauge(judged.get(id)!);
      const { mean, median: middle, trimmed_mean } = figures.get(id)!;
      return {
        rated: rated.get(id)!, distribution: Object.fromEntries(given.get(id)!), grade,
        mean: mean?.toString() ?? null, median: middle?.toString() ?? null, trimmed_mean: trimmed_mean?.toString() ?? null,
        grade_above: grade === null ? null : above, grade_below: grade === null ? null : below,
      };
    },
  }, decide);
}

const total = (grades: Grades): number => [...grades.values()].reduce((sum, n) => sum + n, 0);

// The level at a position (from 0) of all grades in rising order.
function gradeAt(grades: Grades, position: number): number {
  for (const [level, n] of grades) {
    position -= n;
    if (position < 0) return level;
  }
  throw new Error("beyond the grades");
}

// The mean of what is left without `cut` grades at each end.
function meanWithout(grades: Grades, cut: number): Fraction | null {
  const all = total(grades);
  if (!all) return null;
  let sum = 0n;
  let before = 0;
  for (const [level, n] of grades) {
    const kept = Math.max(0, Math.min(before + n, all - cut) - Math.max(before, cut));
    sum += BigInt(level) * BigInt(kept);
    before += n;
  }
  return new Fraction(sum, all - 2 * cut);
}

function median(grades: Grades): Fraction | null {
  const all = total(grades);
  return all ? new Fraction(gradeAt(grades, Math.floor((all - 1) / 2)) + gradeAt(grades, Math.floor(all / 2)), 2) : null;
}

// Ballots that leave an option out grade it worst, or are left out, as declared.
function filled(grades: Grades, ballots: number, question: Question): Grades {
  const own = new Map(grades);
  if (question.rule.ungraded === "worst") add(own, question.scale_min, ballots - total(grades));
  return own;
}

// The majority gauge: the grade in the lower middle, and how many are better and worse.
function gauge(grades: Grades): { grade: number | null; above: number; below: number } {
  const all = total(grades);
  if (!all) return { grade: null, above: 0, below: 0 };
  const grade = gradeAt(grades, Math.floor((all - 1) / 2));
  const sum = (keep: (level: number) => boolean): number => [...grades].reduce((so, [level, n]) => (keep(level) ? so + n : so), 0);
  return { grade, above: sum((level) => level > grade), below: sum((level) => level < grade) };
}

// Negative where a's majority value is the better; those nobody graded come last. Taking the middle grade away again and
// again walks outwards from the middle, lower side first; options with different numbers of grades are compared as if
// each distribution were repeated until the numbers agree.
function judgment(a: Grades, b: Grades): number {
  const [na, nb] = [BigInt(total(a)), BigInt(total(b))];
  if (!na || !nb) return Number(!na) - Number(!nb);
  const all = (na / gcd(na, nb)) * nb;
  const sides = [runs(a, all / na), runs(b, all / nb)];
  const walk = (position: bigint, direction: bigint): [number, bigint][] => sides.map((side) => runAt(side, position, direction));
  if (all % 2n) {
    const [x, y] = walk(all / 2n, 1n);
    if (x![0] !== y![0]) return y![0] - x![0];
  }
  for (let k = 0n; k < all / 2n; ) {
    const low = walk(all / 2n - 1n - k, -1n);
    const high = walk((all + 1n) / 2n + k, 1n);
    if (low[0]![0] !== low[1]![0]) return low[1]![0] - low[0]![0];
    if (high[0]![0] !== high[1]![0]) return high[1]![0] - high[0]![0];
    k += [...low, ...high].map(([, left]) => left).reduce((x, y) => (x < y ? x : y));
  }
  return 0;
}

const runs = (grades: Grades, times: bigint): [number, bigint][] => [...grades].filter(([, n]) => n).map(([level, n]) => [level, BigInt(n) * times]);

// The grade at a position, and how many of it lie from there on in this direction.
function runAt(side: [number, bigint][], position: bigint, direction: bigint): [number, bigint] {
  let before = 0n;
  for (const [level, n] of side) {
    if (position < before + n) return [level, direction > 0n ? before + n - position : position - before + 1n];
    before += n;
  }
  throw new Error("beyond the grades");
}
