"""Lists of polls: phases by the clock, scopes, cursors, own votes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.builders import NOW, ASigner, a_citizen, a_city, a_definition, a_key, a_sealed_poll, an_open_poll, both

from polls.casting import cast_ballot
from polls.catalogue import Phase, Scope, cast_counts, count_polls, list_polls, my_votes, participation_day
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
        page = await list_polls(session, now, Phase.OPEN, citizen_id=citizen, **filters)  # type: ignore[arg-type]
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
