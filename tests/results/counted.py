"""A counted poll written straight into the tables: ballots by stratum, profile, outcomes, turnout and roll."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import insert, text, update
from tests.builders import (
    NOW,
    a_budget,
    a_city,
    a_definition,
    a_multiple_choice,
    a_rating,
    a_sealed_poll,
    a_single_choice,
)

from polls.catalogue import SealedPoll, sealed_poll
from polls.cross_counting import count_cross_tabs
from polls.definition import Definition
from polls.register import territory_tree
from polls.sessions import Session
from polls.strata import Stratum, coarsen
from polls.tables import ballot, count_record, named_ballot, poll, profile, roll, turnout_day, turnout_stratum
from polls.tally import tally
from polls.tally.profile import NOT_SHOWN, Profile

DISTRICTS = ("msk-cao-arbat", "msk-cao-basmanny", "msk-sao-timiryazevsky")
AFTER = NOW + timedelta(days=8)
"""A moment after closing and counting."""
Ballot = tuple[tuple[str, ...], int]
"""Canonical answers in the order of questions, stratum on the roll."""


def four_questions(**more: Any) -> Definition:
    """One question of every kind; the multiple choice may be left blank."""
    questions = [a_single_choice(), a_multiple_choice(required=False), a_rating(), a_budget()]
    return a_definition(questions=questions, **more)


def random_ballots(n: int, strata: Sequence[int], seed: int = 1) -> list[Ballot]:
    """Answers to :func:`four_questions`, uneven over options and groups."""
    rng = random.Random(seed)
    made: list[Ballot] = []
    for _ in range(n):
        stratum = rng.choices(strata, [1 + 40 // (1 + i) for i in range(len(strata))])[0]
        choices = sorted(rng.sample(range(1, 5), rng.randint(0, 2)))
        made.append(
            (
                (
                    f"[{rng.choices([1, 2, 3, 90], [60, 30, 3, 7])[0]}]",
                    str(choices).replace(" ", ""),
                    f"[[1,{rng.randint(3, 5)}],[2,{rng.randint(1, 5)}]]",
                    str(sorted(rng.sample(range(1, 5), rng.randint(1, 3)))).replace(" ", ""),
                ),
                stratum,
            )
        )
    return made


async def city_strata(session: Session, ages: Sequence[int] = (2, 3, 7), sexes: Sequence[int] = (1, 2)) -> list[int]:
    """Strata of the three districts of the small city, which must be loaded."""
    tree = await territory_tree(session)
    return [Stratum(tree.by_code[d].id, age, sex).code for d in DISTRICTS for age in ages for sex in sexes]


async def a_counted_poll(
    session: Session,
    definition: Definition,
    ballots: Sequence[Ballot],
    *,
    entitled: int | None = 100,
    styles: Sequence[int] = (),
) -> SealedPoll:
    """Seal the poll and count these ballots; `entitled` per stratum of the roll. The city must be loaded.

    `styles`: the ballots' styles in their order; all have style 0 where it is empty.
    """
    found = await a_sealed_poll(session, definition)
    tree = await territory_tree(session)
    counts: dict[Stratum, int] = {}
    for _, stratum in ballots:
        counts[Stratum.of(stratum)] = counts.get(Stratum.of(stratum), 0) + 1
    merged = coarsen(counts, tree.parent)
    named = definition.privacy == "named"
    rows = [
        {"poll_id": found.id, "ballot_id": hashlib.sha256(f"{found.public_id}{i}".encode()).digest()[:16],
         "answers": list(answers), "style": styles[i] if styles else 0, "stratum": merged[Stratum.of(stratum)].code}
        for i, (answers, stratum) in enumerate(ballots)
    ]  # fmt: skip
    if named:
        from tests.builders import a_citizen

        rows = [row | {"citizen_id": await a_citizen(session)} for row in rows]
    if rows:
        await session.execute(insert(named_ballot if named else ballot), rows)
    outcomes = []
    for position, question in enumerate(definition.questions):
        sums: dict[tuple[int, str], int] = {}
        for row in rows:
            facts: Any = row
            key = (facts["stratum"], facts["answers"][position])
            if key[1] == NOT_SHOWN:
                continue
            sums[key] = sums.get(key, 0) + 1
        answers: dict[str, int] = {}
        for (_, answer), n in sums.items():
            answers[answer] = answers.get(answer, 0) + n
        total = entitled * len(counts) if entitled is not None else None
        outcomes.append(tally(question, Profile(answers, total)).as_json())
        if sums:
            values = [{"poll_id": found.id, "question_id": question.id, "stratum": s, "answer": a, "n": n}
                      for (s, a), n in sums.items()]  # fmt: skip
            await session.execute(insert(profile), values)
    await count_cross_tabs(session, found, merged=False)
    await _write_turnout(session, found, counts, entitled)
    await session.execute(
        insert(count_record).values(
            poll_id=found.id,
            version=1,
            counted_at=AFTER,
            ballots=len(rows),
            participations=len(rows),
            outcomes=outcomes,
        )
    )
    await session.execute(update(poll).where(poll.c.id == found.id).values(state="counted", counted_at=AFTER))
    return await sealed_poll(session, found.public_id)


async def _write_turnout(session: Session, found: SealedPoll, counts: dict[Stratum, int], entitled: int | None) -> None:
    for stratum, n in counts.items():
        await session.execute(insert(turnout_stratum).values(poll_id=found.id, stratum=stratum.code, n=n))
        if entitled is not None:
            await session.execute(insert(roll).values(poll_id=found.id, stratum=stratum.code, entitled=entitled))
    total = sum(counts.values())
    for day, n in ((date(2026, 11, 22), total - total // 3), (date(2026, 11, 23), total // 3)):
        await session.execute(insert(turnout_day).values(poll_id=found.id, day=day, n=n))


async def a_typical_poll(session: Session, n: int = 600, **more: Any) -> SealedPoll:
    """Four questions, three districts, some small groups."""
    await a_city(session)
    strata = await city_strata(session)
    return await a_counted_poll(session, four_questions(**more), random_ballots(n, strata))


async def add_ballots(session: Session, found: SealedPoll, n: int) -> None:
    """More single-question ballots by SQL, for tests of size; the count record is not touched."""
    await session.execute(
        text(
            "INSERT INTO ballot (poll_id, ballot_id, answers, style, stratum)"
            " SELECT :poll, substr(sha256(int8send(i)), 1, 16), ARRAY['[' || (1 + i % 3) || ']'], 0, 0"
            " FROM generate_series(1, :n) AS i"
        ),
        {"poll": found.id, "n": n},
    )
