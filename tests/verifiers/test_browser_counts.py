"""The browser's verifier counts as the engine does: questions of every kind, their whole outcomes, steps included."""

from __future__ import annotations

import json
import os
import random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from tests.polls.tally.any_question import KINDS, profiles
from tests.verifiers import boards
from tests.verifiers.browser_core import run_core

from polls.answer import encode_answer
from polls.definition import OWN
from polls.tally import Profile, tally

COUNT = 2_000 if os.environ.get("VECHE_FULL_COUNTS") else 100
COUNTED_AGAIN = {"plurality", "approval", "points", "rating", "borda", "schulze", "instant_runoff", "text",
                 "greedy", "greedy_threshold", "greedy_no_skip"}  # fmt: skip


def generated(kind):
    """Questions of a kind with profiles, as hypothesis makes them."""
    found = []

    @settings(max_examples=COUNT, phases=[Phase.generate], database=None, deadline=None, derandomize=True,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(profiles(kind))
    def collect(one):
        found.append(one)

    collect()
    return found


class Chair:
    """Decides two ties of three, by a seed, and remembers what it decided."""

    def __init__(self, seed):
        self.source, self.decided = random.Random(seed), {}

    def __call__(self, stage, tied):
        if (stage, tied) not in self.decided:
            order = self.source.sample(tied, len(tied)) if self.source.random() < 0.67 else None
            self.decided[stage, tied] = order
        return self.decided[stage, tied]


@pytest.mark.parametrize("kind", KINDS)
def test_the_browsers_count_is_the_engines(kind):
    cases, expected = [], []
    for seed, found in enumerate(generated(kind)):
        chair = Chair(seed)
        outcome = tally(found.question, Profile(found.answers, found.entitled), chair).as_json()
        ties = [[stage, list(tied), order] for (stage, tied), order in chair.decided.items() if order]
        cases.append(
            {"do": "count", "question": found.question.model_dump(mode="json"), "entitled": found.entitled,
             "answers": [[text, n, []] for text, n in found.answers.items()], "ties": ties}
        )  # fmt: skip
        expected.append(outcome)
    again = 0
    for reply, outcome, case in zip(run_core(cases), expected, cases, strict=True):
        if reply["outcome"] is None:
            assert outcome["method"] not in COUNTED_AGAIN
            continue
        assert reply["outcome"] == outcome, case
        again += 1
    assert again > COUNT / 4


def style_of(question, text):
    """A ballot style on which casting takes this answer."""
    raw = [{"own": "words"} if item == OWN else item for item in json.loads(text)]
    return next(style for style in (0, 1, 2) if encode_answer(question, raw, style) == text)


def board_of(found, chance):
    """A board of the generated question and its ballots, each on a style that may have them."""
    question = found.question.model_copy(update={"text": found.question.text})
    definition = boards.define(
        question.model_dump(mode="json"), roll_known=found.entitled is not None,
        late_registration=found.entitled is not None,  # more of a style may vote than its part of the roll
        styles=[{"id": style, "territories": [f"t{style}"]} for style in (1, 2)],
    )  # fmt: skip
    votes = [
        boards.Vote(chance.randbytes(16), {question.id: text}, style_of(question, text))
        for text, n in found.answers.items()
        for _ in range(n)
    ]
    service = boards.Service(definition, votes, entitled=found.entitled)
    tied = tally(question, Profile(found.answers, found.entitled)).ties
    if question.rule.tie == "chair":
        service.chair = {
            (question.id, tie.stage, tuple(sorted(tie.options))): tuple(chance.sample(tie.options, len(tie.options)))
            for tie in tied
        }
    return service


@pytest.mark.parametrize("kind", KINDS)
def test_random_polls_counted_by_the_engine_are_valid_boards(kind, tmp_path):
    chance = random.Random(kind)
    asked, methods = [], []
    for number, found in enumerate(generated(kind)[: COUNT // 2]):
        service = board_of(found, chance)
        folder = boards.write(service.files(), tmp_path / str(number))
        asked.append({"do": "board", "dir": str(folder)})
        methods.append(found.question.rule.method)
    for reply, method, command in zip(run_core(asked), methods, asked, strict=True):
        assert reply["verdict"] == ("valid" if method in COUNTED_AGAIN else "incomplete"), (command, reply)
        assert not reply["failed"]
