"""Questions counted together: what may be paired, what is sealed, and the count against a recount (BALLOTS 16)."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from tests.builders import (
    AUTHOR,
    NOW,
    a_budget,
    a_definition,
    a_multiple_choice,
    a_rating,
    a_sealed_poll,
    a_single_choice,
    an_option,
)
from tests.polls.test_counting import a_voted_poll, count

from polls.authoring import copy_poll
from polls.checklist import findings
from polls.comparison import compare
from polls.cross_tables import cross_tab
from polls.crossing import answers_of
from polls.definition import Definition, canonical_bytes, poll_hash, read_definition
from polls.definition_file import definition_schema, read_file
from polls.published import counted_ballots
from polls.sessions import Session
from polls.strata import Stratum, coarsen

PAIR = {"rows": 1, "columns": 2}


def one_thing(question_id: int = 3, **more: Any) -> dict[str, Any]:
    """A rating of one thing."""
    return a_rating(question_id, options=[an_option(1)], **more)


def found(*questions: dict[str, Any], pairs: list[dict[str, int]], **more: Any) -> dict[str, bool]:
    """Findings about pairs: code → whether it keeps the draft from being scheduled."""
    definition = a_definition(questions=list(questions), cross_tabs=pairs, opens_at=NOW + timedelta(hours=1), **more)
    return {one.code: one.blocking for one in findings(definition, NOW) if one.code.startswith("cross_tab")}


# ---- the document


def test_documents_sealed_before_there_were_pairs_keep_their_bytes() -> None:
    """The hash of the emptiest document, as releases before this one made it."""
    bare = Definition(poll_id="0" * 32)
    assert poll_hash(bare).hex() == "cb64cbadd1abc90cca1177dc12ca378edb1ec42d3093fa049bd2f88f2a53dc8c"
    assert b"cross_tabs" not in canonical_bytes(bare)
    assert "cross_tabs" not in json.loads(bare.model_dump_json(by_alias=True))
    assert poll_hash(read_definition({**bare.as_json(), "cross_tabs": []})) == poll_hash(bare)


def test_pairs_are_sealed_with_the_document_and_survive_every_way_round() -> None:
    paired = a_definition(questions=[a_single_choice(1), a_multiple_choice(2)], cross_tabs=[PAIR])
    assert json.loads(canonical_bytes(paired))["cross_tabs"] == [PAIR]
    assert read_definition(canonical_bytes(paired)) == read_file(canonical_bytes(paired)) == paired
    schema = definition_schema()
    assert schema["properties"]["cross_tabs"]["maxItems"] == 6
    alone = paired.model_copy(update={"cross_tabs": ()})
    [change] = compare(alone, paired)
    assert (change.path, change.kind, change.after) == ("cross_tabs", "added", [PAIR])
    [change] = compare(paired, alone)
    assert (change.path, change.kind, change.before) == ("cross_tabs", "removed", [PAIR])


@pytest.mark.parametrize(
    "pairs", [[PAIR] * 7, [{"rows": 1}], [{"rows": 0, "columns": 1}], [{**PAIR, "by": "sex"}], [1]]
)
def test_a_malformed_pair_is_no_document(pairs: list[Any]) -> None:
    with pytest.raises(ValueError, match="cross_tabs"):
        a_definition(cross_tabs=pairs)


async def test_a_copy_keeps_its_pairs(session: Session) -> None:
    questions = [a_single_choice(1), a_multiple_choice(2)]
    poll = await a_sealed_poll(session, a_definition(questions=questions, cross_tabs=[PAIR]))
    made = await copy_poll(session, poll.public_id, "f" * 32, AUTHOR, NOW)
    assert [pair.model_dump() for pair in made.definition.cross_tabs] == [PAIR]


# ---- what may be paired


def test_a_good_pair_is_said_to_be_counted_together_and_blocks_nothing() -> None:
    said = found(a_single_choice(1), a_multiple_choice(2), one_thing(3), pairs=[PAIR, {"rows": 3, "columns": 1}])
    assert said == {"cross_tab_counts_together": False}
    at_most_one = a_multiple_choice(3, min_choices=1, max_choices=1)
    said = found(a_multiple_choice(1), a_single_choice(2), at_most_one, pairs=[PAIR, {"rows": 3, "columns": 2}])
    assert said == {"cross_tab_counts_together": False}


@pytest.mark.parametrize(
    ("code", "questions", "pairs"),
    [
        ("cross_tab_of_itself", [a_single_choice(1)], [{"rows": 1, "columns": 1}]),
        ("cross_tab_unknown_question", [a_single_choice(1)], [PAIR]),
        ("cross_tab_kind", [a_single_choice(1), a_budget(2)], [PAIR]),
        ("cross_tab_kind", [a_single_choice(1), a_rating(2)], [PAIR]),
        ("cross_tab_many_answers", [a_single_choice(1, options=11), a_multiple_choice(2)], [PAIR]),
        ("cross_tab_many_answers", [a_single_choice(1), one_thing(2, scale_max=12)], [PAIR]),
        ("cross_tab_other_ballots", [a_single_choice(1), a_multiple_choice(2, styles=[1])], [PAIR]),
        (
            "cross_tab_other_ballots",
            [a_single_choice(1), a_multiple_choice(2, shown_if={"question": 1, "options": [1]})],
            [PAIR],
        ),
        ("cross_tab_several_both", [a_multiple_choice(1), a_multiple_choice(2)], [PAIR]),
        (
            "cross_tab_several_again",
            [a_single_choice(1), a_multiple_choice(2), one_thing(3)],
            [PAIR, {"rows": 3, "columns": 2}],
        ),
        ("cross_tab_repeats", [a_single_choice(1), a_multiple_choice(2)], [PAIR, {"rows": 2, "columns": 1}]),
        (
            "cross_tab_ring",
            [a_single_choice(1), a_multiple_choice(2), one_thing(3)],
            [PAIR, {"rows": 2, "columns": 3}, {"rows": 3, "columns": 1}],
        ),
    ],
)
def test_what_cannot_be_paired_blocks(code: str, questions: list[Any], pairs: list[Any]) -> None:
    assert found(*questions, pairs=pairs).get(code) is True


def test_every_answer_has_a_key() -> None:
    document = a_definition(
        questions=[a_single_choice(1, own_answer=True), one_thing(3, scale_min=-1, scale_max=1, required=False)]
    )
    one, rated = document.questions
    assert answers_of(one) == ["1", "2", "3", "90", "0", "[]"]
    assert answers_of(rated) == ["[1,-1]", "[1,0]", "[1,1]", "[]"]


# ---- the count


def recounted(ballots: list[Any], first: int, second: int, merged: dict[Stratum, Stratum]) -> Counter[Any]:
    """Every pair of answers of every ballot, by its merged stratum."""

    def keys(answer: str) -> list[str]:
        parts = json.loads(answer)
        return [json.dumps(part, separators=(",", ":")) for part in parts] or ["[]"]

    sums: Counter[Any] = Counter()
    for row in ballots:
        stratum = merged.get(Stratum.of(row.stratum), Stratum.of(row.stratum)).code
        for a in keys(row.answers[first]):
            for b in keys(row.answers[second]):
                sums[stratum, a, b] += 1
    return sums


@pytest.mark.parametrize("privacy", ["separated", "named"])
async def test_sql_counts_both_answers_as_a_reader_of_every_ballot_would(session: Session, privacy: str) -> None:
    questions = [a_single_choice(1, own_answer=True), a_multiple_choice(2, required=False), one_thing(3)]
    votes = [
        {
            "1": {"own": "своё"} if n % 9 == 0 else 1 + n % 3,
            "2": [[1], [1, 3], [2, 4], []][n % 4],
            "3": {"1": 1 + n % 5},
        }
        for n in range(60)
    ]
    more: dict[str, Any] = {"names_seen_by": {"ru": "комиссия"}} if privacy == "named" else {}
    pairs = [PAIR, {"rows": 3, "columns": 1}]
    poll, _ = await a_voted_poll(session, votes, questions=questions, cross_tabs=pairs, privacy=privacy, **more)
    await count(session, poll)
    stored: dict[tuple[int, int], Counter[Any]] = {}
    for row in await session.execute(select(cross_tab).where(cross_tab.c.poll_id == poll.id)):
        pair = (row.rows_question, row.columns_question)
        stored.setdefault(pair, Counter())[row.stratum, row.row_key, row.column_key] = row.n
    query = f"SELECT answers, stratum FROM {counted_ballots(poll)} WHERE poll_id = {poll.id}"
    ballots = list(await session.execute(text(query)))
    merged: dict[Stratum, Stratum] = {}
    if privacy == "named":
        sizes = Counter(Stratum.of(row.stratum) for row in ballots)
        parents = {row.id: row.parent_id for row in await session.execute(text("SELECT id, parent_id FROM territory"))}
        merged = coarsen(dict(sizes), parents.get)
    assert stored == {(1, 2): recounted(ballots, 0, 1, merged), (3, 1): recounted(ballots, 2, 0, merged)}
    assert sum(stored[3, 1].values()) == 60


async def test_a_poll_without_pairs_writes_none(session: Session) -> None:
    poll, _ = await a_voted_poll(session, [{"1": 1}] * 12)
    await count(session, poll)
    assert not list(await session.execute(select(cross_tab)))
