"""The one door of counting: what holds of every kind of question and every rule, on answers that casting accepts."""

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.polls.tally.any_question import KINDS, NEUTRAL, profiles

from polls.definition import SingleChoice, UnitRule
from polls.tally import Outcome, Profile, tally

every_kind = pytest.mark.parametrize("kind", KINDS)


def drawn(stage, tied):
    """A lot: an order that hangs on the ids alone."""
    return sorted(tied, key=lambda option_id: hashlib.sha256(f"{stage}/{sorted(tied)}/{option_id}".encode()).digest())


def count(found, order=None, factor=1):
    entitled = None if found.entitled is None else found.entitled * factor
    return tally(found.question, Profile({text: n * factor for text, n in found.answers.items()}, entitled), order)


def ties_of(outcome):
    return {(frozenset(tie.options), tie.place, tie.seats, tie.resolution, tie.kind, tie.order) for tie in outcome.ties}


@every_kind
@given(data=st.data(), lot=st.booleans())
@settings(deadline=None)
def test_what_casting_lets_through_is_counted_and_kept_exactly(kind, data, lot):
    found = data.draw(profiles(kind))
    outcome = count(found, drawn if lot else None)
    assert outcome.cast == outcome.valid + outcome.blank + outcome.neutral_total == sum(found.answers.values())
    assert (
        sorted(outcome.order) == sorted(o.id for o in outcome.options) == sorted(o.id for o in found.question.regular)
    )
    assert set(outcome.winners) <= set(outcome.order)
    assert len(set(outcome.winners)) == len(outcome.winners)
    for tie in outcome.ties:
        assert not tie.open or (not lot and not set(tie.options).intersection(outcome.winners))
        assert tie.resolution != "stated_order"
        assert (tie.order is not None) == (tie.resolution == "order")
    written = json.loads(json.dumps(outcome.as_json(), allow_nan=False))
    assert written == outcome.as_json()  # nothing in it but JSON values: no tuples, no keys that are numbers
    assert Outcome.from_json(written) == outcome


@every_kind
@given(data=st.data(), lot=st.booleans())
@settings(deadline=None)
def test_the_order_of_options_and_of_ballots_decides_nothing(kind, data, lot):
    found = data.draw(profiles(kind))
    shuffled = found.question.model_copy(update={"options": tuple(data.draw(st.permutations(found.question.options)))})
    ballots = dict(data.draw(st.permutations(list(found.answers.items()))))
    order = drawn if lot else None
    first, second = count(found, order), tally(shuffled, Profile(ballots, found.entitled), order)
    assert set(first.winners) == set(second.winners)
    assert ties_of(first) == ties_of(second)
    assert {o.id: what(o) for o in first.options} == {o.id: what(o) for o in second.options}
    assert (first.threshold_met, first.own, first.neutral) == (second.threshold_met, second.own, second.neutral)


def what(option):
    """All about an option but the money left after it, which hangs on the order in which equals are shown."""
    return {**option.as_json(), "remaining": None}


@every_kind
@given(data=st.data())
@settings(deadline=None)
def test_names_of_options_do_not_matter(kind, data):
    found = data.draw(profiles(kind))
    ids = [option.id for option in found.question.regular]
    to = dict(zip(ids, data.draw(st.permutations(ids)), strict=True)) | {0: 0} | {i: i for i in NEUTRAL}
    document = found.question.model_dump()
    document["options"] = [{**option, "id": to[option["id"]]} for option in document["options"]]
    if kind == "budget":
        document["exclusive_groups"] = [[to[i] for i in group] for group in document["exclusive_groups"]]
    renamed = {renamed_text(kind, text, to): n for text, n in found.answers.items()}
    first, second = count(found), tally(type(found.question)(**document), Profile(renamed, found.entitled))
    assert {to[i] for i in first.winners} == set(second.winners)
    assert {(frozenset(to[i] for i in options), *rest) for options, *rest in ties_of(first)} == ties_of(second)
    assert {to[o.id]: {**what(o), "id": 0} for o in first.options} == {
        o.id: {**what(o), "id": 0} for o in second.options
    }


def renamed_text(kind, text, to):
    answer = json.loads(text)
    if kind == "ranking" and answer and isinstance(answer[0], list):
        answer = [sorted(to[i] for i in tier) for tier in answer]
    else:
        answer = sorted([to[i[0]], i[1]] if isinstance(i, list) else to[i] for i in answer)
    return json.dumps(answer, separators=(",", ":"))


@every_kind
@given(data=st.data(), factor=st.integers(2, 10**9), lot=st.booleans())
@settings(deadline=None)
def test_scaling_the_profile_scales_the_counts_and_keeps_the_result(kind, data, factor, lot):
    found = data.draw(profiles(kind))
    order = drawn if lot else None
    first, second = count(found, order), count(found, order, factor)
    assert [o.votes * factor for o in first.options] == [o.votes for o in second.options]
    assert [o.share for o in first.options] == [o.share for o in second.options]
    rule = found.question.rule
    if rule.method in ("stv_scottish", "stv_meek"):
        return  # a quota of whole ballots, and rounding to so many places, do not scale
    if rule.method == "rating" and rule.order_by == "trimmed_mean":
        return  # whole ratings are left out at each end, and a share of more ballots leaves out a finer part
    if rule.method == "equal_shares" and rule.completion != "none":
        return  # a part grows by so much money for each voter, and there are more of them
    assert (first.winners, first.order, first.threshold_met) == (second.winners, second.order, second.threshold_met)
    assert ties_of(first) == ties_of(second)


def test_units_take_a_profile_of_units():
    question = SingleChoice(id=7, rule=UnitRule())
    with pytest.raises(ValueError, match="units"):
        tally(question, Profile({}))
