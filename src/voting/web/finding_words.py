"""What the checklist finds, in plain words: message ids by the code of a finding. Pure.

Facts stand in braces by their names; `test_officials_words` holds this table to the codes of :mod:`polls.checklist`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FINDINGS: Final[Mapping[str, str]] = {
    # texts
    "text_missing": "The Russian text is missing.",
    "translation_missing": "There is no English text; English readers will see the Russian one.",
    "territory_missing": "Say whose poll it is: the whole city, an okrug or a district.",
    "no_questions": "There is no question yet.",
    "alt_missing": "Say in Russian what the picture shows, for those who cannot see it.",
    # times
    "opening_missing": "Say when the poll opens.",
    "closing_missing": "Say when the poll closes.",
    "closing_past": "The closing time has passed, or is a minute away.",
    "closing_before_opening": "The poll closes before it opens.",
    "opening_past": "The opening time has passed.",
    "closing_at_night": "The poll closes at night, at {hour}:00 hours. People expect the evening.",
    "closing_on_holiday": "The poll closes on a public holiday, {day}.",
    "closing_on_weekend": "The poll closes on a weekend, {day}.",
    "too_short": "The poll runs for {hours} hours only; fewer than {at_least} leave many out.",
    "too_long": "The poll runs for {days} days; over {at_most} people forget it.",
    # rules of the poll
    "names_seen_by_missing": "The vote is named: say in Russian who sees the names.",
    "change_needs_named": "A vote can be changed only in a named poll: a separated one cannot be found again.",
    "receipt_may_be_superseded": "Votes may be changed, so a receipt may be of a vote that no longer counts.",
    "words_not_purged": "A vote may be changed, but words once written cannot be found again to remove them.",
    "live_results_sway": "Results shown while the poll runs sway those who have not voted yet.",
    "quorum_empty": "The quorum names neither a share nor a number of ballots.",
    "quorum_of_nobody": "A quorum of nothing is none.",
    "quorum_of_everybody": "With such a quorum a single resident who stays away decides the poll.",
    "quorum_over_audience": "The quorum asks for more ballots than {entitled} residents can cast.",
    "lot_needs_secrets": "An official and an observer must each commit to a secret between scheduling and opening.",
    "roll_unknown": "The number of those entitled is marked as not known. That is for polls held elsewhere: here the "
    "register knows it.",
    "min_votes_over_audience": "More votes are asked of a winner than {entitled} residents can cast.",
    "audience_empty": "Nobody in the register may vote by these rules.",
    # questions
    "too_few_options": "At least {at_least} options are needed that can win.",
    "no_way_to_abstain": "An answer is required and nobody can abstain. Add «Hard to say», or let it be left blank.",
    "option_repeats": "Two options have the same text.",
    "winners_over_options": "There are more winners than options.",
    "everything_wins": "There are as many winners as options: all of them win.",
    "threshold_impossible": "Nobody can have more than the whole: lower the threshold.",
    "equal_shares_joint": "If projects tie, equal shares cannot fund all of them: let a lot or the chair decide.",
    "choices_impossible": "Nobody can choose that many: check the least and the most.",
    "max_over_options": "More choices are allowed than there are options.",
    "budget_missing": "Say how large the budget is.",
    "cost_missing": "Say what the project costs.",
    "cost_over_budget": "The project costs more than the whole budget and cannot win.",
    "cost_over_limit": "The project costs more than one ballot may hold: nobody can choose it.",
    "group_unknown_project": "Projects that exclude each other include one that is gone.",
    "scale_end_unnamed": "One end of the scale has words and the other has none.",
    "level_repeats": "Two levels have the same name.",
    "ranks_impossible": "Nobody can give that many places: check the least and the most.",
    "ranking_of_one": "With one place to give this is a choice of one answer.",
    "points_impossible": "All {total} points must be spent, but the options take only {most}.",
    "points_cap_idle": "The most to one option is above the points there are: it bounds nothing.",
    "text_with_options": "A free text has no options but neutral ones.",
    # follow-ups and ballots
    "follow_up_not_later": "The question it follows must stand before it.",
    "follow_up_unknown_option": "It waits for an answer that the earlier question does not have.",
    "follow_up_impossible": "No answer can bring this question up.",
    "follow_up_other_style": "Nobody is asked both this question and the one it follows.",
    "style_unknown": "It names a ballot that is not declared.",
    "style_of_nobody": "The ballot names no territory: nobody would get it.",
    "styles_overlap": "A territory stands in two ballots; its residents get the first of them.",
    "style_without_questions": "The ballot has no question.",
    "style_too_few_options": "On one ballot fewer than {at_least} options are left.",
    "others_without_questions": "Residents whom no ballot names may vote, but have no question. Ask them one, or leave "
    "them out of those who may vote.",
    "others_too_few_options": "Residents whom no ballot names have fewer than {at_least} options left. Show them more, "
    "or show the question on chosen ballots only.",
    "style_choices_impossible": "On one ballot, or for residents whom none names, at most {most} can be chosen, and "
    "{at_least} are asked for.",
    "style_points_impossible": "All {total} points must be spent, but the options of one ballot, or of residents whom "
    "none names, take only {most}.",
    "style_too_small": "Only {entitled} residents get this ballot; fewer than {at_least} could be told apart.",
    # questions counted together
    "cross_tab_counts_together": "A table of both questions will be published, its figures under {at_least} hidden "
    "together with those of all other tables. Records of ballots stay one question at a time. The ballot page says so. "
    "Both questions are broken down by one of district, age and sex at a time.",
    "cross_tab_of_itself": "Choose two different questions.",
    "cross_tab_unknown_question": "One of the two questions is gone.",
    "cross_tab_kind": "Only questions of one answer or of several, and ratings of one thing, can be counted together.",
    "cross_tab_many_answers": "One of the questions has {answers} answers. A table of more than {at_most} would tell "
    "of people or be hidden nearly whole.",
    "cross_tab_other_ballots": "Both questions must be asked of the same residents: on the same ballots, after the "
    "same answer.",
    "cross_tab_several_both": "Both questions take several answers: what is hidden in their table could be worked out "
    "from the choices of each ballot. Pair one of them with a question of one answer.",
    "cross_tab_several_again": "A question of several answers stands in one pair only: two tables of it would tell of "
    "each other what they hide. Leave one pair out.",
    "cross_tab_repeats": "This pair of questions stands here twice.",
    "cross_tab_ring": "The pairs form a ring of questions: what each table hides could be worked out from the others. "
    "Leave one pair out.",
    # owners
    "units_unused": "Houses are named, but no question is decided by flats.",
    "units_need_named": "Flats decide by owners' names: the poll must be named.",
    "units_need_buildings": "Choose the houses whose flats decide.",
    "unit_sides_unknown": "Say which option means «for» and which «against».",
    "unit_own_answer": "Flats decide for or against: an own answer would count for neither. Turn own answers off.",
    "unit_third_side": "Flats decide for or against; other options count for neither.",
    "law_missing": "Name the law that asks for this majority.",
    "building_unknown": "The register does not know these houses: {buildings}.",
    "building_empty": "The register knows no flats of these houses: {buildings}.",
    "flats_without_owners": "{flats} flats have no owner in the register: nobody can vote for them.",
    "flats_with_odd_shares": "In {flats} flats the owners' shares do not add up to the whole.",
    "audience_beyond_units": "Some who may vote own nothing in these houses: their votes would count for no flat.",
    "owners_left_out": "Some owners of these houses may not vote by these rules.",
    "units_no_late_registration": "The flats are taken at the opening: nobody can be added later.",
    "unit_question_partial": "A question decided by flats must be asked of all owners: no follow-up, no ballots of its "
    "own.",
    "list_unknown": "There is no such list of invited residents: {lists}.",
    "units_not_live": "Decisions of houses are counted after closing: there are no figures to show before.",
    # wording
    "double_barrelled": "This may be two questions in one: «{words}».",
    "leading_wording": "These words may lead the answer: {words}.",
    "no_against_option": "One can answer «yes» but not «no»: add an option against.",
    "scale_unbalanced": "The scale is lopsided: {positive} levels praise and {negative} blame.",
    "options_overlap": "The options overlap: both hold the numbers from {from} to {to}.",
    "options_leave_gap": "The options leave out the numbers from {from} to {to}.",
    "option_contained": "Another option is a part of this one: some would not know which to choose.",
}
