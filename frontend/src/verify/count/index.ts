// From a profile to the outcome, by the rule that was sealed. Rules that are not here are named, never waved through.
import type { Facts } from "../canonical";
import type { Question } from "../question";
import { countBudget } from "./budget";
import { countPoints, countTexts, countVotes } from "./choices";
import type { Decide, Profile } from "./outcome";
import { countRanking } from "./ranking";
import { countRating } from "./rating";

type Count = (question: Question, profile: Profile, entitled: number | null, decide: Decide) => Facts;

const RULES: { [kind_and_method: string]: Count } = {
  "single_choice plurality": countVotes,
  "multiple_choice approval": countVotes,
  "rating rating": countRating,
  "points points": countPoints,
  "text text": countTexts,
  "ranking borda": countRanking,
  "ranking schulze": countRanking,
  "ranking instant_runoff": countRanking,
  "budget greedy": countBudget,
  "budget greedy_threshold": countBudget,
  "budget greedy_no_skip": countBudget,
};

// The rule's count, or null for a rule that is not counted again here.
export const counterOf = (question: Question): Count | null => RULES[`${question.kind} ${question.rule.method}`] ?? null;
