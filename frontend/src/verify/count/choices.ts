// Plurality, approval, points and texts.
import type { Facts } from "../canonical";
import { type Question, regular } from "../question";
import { type Decide, type Profile, add, conclude, countChoices, denominatorOf, divide, openingSteps, outcome, step, zeros } from "./outcome";

export function countVotes(question: Question, profile: Profile, entitled: number | null, decide: Decide): Facts {
  const { classes, votes } = countChoices(question, profile);
  return conclude(question, entitled, classes, votes, { by: "votes", better: (a, b) => votes.get(b)! - votes.get(a)! }, decide);
}

export function countPoints(question: Question, profile: Profile, entitled: number | null, decide: Decide): Facts {
  const points = zeros(regular(question));
  const supporters = zeros(regular(question));
  let given = 0;
  const classes = divide(question, profile, (pairs: [number, number][], n) => {
    for (const [id, p] of pairs) {
      add(points, id, p * n);
      add(supporters, id, n);
      given += p * n;
    }
  });
  const further = [step("points_given", { given, unused: question.total * classes.valid - given })];
  const better = (a: number, b: number): number => points.get(b)! - points.get(a)!;
  return conclude(question, entitled, classes, supporters, { by: "points", better, further, figures: (id) => ({ points: points.get(id)! }) }, decide);
}

// Texts are read, not counted: only how many there are is said.
export function countTexts(question: Question, profile: Profile, entitled: number | null): Facts {
  const { classes } = countChoices(question, profile);
  const steps = [...openingSteps(question.rule, classes, entitled), step("texts", { texts: classes.valid })];
  return outcome(question, classes, { n: denominatorOf(question.rule, classes, entitled), options: [], order: [], winners: [], ties: [], met: null, steps });
}
