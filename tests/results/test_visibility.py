"""The gate: one table of what is shown when, the same for everybody."""

from datetime import timedelta

import pytest
from tests.builders import NOW, a_definition

from polls.errors import NotCounted, PollNotFound, Refusal, ResultsHidden, TooFewToPublish, WrongState
from polls.lifecycle import State
from results.visibility import Need, Why, may_see, require_results

BEFORE, DURING, AFTER = NOW - timedelta(days=1), NOW, NOW + timedelta(days=8)
COUNTED = (State.COUNTED, State.CERTIFIED, State.DECIDED)


@pytest.mark.parametrize(
    ("visibility", "state", "now", "shown", "why"),
    [
        ("after_close", State.DRAFT, DURING, set(), Why.NOT_PUBLIC),
        ("after_close", State.IN_REVIEW, DURING, set(), Why.NOT_PUBLIC),
        ("after_close", State.SCHEDULED, BEFORE, set(), Why.HIDDEN),
        ("after_close", State.SCHEDULED, DURING, {"turnout"}, Why.HIDDEN),
        ("after_close", State.SCHEDULED, AFTER, {"turnout"}, Why.NOT_COUNTED),
        ("live", State.SCHEDULED, BEFORE, set(), Why.HIDDEN),
        ("live", State.SCHEDULED, DURING, {"turnout", "live"}, Why.HIDDEN),
        ("live", State.SCHEDULED, AFTER, {"turnout", "live"}, Why.NOT_COUNTED),
        ("live", State.CANCELLED, DURING, set(), Why.CANCELLED),
        *(("after_close", state, AFTER, {"turnout", "outcome", "breakdowns", "answers"}, None) for state in COUNTED),
    ],
)
def test_what_is_shown_when(visibility: str, state: State, now: object, shown: set[str], why: Why | None) -> None:
    definition = a_definition(visibility=visibility)
    decision = may_see(definition, state, now, ballots=10)  # type: ignore[arg-type]
    assert {need.value for need in Need if decision.allows(need)} == shown
    assert decision.why == why


@pytest.mark.parametrize("role", ["resident", "official", "reviewer", "analyst", "observer", "administrator"])
def test_no_role_has_an_earlier_look(role: str) -> None:
    for state in State:
        for now in (BEFORE, DURING, AFTER):
            definition = a_definition(visibility="live")
            assert may_see(definition, state, now, {role}, ballots=50) == may_see(definition, state, now, ballots=50)


@pytest.mark.parametrize(("ballots", "few"), [(None, True), (0, True), (9, True), (10, False)])
def test_a_separated_poll_under_ten_ballots_has_no_breakdowns_and_no_answers(ballots: int | None, few: bool) -> None:
    decision = may_see(a_definition(), State.COUNTED, AFTER, ballots=ballots)
    assert (decision.turnout, decision.outcome) == (True, True)
    assert decision.breakdowns is decision.answers is not few
    named = may_see(a_definition(privacy="named"), State.COUNTED, AFTER, ballots=ballots)
    assert named.answers


def test_the_closing_time_in_force_counts_not_the_planned_one() -> None:
    definition = a_definition()
    early = DURING - timedelta(minutes=1)
    assert may_see(definition, State.SCHEDULED, DURING, closes_at=early).why is Why.NOT_COUNTED
    extended = AFTER + timedelta(days=1)
    hidden = may_see(definition, State.SCHEDULED, AFTER, closes_at=extended)
    assert (hidden.why, hidden.until) == (Why.HIDDEN, extended)


@pytest.mark.parametrize(
    ("state", "now", "need", "refusal"),
    [
        (State.DRAFT, DURING, Need.OUTCOME, PollNotFound),
        (State.CANCELLED, DURING, Need.OUTCOME, WrongState),
        (State.SCHEDULED, DURING, Need.OUTCOME, ResultsHidden),
        (State.SCHEDULED, DURING, Need.LIVE, ResultsHidden),
        (State.SCHEDULED, AFTER, Need.OUTCOME, NotCounted),
        (State.COUNTED, AFTER, Need.BREAKDOWNS, TooFewToPublish),
        (State.COUNTED, AFTER, Need.ANSWERS, TooFewToPublish),
    ],
)
def test_what_is_not_shown_is_refused_with_its_reason(
    state: State, now: object, need: Need, refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal):
        require_results(a_definition(), state, now, ballots=9, need=need)  # type: ignore[arg-type]


def test_a_refusal_says_until_when() -> None:
    definition = a_definition()
    with pytest.raises(ResultsHidden) as refused:
        require_results(definition, State.SCHEDULED, DURING)
    assert definition.closes_at is not None
    assert refused.value.facts == {"until": definition.closes_at.isoformat()}
