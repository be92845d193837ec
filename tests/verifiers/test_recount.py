"""The Python verifier counts as the engine does: two implementations that share no code, held against each other."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.polls.tally.any_question import KINDS, profiles

import veche_verify as verifier
from polls.tally import tally
from polls.tally.profile import Profile

EXAMPLES = 2_000 if os.environ.get("VECHE_FULL_COUNTS") == "1" else 100


def decider(seed):
    """An order for every tie, or for none, by a rule that both sides can follow."""
    if seed is None:
        return lambda stage, tied: None
    return lambda stage, tied: sorted(tied, key=lambda o: (o * 7919 + stage * seed) % 101)


def sums(found):
    question = verifier.Question(json.loads(found.question.model_dump_json()))
    ballots = verifier.Ballots(question)
    # A profile holds no styles: an option that some style alone shows is tried in the styles the generator has.
    for answer, n in found.answers.items():
        for style in (0, 1, 2):
            try:
                question.read(style, answer)
            except verifier.Invalid:
                continue
            ballots.add(style, answer, n)
            break
        else:
            raise AssertionError(f"refused: {answer}")
    return ballots


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=EXAMPLES, deadline=None)
def test_every_outcome_is_the_engines(kind, data):
    found = data.draw(profiles(kind))
    seed = data.draw(st.sampled_from([None, 3, 17]))
    decide = decider(seed)
    if found.question.rule.method not in verifier.COUNTS:
        return
    ours = verifier.recount(sums(found), found.entitled, decide)
    theirs = tally(found.question, Profile(found.answers, found.entitled), decide).as_json()
    extra = []
    verifier.compare(json.loads(json.dumps(theirs)), ours, "outcome", extra)
    assert not extra
