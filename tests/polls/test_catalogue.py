"""Lists of polls: phases by the clock, scopes, cursors, own votes."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text
from tests.builders import (
    AUTHOR,
    NOW,
    ASigner,
    a_citizen,
    a_city,
    a_definition,
    a_key,
    a_sealed_poll,
    a_single_choice,
    an_open_poll,
    an_option,
    both,
)

from polls.authoring import cancel_poll, create_draft
from polls.casting import cast_ballot
from polls.catalogue import (
    Narrowing,
    Phase,
    Scope,
    cast_counts,
    count_polls,
    facets,
    list_polls,
    my_votes,
    number_found,
    participation_day,
)
from polls.sessions import Session

HOUR = timedelta(hours=1)


async def test_phases_follow_the_clock(session: Session) -> None:
    await a_city(session)
    await a_sealed_poll(session, a_definition(title=both("идёт")))
    await a_sealed_poll(session, a_definition(title=both("скоро"), opens_at=NOW + HOUR))
    await a_sealed_poll(session, a_definition(title=both("был"), opens_at=NOW - 9 * HOUR, closes_at=NOW - HOUR))
    for phase, title in [(Phase.OPEN, "идёт"), (Phase.SOON, "скоро"), (Phase.ENDED, "был")]:
        page = await list_polls(session, NOW, phase)
        assert [card.title_ru for card in page.cards] == [title]


async def test_a_cursor_walks_the_whole_list_once(session: Session) -> None:
    await a_city(session)
    for hour in range(7):
        await a_sealed_poll(session, a_definition(title=both(f"{hour}"), closes_at=NOW + (1 + hour // 2) * HOUR))
    seen, cursor = [], None
    while True:
        page = await list_polls(session, NOW, Phase.OPEN, cursor=cursor, limit=2)
        seen += [card.title_ru for card in page.cards]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [str(hour) for hour in range(7)]
    for nonsense in ("x", "1-", "-1", "9" * 40 + "-1", "1-" + "9" * 40):
        assert len((await list_polls(session, NOW, Phase.OPEN, cursor=nonsense)).cards) <= 7


async def test_scopes_and_filters(session: Session) -> None:
    await a_city(session)
    now = datetime.now(UTC)
    citizen = await a_citizen(session)
    path = ["msk", "msk-cao", "msk-cao-arbat"]
    mine = await an_open_poll(session, territory="msk-cao-arbat", topic="parks", title=both("Сквер 100%_", "Square"))
    await an_open_poll(session, territory="msk-sao-timiryazevsky", topic="transport", title=both("Трамвай", "Tram"))
    await cast_ballot(session, mine, citizen, {"1": 1}, a_key(), ASigner(), now)

    async def titles(**filters: object) -> list[str]:
        page = await list_polls(session, now, Phase.OPEN, Narrowing(citizen_id=citizen, **filters))  # type: ignore[arg-type]
        return [card.title_ru for card in page.cards]

    assert await titles(scope=Scope.MINE, territories=path) == ["Сквер 100%_"]
    assert await titles(scope=Scope.NEW) == ["Трамвай"]
    assert await titles(topic="parks") == ["Сквер 100%_"]
    assert await titles(words="tram") == ["Трамвай"]
    assert await titles(words="%_") == ["Сквер 100%_"], "wildcards are plain characters"
    assert await titles(words="'; DROP TABLE poll; --") == []
    counts = await count_polls(session, now, Phase.OPEN, citizen_id=citizen, territories=path)
    assert counts == {Scope.ALL: 2, Scope.MINE: 1, Scope.NEW: 1}
    assert await cast_counts(session, [mine.id]) == {mine.id: 1}
    [vote] = await my_votes(session, citizen, now)
    assert vote.voted_on == await participation_day(session, mine.id, citizen) is not None


async def titles_found(session: Session, phase: Phase = Phase.OPEN, **narrowed: Any) -> list[str]:
    page = await list_polls(session, NOW, phase, Narrowing(**narrowed), limit=100)
    assert await number_found(session, NOW, phase, Narrowing(**narrowed)) == len(page.cards)
    return [card.title_ru for card in page.cards]


async def test_words_are_found_in_their_forms_and_in_every_part_of_the_poll(session: Session) -> None:
    await a_city(session)
    option = an_option(1, text=both("Велодорожка вдоль набережной", "A cycle path along the embankment"))
    square = a_definition(
        title=both("Каким будет сквер?", "What will the square be like?"),
        summary=both("Выбираем деревья для сквера на Арбате.", "Choosing trees."),
        questions=[{**a_single_choice(), "options": [option, an_option(2)]}],
    )
    await a_sealed_poll(session, square)
    await a_sealed_poll(session, a_definition(title=both("Новый трамвай", "A new tram")))
    for words in (
        "скверы",
        "сквера",
        "деревом",
        "ВЕЛОДОРОЖКИ",
        "trees",
        "cycling path",
        "скве",
        "набережн",
    ):
        assert await titles_found(session, words=words) == ["Каким будет сквер?"], words
    for words in ("трамваи", "trams", "новый трам", "tra"):
        assert await titles_found(session, words=words) == ["Новый трамвай"], words
    for words in ("метро", "сквер трамвай", "zz:* | qq", "' OR zz=zz --", "!!!", "&|!()<->:*", "\\"):
        assert await titles_found(session, words=words) == [], words
    assert len(await titles_found(session, words="  ")) == 2


async def test_a_list_is_narrowed_by_territory_with_its_parts_and_by_year(session: Session) -> None:
    await a_city(session)
    hour = timedelta(hours=1)
    new_year = datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Moscow"))
    for place, title, closes in [
        ("msk-cao-arbat", "Арбат", new_year - hour), ("msk-cao", "ЦАО", new_year + hour), ("msk", "город", new_year),
    ]:  # fmt: skip
        await a_sealed_poll(
            session, a_definition(territory=place, title=both(title), opens_at=closes - hour, closes_at=closes)
        )
    assert await titles_found(session, Phase.ENDED, within="msk-cao") == ["ЦАО", "Арбат"]
    assert await titles_found(session, Phase.ENDED, within="msk") == ["ЦАО", "город", "Арбат"]
    assert await titles_found(session, Phase.ENDED, within="nowhere") == []
    assert await titles_found(session, Phase.ENDED, year=2026) == ["ЦАО", "город"]
    assert await titles_found(session, Phase.ENDED, year=2025, within="msk-cao") == ["Арбат"]
    found = await facets(session, NOW, Phase.ENDED)
    assert found.years == {2026: 2, 2025: 1}
    assert found.territories == {"msk-cao-arbat": 1, "msk-cao": 1, "msk": 1}
    assert found.topics == {"other": 3}


async def test_cancelled_polls_stay_findable_and_drafts_never_are(session: Session) -> None:
    await a_city(session)
    poll = await a_sealed_poll(session, a_definition(title=both("отменено")))
    draft = await create_draft(session, AUTHOR, a_definition(title=both("черновик")), NOW)
    for public_id in (poll.public_id, draft.public_id):
        await cancel_poll(session, public_id, AUTHOR, "Дублирует другое.", NOW)
    assert await titles_found(session, Phase.CANCELLED) == ["отменено"]
    assert await titles_found(session, words="черновик") == []


async def test_an_archive_of_seven_thousand_polls_is_listed_and_searched_quickly(session: Session) -> None:
    """Lists read no document: a page of the archive takes about as long as the database's own plan for it."""
    await a_city(session)
    first = await a_sealed_poll(
        session, a_definition(title=both("Сквер 0"), opens_at=NOW - 9 * HOUR, closes_at=NOW - HOUR)
    )
    await session.execute(
        text(
            "INSERT INTO poll (public_id, slug, state, title_ru, topic, author_id, opens_at, closes_at, sealed_at,"
            " poll_hash, territory_id, card, search)"
            " SELECT md5(n::text), 'poll-' || n, 'counted', 'Сквер ' || n, 'parks', 1, p.opens_at - n * interval '12h',"
            " p.closes_at - n * interval '12h', p.sealed_at, p.poll_hash, p.territory_id, p.card,"
            " to_tsvector('russian', 'Сквер ' || n || ' ' || repeat('деревья и дорожки ' || n || ' ', 50))"
            " FROM poll p, generate_series(1, 7000) AS n WHERE p.id = :first"
        ),
        {"first": first.id},
    )
    await session.execute(text("ANALYZE poll"))
    seen = 0
    for narrowing in (Narrowing(), Narrowing(words="дорожка 6543"), Narrowing(within="msk", year=2020)):
        began = time.perf_counter()
        page = await list_polls(session, NOW, Phase.ENDED, narrowing)
        total = await number_found(session, NOW, Phase.ENDED, narrowing)
        assert time.perf_counter() - began < 1, "a hundred times what it takes, for a machine under load"
        assert len(page.cards) == min(total, 24)
        seen += total
    assert seen > 7_001 + 1 + 600
