"""What most tests need: a definition, a register with citizens, a sealed and an open poll, a signer."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import insert, literal, select, text

from polls.authoring import create_draft, schedule_poll
from polls.catalogue import SealedPoll, sealed_poll
from polls.checkpoint import BoardSealer
from polls.definition import Definition
from polls.journal import record_event
from polls.register import TerritoryRow, load_territories
from polls.sessions import Session
from polls.tables import citizen, citizen_period, territory
from polls.tables import poll as poll_table

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
AUTHOR = 1

CITY = [
    TerritoryRow("msk", "city", "", "Москва", "Moscow"),
    TerritoryRow("msk-cao", "okrug", "msk", "Центральный округ", "Central Okrug", "ЦАО", "CAO", 2, 1),
    TerritoryRow("msk-sao", "okrug", "msk", "Северный округ", "Northern Okrug", "САО", "SAO", 2, 0),
    TerritoryRow("msk-cao-arbat", "district", "msk-cao", "Арбат", "Arbat"),
    TerritoryRow("msk-cao-basmanny", "district", "msk-cao", "Басманный", "Basmanny"),
    TerritoryRow("msk-sao-timiryazevsky", "district", "msk-sao", "Тимирязевский", "Timiryazevsky"),
]


class ASigner:
    """An Ed25519 key of a test's own."""

    def __init__(self) -> None:
        self.private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"a test's signer").digest())
        self.public = self.private.public_key()
        self.public_bytes = self.public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key_id = hashlib.sha256(self.public_bytes).hexdigest()[:8]

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message)


SEALER = BoardSealer("127.0.0.1:8000", ASigner(), "veche test")
"""What tests count polls with."""


def a_key() -> bytes:
    """A voter's K."""
    return secrets.token_bytes(16)


def both(ru: str, en: str = "") -> dict[str, str]:
    return {"ru": ru, "en": en or ru}


def an_option(option_id: int, ru: str = "", **more: Any) -> dict[str, Any]:
    return {"id": option_id, "text": both(ru or f"Вариант {option_id}", f"Option {option_id}"), **more}


def a_single_choice(question_id: int = 1, options: int = 3, **more: Any) -> dict[str, Any]:
    """Options 1..n and the neutral option 90."""
    listed = [an_option(i) for i in range(1, options + 1)]
    listed.append(an_option(90, "Затрудняюсь ответить", kind="neutral"))
    return {"kind": "single_choice", "id": question_id, "text": both("Что построить?", "What to build?"),
            "options": listed, **more}  # fmt: skip


def a_multiple_choice(question_id: int = 2, **more: Any) -> dict[str, Any]:
    return {"kind": "multiple_choice", "id": question_id, "text": both("Что ещё?", "What else?"), "max_choices": 2,
            "options": [an_option(i) for i in range(1, 5)], **more}  # fmt: skip


def a_rating(question_id: int = 3, **more: Any) -> dict[str, Any]:
    return {"kind": "rating", "id": question_id, "text": both("Оцените площадки", "Rate the venues"),
            "options": [an_option(1), an_option(2)], **more}  # fmt: skip


def a_budget(question_id: int = 4, **more: Any) -> dict[str, Any]:
    return {"kind": "budget", "id": question_id, "text": both("На что потратить?", "What to spend on?"),
            "options": [an_option(i, cost=i * 1_000_000_00) for i in range(1, 5)],
            "rule": {"method": "greedy", "budget": 5_000_000_00}, **more}  # fmt: skip


def a_definition(**more: Any) -> Definition:
    """One single-choice question for adults of the city, open for a week from an hour before NOW; override freely."""
    opens = more.pop("opens_at", NOW - timedelta(hours=1))
    closes = more.pop("closes_at", NOW + timedelta(days=7))
    values: dict[str, Any] = {
        "poll_id": secrets.token_hex(16),
        "title": both("Каким будет сквер?", "What will the square be like?"),
        "territory": "msk",
        "questions": [a_single_choice()],
        "audience": {"op": "all", "of": [{"op": "age", "at_least": 18}, {"op": "territory", "codes": ["msk"]}]},
        "opens_at": opens,
        "closes_at": closes,
        **more,
    }
    return Definition.model_validate(values)


async def a_city(session: Session) -> None:
    """The territories of a small city: two okrugs, three districts."""
    await load_territories(session, CITY)


async def a_citizen(
    session: Session, *, district: str = "msk-cao-arbat", born: date | None = date(1990, 5, 17), sex: str | None = "f",
    level: int = 2, groups: Sequence[int] = (), since: datetime = datetime(2020, 1, 1, tzinfo=UTC),
    register_code: str = "city",
) -> int:  # fmt: skip
    """A register entry with one period that still lasts; returns its id."""
    entry = {"birth_date": born, "sex": sex, "registered_at": since, "register_code": register_code}
    made = insert(citizen).values(entry).returning(citizen.c.id).cte("made")
    period = {"citizen_id": made.c.id, "district_id": territory.c.id, "valid_from": literal(since),
              "level": literal(level), "groups": literal(list(groups), citizen_period.c.groups.type)}  # fmt: skip
    there = select(*period.values()).select_from(made.join(territory, territory.c.code == district))
    found = await session.scalar(
        insert(citizen_period).from_select(list(period), there).returning(citizen_period.c.citizen_id)
    )
    assert found is not None, f"there is no {district}"
    return int(found)


async def a_sealed_poll(session: Session, definition: Definition | None = None) -> SealedPoll:
    """A poll sealed at NOW as it stands, whatever its times are (the checklist has tests of its own)."""
    definition = definition or a_definition()
    draft = await create_draft(session, AUTHOR, definition, NOW)
    await schedule_poll(session, draft.public_id, AUTHOR, draft.revision, NOW, unchecked=True)
    return await sealed_poll(session, draft.public_id)


async def an_open_poll(session: Session, **more: Any) -> SealedPoll:
    """A sealed poll that is open by the database's own clock: for a day and a half, which is far from any whole day."""
    clock: datetime | None = await session.scalar(text("SELECT clock_timestamp()"))
    assert clock is not None
    more.setdefault("opens_at", (clock - timedelta(hours=1)).replace(microsecond=0))
    more.setdefault("closes_at", (clock + timedelta(hours=36)).replace(microsecond=0))
    return await a_sealed_poll(session, a_definition(**more))


async def copies_of(session: Session, poll: SealedPoll, n: int, topic: str = "other") -> list[int]:
    """So many more rows of a sealed poll, for lists; nothing but the row: no document, no ballots. Gives their ids."""
    own = ("id", "public_id", "slug", "topic")
    kept = [column.name for column in poll_table.c if column.name not in own and column.computed is None]
    rows = await session.execute(
        text(
            f"INSERT INTO poll (public_id, slug, topic, {', '.join(kept)})"
            f" SELECT md5(public_id || g), slug || '-' || g, :topic, {', '.join(kept)}"
            " FROM poll, generate_series(1, :n) g WHERE id = :poll RETURNING id"
        ),
        {"n": n, "poll": poll.id, "topic": topic},
    )
    return list(rows.scalars())


async def mark_cancelled(session: Session, poll_id: int) -> None:
    """Call a poll cancelled, event first as the database demands; whatever its clock, and its ballots stay."""
    await record_event(session, "poll_cancelled", poll_id, NOW, by=AUTHOR, reason="cancelled", ballots_destroyed=0)
    await session.execute(text("UPDATE poll SET state = 'cancelled' WHERE id = :poll"), {"poll": poll_id})


async def close_now(session: Session, poll: SealedPoll) -> SealedPoll:
    """Move the closing time to this moment, as an early close does."""
    await session.execute(text("UPDATE poll SET closes_at = clock_timestamp() WHERE id = :poll"), {"poll": poll.id})
    return await sealed_poll(session, poll.public_id)
