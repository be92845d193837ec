"""The city of the browser tests: territories, accounts, and polls in every state a page can show."""

from __future__ import annotations

import hashlib
import random
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from typing import Any, Final

from PIL import Image
from sqlalchemy import insert, select, text
from tests.builders import a_citizen, a_definition, an_option, both
from tests.results.counted import a_counted_poll, city_strata
from tests.results.every_rule import CASES
from tests.sites import fast_passwords

from polls.authoring import cancel_poll, close_early, create_draft, schedule_poll
from polls.ballot import encode_ballot
from polls.board_manifest import publish_manifest
from polls.board_tables import turnout_shard
from polls.casting import cast_ballot
from polls.catalogue import SealedPoll, cast_counts, sealed_poll
from polls.counting import count_poll, take_live_step, take_roll_of
from polls.definition import DEFAULT_AGE_BANDS, Definition, Text
from polls.identity import identity_key
from polls.register import territory_tree
from polls.sessions import Session
from polls.strata import SEXES, Stratum, age_index
from polls.tables import citizen, citizen_period, identity, participation
from results.decisions import Status, record_decision
from results.evidence import Role, add_evidence
from results.milestones import StepDraft, add_milestone, change_milestone
from results.protocol import certify_protocol, draft_protocol, prepare_protocol, sign_protocol
from results.protocol_document import Person
from voting.db import Database
from voting.demo_register import load_city
from voting.evidence_files import evidence_in, store_evidence
from voting.identity.accounts import create_account, normal_login
from voting.identity.city_sign_on.cases import open_case
from voting.identity.city_sign_on.entries import Claimed, Unclear
from voting.identity.demo import PASSWORD, create_demo_accounts
from voting.jobs import defer
from voting.keys import PROTOCOL, board_sealer, record_keys, signer
from voting.secrets import identity_secrets, receipt_signer
from voting.settings import Settings
from voting.tables import account

ARBAT: Final = "msk-cao-arbat"
BASMANNY: Final = "msk-cao-basmanny"
TIMIRYAZEVSKY: Final = "msk-sao-timiryazevsky"
DISTRICTS: Final = (ARBAT, BASMANNY, TIMIRYAZEVSKY)
ADULT: Final = date(1988, 4, 12)
OFFICIAL: Final = "official@demo.example"
ANALYST: Final = "analyst@demo.example"
ADMIN: Final = "admin@demo.example"
REVIEWER: Final = "reviewer@demo.example"
OPERATOR: Final = "operator@demo.example"
RESIDENT: Final = "resident@demo.example"
RULE_BALLOTS: Final = 150  # in the poll of every counting rule
NEIGHBOUR: Final = "neighbour@demo.example"


@dataclass
class City:
    """What was seeded, and the ways to add to it."""

    database: Database
    settings: Settings
    official_id: int
    password_hash: str
    slugs: dict[str, str] = field(default_factory=dict)
    """Addresses of the polls by what they are there for: `every_kind`, `counted`, `few`, `live`, and so on."""
    draft_id: str = ""

    async def resident(self, *, district: str = ARBAT, born: date = ADULT, level: int = 2) -> str:
        """A register entry with an account of its own; gives the login."""
        async with self.database.open_session() as session:
            citizen_id = await a_citizen(session, district=district, born=born, level=level)
        return await self.account_of(citizen_id)

    async def document(self) -> tuple[str, date]:
        """A register entry whose owner comes to a service centre; gives the number of the document and the birthday."""
        number = f"4510 {secrets.randbelow(900_000) + 100_000}"
        async with self.database.open_session() as session:
            citizen_id = await a_citizen(session, district=ARBAT, born=ADULT)
            for version, secret in identity_secrets(self.settings).items():
                key = identity_key(secret, "national_id", number)
                row = {"kind": "national_id", "key_version": version, "key": key, "citizen_id": citizen_id}
                await session.execute(insert(identity).values(**row))
        return number, ADULT

    async def case_of_somebody(self, kind: str) -> str:
        """Somebody whom the city's sign-on and the register do not agree on; gives the number of the case."""
        async with self.database.open_session() as session:
            one, two = [await a_citizen(session, born=ADULT) for _ in range(2)]
            clear = kind == "two_entries"
            unclear = Unclear(kind, one if clear else None, two if clear else None)  # type: ignore[arg-type]
            claimed = Claimed("city", ((1, secrets.token_bytes(32)),), ((1, secrets.token_bytes(32)),), None)
            return (await open_case(session, claimed, unclear, datetime.now(UTC))).reference

    async def account_of(self, citizen_id: int) -> str:
        """An account for a register entry; gives the login."""
        login = f"r{secrets.token_hex(5)}@city.example"
        async with self.database.open_session() as session:
            await create_account(
                session, login=normal_login(login), password_hash=self.password_hash, roles=("resident",),
                citizen_id=citizen_id, now=datetime.now(UTC),
            )  # fmt: skip
        return login

    async def open_poll(self, **more: Any) -> str:
        """One more open poll; gives its slug."""
        now = datetime.now(UTC)
        values = {"opens_at": now - timedelta(hours=1), "closes_at": now + timedelta(days=4), **more}
        async with self.database.open_session() as session:
            return (await self._sealed(session, a_definition(**values), now)).slug

    async def counted_poll(self) -> str:
        """One more poll of a few residents, counted, with nothing decided yet; gives its slug."""
        now, slug = datetime.now(UTC), f"few-{secrets.token_hex(4)}"
        await _counted(self, now, slug, 4, a_yard(now))
        return slug

    async def close(self, slug: str, reason: str = "Работы начинаются раньше срока.") -> None:
        """Close a poll as an official does."""
        async with self.database.open_session() as session:
            await close_early(session, await self.public_id(slug), self.official_id, reason, datetime.now(UTC))

    async def public_id(self, slug: str) -> str:
        """The id of a poll on the officials' desk."""
        async with self.database.open_read_session() as session:
            return (await sealed_poll(session, slug)).public_id

    async def cast(self, slug: str, answers: Mapping[str, Any], citizen_id: int | None = None) -> None:
        """One vote as the service takes it, without a browser: of somebody new in the Arbat unless told whose."""
        async with self.database.open_session() as session:
            voter = await a_citizen(session, district=ARBAT, born=ADULT) if citizen_id is None else citizen_id
            poll, signed_by = await sealed_poll(session, slug), receipt_signer(self.settings)
            await cast_ballot(session, poll, voter, answers, secrets.token_bytes(16), signed_by, datetime.now(UTC))

    async def hurry(self, job: str) -> None:
        """Have the worker do at once what it does at its next tick: the job is put in its queue as the tick puts it."""
        async with self.database.open_session() as session:
            await defer(session, job, queueing_lock=job)

    async def votes(self, slug: str) -> int:
        """How many residents have voted in a poll."""
        async with self.database.open_read_session() as session:
            found = await sealed_poll(session, slug)
            return (await cast_counts(session, [found.id])).get(found.id, 0)

    async def count_rows(self, sql: str, **values: Any) -> int:
        """What a counting query finds in the database."""
        async with self.database.open_read_session() as session:
            return int(await session.scalar(text(sql), values) or 0)

    async def draft(self, definition: Definition) -> str:
        """A draft of the official's; gives its public id."""
        async with self.database.open_session() as session:
            return (await create_draft(session, self.official_id, definition, datetime.now(UTC))).public_id

    async def _sealed(self, session: Session, definition: Definition, now: datetime, slug: str = "") -> SealedPoll:
        draft = await create_draft(session, self.official_id, definition, now, slug or None)
        await schedule_poll(session, draft.public_id, self.official_id, draft.revision, now, unchecked=True)
        return await sealed_poll(session, draft.public_id)


def every_kind(**more: Any) -> list[dict[str, Any]]:
    """A question of every kind; the second may be left blank, the budget has a limit for each ballot."""
    unsure = an_option(90, "Затрудняюсь ответить", kind="neutral") | {
        "text": both("Затрудняюсь ответить", "Hard to say")
    }
    return [
        {"kind": "single_choice", "id": 1, "text": both("Что важнее всего сделать во дворе?", "What matters most?"),
         "options": [
             an_option(1) | {"text": both("Деревья и тень", "Trees and shade"),
                             "description": both("Двадцать лип вдоль дорожек.", "Twenty limes along the paths.")},
             an_option(2) | {"text": both("Детская площадка", "A playground")},
             an_option(3) | {"text": both("Освещение дорожек", "Lit paths")},
             unsure,
         ]},
        {"kind": "multiple_choice", "id": 2, "text": both("Что ещё пригодится?", "What else is useful?"),
         "hint": both("Можно пропустить.", "May be left out."), "required": False, "max_choices": 2,
         "options": [
             an_option(1) | {"text": both("Скамейки", "Benches")},
             an_option(2) | {"text": both("Велопарковка", "Bicycle racks")},
             an_option(3) | {"text": both("Питьевой фонтан", "A drinking fountain")},
         ]},
        {"kind": "rating", "id": 3, "text": both("Оцените нынешние площадки", "Rate the present grounds"),
         "low_label": both("плохо", "bad"), "high_label": both("отлично", "excellent"),
         "options": [
             an_option(1) | {"text": both("Площадка у школы", "The ground by the school")},
             an_option(2) | {"text": both("Площадка у пруда", "The ground by the pond")},
             unsure,
         ]},
        {"kind": "budget", "id": 4, "text": both("На что потратить деньги двора?", "What to spend the money on?"),
         "ballot_limit": 5_000_000_00,
         "options": [
             an_option(1, cost=1_200_000_00) | {"text": both("Новые фонари", "New lamps")},
             an_option(2, cost=2_500_000_00) | {"text": both("Площадка для собак", "A dog run")},
             an_option(3, cost=4_000_000_00) | {"text": both("Спортивная площадка", "A sports ground")},
         ],
         "rule": {"method": "greedy", "budget": 6_000_000_00}},
    ]  # fmt: skip


async def a_poll_of_every_rule(city: City) -> str:
    """One counted poll with a question for every rule; gives its slug."""
    questions: list[dict[str, Any]] = []
    answers: list[list[str]] = []
    for number, (name, (content, counts)) in enumerate(CASES.items(), start=1):
        questions.append({**content, "id": number, "text": both(f"Вопрос: {name}", name)})
        each = [answer for answer, n in counts.items() for _ in range(n)]
        answers.append([*each, *["[]"] * (RULE_BALLOTS - len(each))])
    definition = a_definition(questions=questions, strata=["sex"])
    async with city.database.open_session() as session:
        strata = await city_strata(session)
        ballots = [
            (tuple(column[place] for column in answers), strata[place % len(strata)]) for place in range(RULE_BALLOTS)
        ]
        return (await a_counted_poll(session, definition, ballots)).slug


async def seed_city(database: Database, settings: Settings) -> City:
    """Load the territories, make the accounts and the polls."""
    now = datetime.now(UTC)
    passwords = fast_passwords()
    async with database.open_session() as session:
        await load_city(session)
        await record_keys(session, settings, now)
        citizens = {key: await a_citizen(session, born=ADULT) for key in ("resident", "neighbour")}
        await create_demo_accounts(session, settings, passwords, citizens=citizens, now=now)
        official = await session.scalar(select(account.c.id).where(account.c.email == OFFICIAL))
    assert official is not None
    city = City(database, settings, official, await passwords.hash(PASSWORD))
    passwords.close()
    await _add_polls(city, now)
    return city


def a_yard(now: datetime) -> dict[str, Any]:
    """A poll about a yard, open now, with a question of every kind."""
    return {"title": both("Каким будет наш двор?", "What will our yard be like?"),
            "summary": both("Четыре вопроса о дворе и его деньгах.", "Four questions about the yard and its money."),
            "topic": "environment", "questions": every_kind(), **open_around(now)}  # fmt: skip


def open_around(now: datetime) -> dict[str, datetime]:
    """Times of a poll that has been open for three days."""
    return {"opens_at": now - timedelta(days=3), "closes_at": now + timedelta(days=9)}


async def _add_polls(city: City, now: datetime) -> None:
    open_now, yard = open_around(now), a_yard(now)
    city.slugs["every_kind"] = await city.open_poll(**yard)
    for slug, residents in (("counted", 240), ("few", 4)):
        await _counted(city, now, slug, residents, yard)
    await _live(city, now, open_now)
    city.draft_id = await city.draft(a_definition(**yard | {"opens_at": now + timedelta(hours=2)}))
    later = {"opens_at": now + timedelta(days=2), "closes_at": now + timedelta(days=12)}
    city.slugs["soon"] = await city.open_poll(**later, title=both("Новый маршрут", "A new route"))
    city.slugs["cancelled"] = await city.open_poll(**open_now, title=both("Название улицы", "The name of a street"))
    async with city.database.open_session() as session:
        public_id = (await sealed_poll(session, city.slugs["cancelled"])).public_id
        await cancel_poll(session, public_id, city.official_id, "Название уже выбрано законом.", now)
        await record_decision(
            session, city.slugs["counted"], text=Text(ru="Посадим липы весной.", en="Limes are planted in spring."),
            owner="Управа района Арбат", status=Status.IN_PROGRESS, author_id=city.official_id, now=now,
            deadline=(now + timedelta(days=120)).date(),
        )  # fmt: skip
        await _steps(session, city, now)
    await _certify(city, city.slugs["counted"], datetime.now(UTC))


async def _certify(city: City, slug: str, now: datetime) -> None:
    """The protocol of a counted poll: prepared by the official, certified by the reviewer, signed, and corrected."""
    settings = city.settings
    async with city.database.open_session() as session:
        poll = await sealed_poll(session, slug)
        await publish_manifest(session, poll.public_id, board_sealer(settings), now)
        reviewer = await session.scalar(select(account.c.id).where(account.c.email == REVIEWER))
        assert reviewer is not None
        for reason in ("", "В первой версии не было решения о равенстве."):
            draft = await draft_protocol(session, slug, now)
            official = Person(city.official_id, "Ирина Лебедева", "Департамент транспорта", "official")
            waiting = await prepare_protocol(session, slug, official, draft.sha256, reason, now)
            second = Person(reviewer, "Олег Карпов", "Департамент транспорта", "reviewer")
            made = await certify_protocol(session, slug, second, waiting.sha256, now)
            await sign_protocol(session, made.id, signer(settings, PROTOCOL), now)


async def _steps(session: Session, city: City, now: datetime) -> None:
    """Two steps of the decision: one done, with pictures and a document, and one that was put off and is to come."""
    who: dict[str, Any] = {"author_id": city.official_id, "now": now}
    slug, today = city.slugs["counted"], now.date()
    buy, plant = Text(ru="Закупить липы", en="Buy the limes"), Text(ru="Посадить липы", en="Plant the limes")
    done = await add_milestone(session, slug, text=buy, planned_on=today, **who)
    coming = await add_milestone(session, slug, text=plant, planned_on=today + timedelta(days=60), **who)
    files = ((Role.BEFORE, a_picture("gray")), (Role.AFTER, a_picture("green")), (Role.DOCUMENT, b"%PDF-1.7\n%%EOF\n"))
    for role, data in files:
        stored = store_evidence(evidence_in(city.settings.data_dir), data)
        name = Text(ru="Двор и липы", en="The yard and the limes")
        await add_evidence(session, slug, done.id, file=stored, role=role, name=name, **who)
    said = StepDraft(buy, today, today - timedelta(days=1), outcome=Text(ru="Закуплено 40 лип.", en="40 limes bought."))
    await change_milestone(session, slug, done.id, said, **who)
    later = StepDraft(
        plant, today + timedelta(days=90), reason=Text(ru="Земля ещё мёрзлая.", en="The ground is frozen.")
    )
    await change_milestone(session, slug, coming.id, later, **who)


def a_picture(colour: str) -> bytes:
    """A small picture of one colour."""
    out = BytesIO()
    Image.new("RGB", (320, 180), colour).save(out, "PNG")
    return out.getvalue()


async def _counted(city: City, now: datetime, slug: str, residents: int, values: dict[str, Any]) -> None:
    """A poll in which so many residents have voted, over three days, and a third did not; closed and counted."""
    rng = random.Random(slug)
    definition = a_definition(**values)
    async with city.database.open_session() as session:
        poll = await city._sealed(session, definition, now, slug)
        people = await _people(session, residents * 3 // 2, rng)
        answers = [
            encode_ballot(definition, {
                "1": [rng.choices([1, 2, 3, 90], [50, 30, 15, 5])[0]],
                "2": sorted(rng.sample([1, 2, 3], rng.randint(0, 2))),
                "3": {"1": rng.randint(2, 5), "2": rng.randint(1, 4)},
                "4": rng.choice([[1], [1, 2], [3], [2]]),
            }).answers
            for _ in range(residents)
        ]  # fmt: skip
        days = [now.date() - timedelta(days=rng.randrange(3)) for _ in range(residents)]
        await _write_ballots(session, poll, people[:residents], answers, days)
        await take_roll_of(session, poll.public_id)  # of this poll alone: the site's worker takes those of the others
        await close_early(session, poll.public_id, city.official_id, "Все желающие успели.", now)
    async with city.database.open_session() as session:
        await count_poll(session, poll.public_id, datetime.now(UTC), board_sealer(city.settings))
    city.slugs[slug] = slug


async def _live(city: City, now: datetime, times: dict[str, Any]) -> None:
    """An open poll with live results and just over a thousand ballots."""
    values = {**times, "visibility": "live", "title": both("Автобус 38", "Bus 38"), "topic": "transport"}
    rng = random.Random(38)
    async with city.database.open_session() as session:
        poll = await city._sealed(session, a_definition(**values), now, "live")
        people = await _people(session, 1011, rng)
        answers = [(f"[{rng.choice([1, 1, 2, 3])}]",) for _ in people]
        await _write_ballots(session, poll, people[:1001], answers[:1001], [now.date()] * 1001)
        await take_live_step(session, poll, now)
        await _write_ballots(session, poll, people[1001:], answers[1001:], [now.date()] * 10)
    city.slugs["live"] = poll.slug


async def _people(session: Session, number: int, rng: random.Random) -> list[tuple[int, int]]:
    """So many register entries of the three districts; gives the id and the stratum of each."""
    since = datetime(2020, 1, 1, tzinfo=UTC)
    tree = await territory_tree(session)
    made = [
        (date(rng.choice([1955, 1975, 1990, 2003]), 6, 1), rng.choice("fm"), tree.by_code[rng.choice(DISTRICTS)].id)
        for _ in range(number)
    ]
    ids = (
        await session.scalars(
            insert(citizen).returning(citizen.c.id, sort_by_parameter_order=True),
            [{"birth_date": born, "sex": sex, "registered_at": since} for born, sex, _ in made],
        )
    ).all()
    await session.execute(
        insert(citizen_period),
        [{"citizen_id": one, "valid_from": since, "district_id": district, "level": 2, "groups": []}
         for one, (_, _, district) in zip(ids, made, strict=True)],
    )  # fmt: skip
    today = datetime.now(UTC).date()
    return [
        (one, Stratum(district, age_index(born, today, DEFAULT_AGE_BANDS), SEXES[sex]).code)
        for one, (born, sex, district) in zip(ids, made, strict=True)
    ]


async def _write_ballots(
    session: Session, poll: SealedPoll, people: Sequence[tuple[int, int]], answers: Sequence[tuple[str, ...]],
    days: Sequence[date],
) -> None:  # fmt: skip
    """Participations and ballots as casting writes them, in bulk and on the given days."""
    await session.execute(
        insert(participation),
        [{"poll_id": poll.id, "citizen_id": one, "day": day, "channel": "online"}
         for (one, _), day in zip(people, days, strict=True)],
    )  # fmt: skip
    await session.execute(insert(turnout_shard).values(poll_id=poll.id, shard=len(people) % 7, n=len(people)))
    await session.execute(
        text(f"INSERT INTO intake_{poll.id} (ballot_id, answers, style, stratum) VALUES (:id, :answers, 0, :stratum)"),
        [{"id": hashlib.sha256(str(one).encode()).digest()[:16], "answers": list(answer), "stratum": stratum}
         for (one, stratum), answer in zip(people, answers, strict=True)],
    )  # fmt: skip
