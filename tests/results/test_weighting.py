"""Weighting a counted poll: who took part, what weights make of the answers, what is refused, and what never leaks."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import insert, select
from tests.builders import NOW, a_city, a_definition, a_rating, a_sealed_poll, a_single_choice
from tests.results.counted import AFTER, Ballot, a_counted_poll, a_typical_poll, city_strata

from polls.catalogue import SealedPoll
from polls.definition import Dimension, Text
from polls.errors import ResultsHidden, TooFewToPublish
from polls.register import territory_tree
from polls.sessions import Session
from polls.strata import Stratum
from polls.tables import profile, roll
from polls.tally.profile import NOT_SHOWN
from polls.territories import Territory, TerritoryTree
from results.errors import DecidesByNumber, MarginsNotFound, NothingToWeightBy, TooFewToWeight
from results.figures import poll_figures
from results.margins import keep_margins
from results.representation import NO_END, Margins, census_target, register_target, represented
from results.shapes import By, Group, GroupKind, Table, Turnout, TurnoutRow, TurnoutTable
from results.weighted_polls import weighted_of
from results.weighting import Weighting


async def a_lopsided_poll(session: Session, men: int = 300, women: int = 100, **more: Any) -> SealedPoll:
    """A poll by sex and age in which men are for (70 %) and women against (30 % for); as many of each on the roll."""
    await a_city(session)
    ballots: list[Ballot] = []
    for sex, n, part in ((2, men, 0.7), (1, women, 0.3)):
        for i in range(n):
            answer = "[1]" if i % 10 < part * 10 else "[2]"
            ballots.append(((answer,), Stratum(0, 2 + i // 10 % 2, sex).code))
    strata = [Dimension.AGE_BAND, Dimension.SEX]
    definition = a_definition(questions=[a_single_choice()], strata=strata, **more)
    return await a_counted_poll(session, definition, ballots, entitled=1000)


async def test_men_and_women_count_as_on_the_roll(session: Session) -> None:
    found = await a_lopsided_poll(session)
    weighting = await weighted_of(session, found.slug, AFTER)
    [question] = weighting.questions
    one = question.classes[0]
    assert (one.votes, one.raw) == (240, 0.6)
    assert one.weighted == pytest.approx(0.5, abs=1e-4)
    assert weighting.effect == pytest.approx(1 + 1 / 3, abs=1e-3)  # weights ⅔ for 300, 2 for 100
    assert weighting.effective == pytest.approx(300, abs=0.5)
    assert (weighting.least, weighting.most) == (pytest.approx(2 / 3, abs=1e-3), pytest.approx(2, abs=1e-3))
    assert one.margin == pytest.approx(1.96 * (0.21 / 300) ** 0.5, rel=0.02)
    assert weighting.mends and weighting.miss < 1e-6
    assert set(weighting.weighted_by) == {By.AGE_BAND, By.SEX}


async def test_scores_say_who_took_part(session: Session) -> None:
    weighting = await weighted_of(session, (await a_lopsided_poll(session)).slug, AFTER)
    by = {fit.by: fit for fit in weighting.dimensions}
    assert by[By.SEX].score == Fraction(3, 4)  # a quarter of the participants would have to be women
    assert by[By.AGE_BAND].score == 1
    women = next(one for one in by[By.SEX].groups if one.group.code == "f")
    assert (women.votes, women.share, women.target, women.ratio) == (
        100,
        Fraction(1, 4),
        Fraction(1, 2),
        Fraction(1, 2),
    )


async def test_figures_of_every_kind_stand_beside_the_count(session: Session) -> None:
    found = await a_typical_poll(session)
    figures, weighting = await poll_figures(session, found.slug, AFTER), await weighted_of(session, found.slug, AFTER)
    assert [one.question_id for one in weighting.questions] == [one.question.id for one in figures.questions]
    for question, counted in zip(weighting.questions, figures.questions, strict=True):
        assert question.cast == counted.outcome.cast
        for one, cell in zip(question.classes, counted.total.cells, strict=True):
            assert one.votes == cell.votes and one.raw == pytest.approx(one.votes / question.cast)
            assert 0 <= one.weighted <= 1 and abs(one.weighted - one.raw) < 0.2
            if one.low is not None and one.high is not None:
                assert 0 <= one.low <= one.weighted <= one.high <= 1
            assert (one.mean is None) == (cell.mean is None)
            if one.mean is not None and one.weighted_mean is not None:
                assert abs(one.mean - one.weighted_mean) < 0.5 and one.mean_margin


async def test_a_single_choice_still_adds_up(session: Session) -> None:
    weighting = await weighted_of(session, (await a_typical_poll(session)).slug, AFTER)
    assert sum(one.weighted for one in weighting.questions[0].classes) == pytest.approx(1, abs=0.01)


async def test_a_rating_is_weighted_by_its_means(session: Session) -> None:
    """Men rate 4½ and women 2½: three men to one woman voted, half and half are on the roll."""
    await a_city(session)
    levels = [(2, 4 + i % 2) for i in range(300)] + [(1, 2 + i % 2) for i in range(100)]
    ballots = [((f"[[1,{level}],[2,3]]",), Stratum(0, 0, sex).code) for sex, level in levels]
    definition = a_definition(questions=[a_rating()], strata=[Dimension.SEX])
    found = await a_counted_poll(session, definition, ballots, entitled=1000)
    one = (await weighted_of(session, found.slug, AFTER)).questions[0].classes[0]
    assert (one.mean, one.weighted_mean) == (4, pytest.approx(3.5, abs=0.01))


async def test_follow_ups_are_weighted_with_the_weights_of_the_poll(session: Session) -> None:
    await a_city(session)
    ballots: list[Ballot] = []
    for i in range(1200):
        sex = 2 if i < 900 else 1
        first = "[1]" if i % 10 < (7 if sex == 2 else 3) else "[2]"
        second = "[1]" if (i // 10 % 5 > 0) == (sex == 2) else "[2]"  # 80 % of the men asked, 20 % of the women
        ballots.append(((first, second if first == "[1]" else NOT_SHOWN), Stratum(0, 0, sex).code))
    follow_up = a_single_choice(id=2, shown_if={"question": 1, "options": [1]})
    definition = a_definition(questions=[a_single_choice(), follow_up], strata=[Dimension.SEX])
    found = await a_counted_poll(session, definition, ballots, entitled=1000)
    weighted = (await weighted_of(session, found.slug, AFTER)).question(2)
    assert weighted is not None and weighted.cast == 720
    # Asked were 630 men of weight ⅔ and 90 women of weight 2: seven to three.
    assert weighted.classes[0].weighted == pytest.approx(0.7 * 0.8 + 0.3 * 0.2, abs=0.001)


# ---- refusals


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"binding": True}, "binding"),
        ({"quorum": {"share": "1/100"}}, "quorum"),
        ({"questions": [a_single_choice(rule={"method": "plurality", "threshold": "1/2"})]}, "threshold"),
        ({"questions": [a_single_choice(rule={"method": "plurality", "min_votes": 5})]}, "threshold"),
    ],
)
async def test_polls_that_decide_by_number_have_none(session: Session, more: dict[str, Any], why: str) -> None:
    await a_city(session)
    ballots = [(("[1]",), Stratum(0, 2, 1 + i % 2).code) for i in range(150)]
    definition = a_definition(**{"questions": [a_single_choice()], "strata": [Dimension.SEX], **more})
    found = await a_counted_poll(session, definition, ballots)
    with pytest.raises(DecidesByNumber) as refused:
        await weighted_of(session, found.slug, AFTER)
    assert refused.value.facts == {"why": why}


async def test_the_gate_stands_before_everything(session: Session) -> None:
    await a_city(session)
    found = await a_sealed_poll(session, a_definition())
    with pytest.raises(ResultsHidden):
        await weighted_of(session, found.slug, NOW + timedelta(days=1))
    few = await a_counted_poll(session, a_definition(questions=[a_single_choice()]), [(("[1]",), 0)] * 9)
    with pytest.raises(TooFewToPublish):
        await weighted_of(session, few.slug, AFTER)


async def test_small_polls_have_none(session: Session) -> None:
    found = await a_lopsided_poll(session, 60, 39)
    with pytest.raises(TooFewToWeight):
        await weighted_of(session, found.slug, AFTER)


async def test_there_must_be_groups_and_a_target(session: Session) -> None:
    await a_city(session)
    plain = a_definition(questions=[a_single_choice()], strata=[])
    found = await a_counted_poll(session, plain, [(("[1]",), 0), (("[2]",), 0)] * 60)
    with pytest.raises(NothingToWeightBy):
        await weighted_of(session, found.slug, AFTER)
    unknown = await a_counted_poll(
        session, a_definition(questions=[a_single_choice()], strata=[Dimension.SEX], roll_known=False),
        [(("[1]",), 1), (("[2]",), 2)] * 60, entitled=None,
    )  # fmt: skip
    with pytest.raises(NothingToWeightBy) as refused:
        await weighted_of(session, unknown.slug, AFTER)
    assert refused.value.facts == {"why": "no_roll"}
    with pytest.raises(MarginsNotFound):
        await weighted_of(session, unknown.slug, AFTER, margins="no-such")


# ---- census margins


async def test_census_margins_take_the_place_of_the_roll(session: Session) -> None:
    found = await a_lopsided_poll(session)
    file = "dimension,value,number\nsex,f,800\nsex,m,200\nage,0-17,500\nage,18-24,100\nage,25-34,100\nage,35+,400\n"
    await keep_margins(session, [file.encode()], code="half", name=Text(ru="Перепись", en="Census"), source="made up",
                       as_of=date(2026, 1, 1), now=NOW)  # fmt: skip
    weighting = await weighted_of(session, found.slug, AFTER, margins="half")
    assert weighting.target.code == "half"
    women = next(fit for fit in weighting.dimensions if fit.by is By.SEX)
    assert women.score == Fraction(45, 100)
    assert weighting.questions[0].classes[0].weighted == pytest.approx(0.38, abs=0.001)
    again = file.replace("f,800", "f,100").replace("m,200", "m,900")
    await keep_margins(session, [again.encode()], code="half", name=Text(ru="Перепись", en="Census"), source="made up",
                       as_of=date(2026, 1, 1), now=NOW + timedelta(hours=1))  # fmt: skip
    assert (await weighted_of(session, found.slug, AFTER, "half")).questions[0].classes[0].weighted > 0.6


def a_turnout(rows: Iterable[tuple[str, int | None, int | None]], by: By = By.AGE_BAND, votes: int = 100) -> Turnout:
    return Turnout(votes, 1000, {}, (TurnoutTable((by,), tuple(a_row(*row) for row in rows)),))


def a_row(code: str, votes: int | None, entitled: int | None) -> TurnoutRow:
    kind = {"unknown": GroupKind.UNKNOWN, "rest": GroupKind.REST}.get(code, GroupKind.GROUP)
    return TurnoutRow(Group(code, code, code, kind), votes, entitled, None, votes is None)


def margins(**given: Any) -> Margins:
    return Margins("c", "c", "c", "source", date(2026, 1, 1), **given)


NOWHERE = TerritoryTree.of(())


def test_census_bands_are_summed_where_they_make_up_a_band() -> None:
    polled = a_turnout([("age_18_34", 60, 10), ("age_35", 40, 10)])
    fine = margins(ages={(0, 17): 9, (18, 24): 10, (25, 34): 20, (35, 64): 30, (65, NO_END): 40})
    assert census_target(fine, polled, NOWHERE).numbers == {By.AGE_BAND: {"age_18_34": 30, "age_35": 70}}
    for ages in (
        {(18, 29): 10, (30, 39): 20, (40, NO_END): 5},  # straddles 34
        {(18, 24): 10, (35, NO_END): 5},  # nobody of 25–34
        {(18, 34): 10, (35, 64): 5},  # ends too early
    ):
        target = census_target(margins(ages=ages), polled, NOWHERE)
        assert target.left_out == {By.AGE_BAND: "bands"} and not target.numbers
    assert census_target(margins(), polled, NOWHERE).left_out == {By.AGE_BAND: "no_margin"}


def test_okrugs_are_summed_of_all_their_districts() -> None:
    places = TerritoryTree.of(
        [Territory(1, "a", "okrug", None, "A", "A"), Territory(2, "a1", "district", 1, "A1", "A1"),
         Territory(3, "a2", "district", 1, "A2", "A2"), Territory(4, "b", "okrug", None, "B", "B")]
    )  # fmt: skip
    polled = a_turnout([("a", 60, 10), ("b", 40, 10)], By.OKRUG)
    found = census_target(margins(territories={"a1": 3, "a2": 4, "b": 9}), polled, places)
    assert found.numbers == {By.OKRUG: {"a": 7, "b": 9}}
    assert census_target(margins(territories={"a1": 3, "b": 9}), polled, places).left_out == {By.OKRUG: "no_margin"}


def test_groups_without_a_target_stand_apart() -> None:
    """Participants whose sex nobody knows are no part of the comparison with a census that knows everybody's."""
    polled = a_turnout([("f", 40, 500), ("m", 40, 480), ("unknown", 20, 20)], By.SEX)
    target = census_target(margins(sexes={"f": 50, "m": 50}), polled, NOWHERE)
    [fit] = represented(polled, target)
    assert fit.score == 1 and [one.share for one in fit.groups] == [Fraction(1, 2)] * 2


def test_hidden_groups_are_one_group() -> None:
    """Two hidden groups with 20 of 100 votes and half of the roll: 30 of 100 would have to be theirs."""
    polled = a_turnout([("age_14_17", None, 300), ("age_18_24", None, 200), ("age_25", 80, 500)])
    target = register_target(polled)
    assert target is not None
    [fit] = represented(polled, target)
    assert fit.score == Fraction(7, 10)
    assert [one.share for one in fit.groups] == [None, None, Fraction(4, 5)]


async def test_nobody_of_a_large_group_is_a_grave_matter(session: Session) -> None:
    found = await a_lopsided_poll(session)
    await session.execute(insert(roll).values(poll_id=found.id, stratum=Stratum(0, 6, 1).code, entitled=1000))
    weighting = await weighted_of(session, found.slug, AFTER)
    assert {caution.code for caution in weighting.cautions} >= {"uncovered"}
    assert not weighting.mends


async def test_a_large_design_effect_is_said(session: Session) -> None:
    weighting = await weighted_of(session, (await a_lopsided_poll(session, 890, 110)).slug, AFTER)
    assert weighting.effect > 2 and not weighting.mends
    assert [caution.code for caution in weighting.cautions] == ["design_effect"]


async def test_weights_are_cut_and_what_that_leaves_is_said(session: Session) -> None:
    weighting = await weighted_of(session, (await a_lopsided_poll(session, 960, 40)).slug, AFTER)
    assert weighting.most <= 5 * (1 + 1e-9)  # women would have to weigh twelve
    assert weighting.miss == pytest.approx(0.3, abs=0.01) and not weighting.mends
    assert {"margins_not_met"} <= {caution.code for caution in weighting.cautions}
    assert weighting.trimmed == pytest.approx(0.04)


# ---- disclosure


def swaps_of_hidden(ballots: Sequence[Ballot], tables: Sequence[Table], places: TerritoryTree) -> list[tuple[int, int]]:
    """Pairs of ballots whose exchange of answers changes hidden cells alone: they differ in one dimension, and the four
    cells of their groups and answers are hidden in it."""

    def codes(stratum: int) -> dict[By, str]:
        one = Stratum.of(stratum)
        place = places.by_id[one.territory]
        okrug = places.by_id[place.parent_id or 0]
        age = {2: "age_18_24", 3: "age_25_34", 7: "age_65"}[one.age]
        return {By.DISTRICT: place.code, By.OKRUG: okrug.code, By.AGE_BAND: age, By.SEX: "fm"[one.sex - 1]}

    hidden = {
        (table.dimensions[0], row.group.code, f"[{column.option_id}]")
        for table in tables
        for row in table.rows
        for column, cell in zip(table.columns, row.cells, strict=True)
        if cell.suppressed
    }
    where = [(answers[0], codes(stratum)) for answers, stratum in ballots]
    return [
        (i, j)
        for i, (a, one) in enumerate(where)
        for j, (b, other) in enumerate(where[:i])
        if a != b and one != other
        and all(one[by] == other[by] or {(by, x[by], y) for x in (one, other) for y in (a, b)} <= hidden for by in one)
    ]  # fmt: skip


def told(weighting: Weighting) -> object:
    return (weighting.dimensions, weighting.effect, weighting.miss, weighting.questions, weighting.cautions)


async def test_counts_that_differ_in_hidden_cells_alone_have_one_weighting(session: Session) -> None:
    """What weighting says follows from what is published: no hidden cell changes a digit of it."""
    await a_city(session)
    rng = random.Random(5)
    strata = await city_strata(session)
    # A rare third answer: most of its cells are under ten.
    ballots: list[Ballot] = [((f"[{rng.choices([1, 2, 3], [60, 34, 6])[0]}]",), rng.choice(strata)) for _ in range(500)]
    definition = a_definition(questions=[a_single_choice()])
    first = await a_counted_poll(session, definition, ballots)
    tables = (await poll_figures(session, first.slug, AFTER)).questions[0].tables
    assert sum(table.suppressed for table in tables) >= 4
    weighting = await weighted_of(session, first.slug, AFTER)
    pairs = swaps_of_hidden(ballots, tables, await territory_tree(session))
    alike = 0
    for i, j in rng.sample(pairs, min(len(pairs), 40)):
        changed = list(ballots)
        changed[i], changed[j] = (ballots[j][0], ballots[i][1]), (ballots[i][0], ballots[j][1])
        second = await a_counted_poll(session, a_definition(questions=[a_single_choice()]), changed)
        if (await poll_figures(session, second.slug, AFTER)).questions[0].tables != tables:
            continue  # the other cells call for another pattern of hiding
        assert await profile_of(session, first) != await profile_of(session, second)
        assert told(await weighted_of(session, second.slug, AFTER)) == told(weighting)
        alike += 1
        if alike == 5:
            break
    assert alike >= 2, "no count was found that differs in hidden cells alone"
    # Where something published differs the weighting does too, so the comparison can fail.
    plain = [((answer if i % 5 else ("[1]",)), stratum) for i, (answer, stratum) in enumerate(ballots)]
    other = await a_counted_poll(session, a_definition(questions=[a_single_choice()]), plain)
    assert told(await weighted_of(session, other.slug, AFTER)) != told(weighting)


async def profile_of(session: Session, found: SealedPoll) -> set[tuple[int, str, int]]:
    rows = await session.execute(
        select(profile.c.stratum, profile.c.answer, profile.c.n).where(profile.c.poll_id == found.id)
    )
    return {(stratum, answer, n) for stratum, answer, n in rows}
