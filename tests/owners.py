"""A house with flats and owners, and polls in which they decide: what tests of owners' polls share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from tests.builders import ASigner, a_definition, a_key, a_sealed_poll, both

from polls.casting import cast_ballot
from polls.catalogue import SealedPoll
from polls.register import find_citizen, identity_key, load_buildings, read_buildings
from polls.register_import import import_register
from polls.sessions import Session
from polls.unit_import import import_units

SECRETS = {1: bytes(range(32))}
SINCE = datetime(2020, 1, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Flat:
    """A flat of the test house: its number, area in m² as written, and owners (letters) with their shares."""

    number: str
    area: str
    owners: Mapping[str, str]


HOUSE = (
    Flat("1", "50", {"a": "1"}),
    Flat("2", "50", {"b": "1/2", "c": "1/2"}),
    Flat("3", "50", {"d": "1/3", "e": "2/3"}),
    Flat("10", "40", {"a": "1"}),
    Flat("10а", "30.50", {"f": "1"}),
    Flat("11", "29.50", {}),
)


async def a_house(session: Session, flats: Sequence[Flat] = HOUSE, code: str = "arbat-1") -> dict[str, int]:
    """Load a building on the Arbat with these flats, owned since 2 January 2020; owners' citizen ids by letter."""
    await load_buildings(
        session, read_buildings(["code,district,name_ru\n", f'{code},msk-cao-arbat,"Арбат, {code}"\n'])
    )
    letters = sorted({letter for flat in flats for letter in flat.owners})
    people = "national_id,birth_date,sex,district,level,groups,registered_at\n" + "".join(
        f"{code}-{letter},1980-05-01,f,msk-cao-arbat,2,,2020-01-01\n" for letter in letters
    )
    await import_register(session, [people.encode()], secrets=SECRETS, now=SINCE)
    rows = ["building,number,area,national_id,share,since\n"]
    for flat in flats:
        owned = [(f"{code}-{owner}", share) for owner, share in flat.owners.items()] or [("", "")]
        rows += [f"{code},{flat.number},{flat.area},{owner},{share},2020-01-02\n" for owner, share in owned]
    await import_units(session, ["".join(rows).encode()], secrets=SECRETS, now=SINCE)
    found = {}
    for letter in letters:
        key = identity_key(SECRETS[1], "national_id", f"{code}-{letter}")
        citizen = await find_citizen(session, "national_id", [(1, key)])
        assert citizen is not None
        found[letter] = citizen
    return found


def a_decision(question_id: int = 1, **rule: Any) -> dict[str, Any]:
    """For (1), against (2), abstained (9), decided by the shares of owners unless told otherwise."""
    return {
        "kind": "single_choice", "id": question_id, "text": both("Провести ремонт?", "Have repairs done?"),
        "options": [{"id": 1, "text": both("За", "For")}, {"id": 2, "text": both("Против", "Against")},
                    {"id": 9, "text": both("Воздержался", "Abstained"), "kind": "neutral"}],
        "rule": {"method": "units", "speaks": "owner", "weigh_by": "area", "denominator": "cast",
                 "law": "ЖК РФ, ст. 46, ч. 1", **rule},
    }  # fmt: skip


def an_owners_definition(buildings: Sequence[str] = ("arbat-1",), **more: Any) -> dict[str, Any]:
    """The parts of a definition that make a meeting of these houses' owners; override freely."""
    return {
        "title": both("Общее собрание собственников", "General meeting of owners"),
        "territory": "msk-cao-arbat",
        "questions": [a_decision()],
        "privacy": "named",
        "names_seen_by": both("Инициатор собрания и собственники дома", "The convener and the owners"),
        "audience": {"op": "unit", "codes": list(buildings)},
        "units": {"buildings": list(buildings), "quorum_of_area": "1/2", "chair": "Смирнова А. П.",
                  "secretary": "Орлов И. И."},
        **more,
    }  # fmt: skip


async def an_owners_poll(session: Session, buildings: Sequence[str] = ("arbat-1",), **more: Any) -> SealedPoll:
    """A sealed poll of owners, open by the database's clock."""
    clock: datetime | None = await session.scalar(text("SELECT date_trunc('second', clock_timestamp())"))
    assert clock is not None
    times = {"opens_at": clock - timedelta(hours=1), "closes_at": clock + timedelta(days=1)}
    return await a_sealed_poll(session, a_definition(**an_owners_definition(buildings, **{**times, **more})))


async def vote(session: Session, poll: SealedPoll, citizen: int, *answers: Any) -> None:
    """Cast one ballot with an option for each question, None for blank."""
    given = {str(q): a for q, a in zip(poll.question_ids, answers, strict=True) if a is not None}
    await cast_ballot(session, poll, citizen, given, a_key(), ASigner(), datetime.now(UTC))
