"""Pages remembered for many readers: nothing of anybody's is handed to another, and nothing is older than it may be."""

import asyncio
import gzip
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import text
from tests.builders import SEALER, a_citizen, a_city, a_key, an_open_poll, both, close_now
from tests.flows.pages import Resident
from tests.sites import Clock, add_account, fast_passwords, site_settings

from polls.casting import cast_ballot
from polls.catalogue import SealedPoll
from polls.counting import count_poll
from polls.definition import Text
from polls.journal import record_event
from results.decisions import Status, record_decision
from voting import remembering
from voting.app import create_app
from voting.db import Database
from voting.gathering import Gatherer
from voting.remembering import Pulse, Shelf
from voting.secrets import receipt_signer
from voting.web.frames import Frame, hole

TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


def real_now() -> datetime:
    return datetime.now(UTC)


class Town:
    def __init__(self, database: Database, tmp_path: Path) -> None:
        self.database = database
        self.clock = Clock(real_now())
        self.settings = site_settings(tmp_path)
        self.app = create_app(self.settings, database=database, passwords=fast_passwords(), clock=self.clock)
        self.signer = receipt_signer(self.settings)
        self.residents: dict[str, int] = {}

    async def add(self, name: str, district: str = "msk-cao-arbat") -> Resident:
        async with self.database.open_session() as session:
            self.residents[name] = await a_citizen(session, district=district)
        account = await add_account(self.database, f"{name}@city.test", "resident", citizen_id=self.residents[name])
        async with self.database.open_session() as session:
            await session.execute(
                text("UPDATE account SET display_name = :name WHERE id = :id"), {"name": f"Name{name}", "id": account}
            )
        return await Resident(self.app).sign_in(f"{name}@city.test")

    async def poll(self, **more: object) -> SealedPoll:
        async with self.database.open_session() as session:
            return await an_open_poll(session, **more)

    async def cast(self, poll: SealedPoll, name: str) -> None:
        """As another process does: this one hears nothing of it."""
        async with self.database.open_session() as session:
            await cast_ballot(session, poll, self.residents[name], {"1": 1}, a_key(), self.signer, real_now())


@pytest.fixture
async def town(fresh_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    monkeypatch.setattr(remembering, "time", SimpleNamespace(monotonic=lambda: 0.0))  # the town's clock alone goes on
    async with fresh_database.open_session() as session:
        await a_city(session)
    return Town(fresh_database, tmp_path)


async def test_no_reader_gets_anything_of_another(town: Town) -> None:
    """Many at once, on the same few pages: each reply holds its own name and a token that only its session takes."""
    polls = [await town.poll(title=both("Сквер", "Square")), await town.poll(title=both("Мост", "Bridge"))]
    names = ["ann", "bob", "eve", "kim"]
    browsers = {name: await town.add(name) for name in names}
    await town.cast(polls[0], "ann")
    await town.cast(polls[1], "bob")
    paths = ["/", "/results", "/decisions", *(f"/polls/{poll.slug}" for poll in polls)]

    async def look(name: str, path: str) -> tuple[str, str, str]:
        return name, path, (await browsers[name].http.get(path)).text

    wanted = [(name, path) for _ in range(3) for path in paths for name in names]
    tokens: dict[str, list[str]] = {name: [] for name in names}
    for name, path, shown in await asyncio.gather(*(look(*pair) for pair in wanted)):
        assert f"Name{name}" in shown
        assert not [other for other in names if other != name and f"Name{other}" in shown]
        assert "\0" not in shown
        tokens[name] += TOKEN.findall(shown)
        if path == "/":
            marked = (
                shown.count("You have voted</span>") if "You have voted</span>" in shown else shown.count("chip done")
            )
            assert marked == (1 if name in ("ann", "bob") else 0), name
        if path.endswith(polls[0].slug):
            assert ("chip done" in shown) == (name == "ann")
    everyone = [token for found in tokens.values() for token in found]
    assert len(set(everyone)) == len(everyone) > 20  # masked anew for each reply
    for name in names:
        other = names[names.index(name) - 1]
        theirs = await browsers[name].http.post("/sign-out", data={"csrf_token": tokens[other][0]})
        assert theirs.status_code == 403
    left = await browsers["ann"].http.post("/sign-out", data={"csrf_token": tokens["ann"][0]})
    assert left.status_code == 303
    after = (await browsers["ann"].http.get("/")).text
    assert "Nameann" not in after
    assert "csrf_token" not in after


async def test_a_vote_shows_on_the_next_page_though_another_process_took_it(town: Town) -> None:
    poll = await town.poll()
    anna = await town.add("anna")
    before = await anna.get("/")
    assert "1 poll is waiting for your vote" in before.words
    assert "You may vote" in (await anna.get(f"/polls/{poll.slug}")).words
    await town.cast(poll, "anna")
    assert "You have voted in every open poll" in (await anna.get("/")).words
    assert "chip done" in (await anna.get("/?show=mine")).html
    assert "You voted on" in (await anna.get(f"/polls/{poll.slug}")).words
    assert "Nothing here yet" in (await anna.get("/?show=new")).words


async def test_the_marks_and_numbers_of_a_district(town: Town) -> None:
    await town.poll()
    await town.poll(territory="msk-sao-timiryazevsky", title=both("Двор", "Yard"))
    near, far = await town.add("near", "msk-sao-timiryazevsky"), await town.add("far", "msk-cao-arbat")
    assert "My district 2" in " ".join((await near.get("/")).words.split())
    assert "My district 1" in " ".join((await far.get("/")).words.split())
    assert "Yard" in (await near.get("/?show=mine")).words
    assert "Yard" not in (await far.get("/?show=mine")).words


async def test_a_closing_time_shows_within_a_second_of_the_clock(town: Town) -> None:
    closes = (town.clock.now + timedelta(minutes=5)).replace(microsecond=0)
    poll = await town.poll(closes_at=closes)
    visitor, anna = Resident(town.app), await town.add("anna")
    for reader in (visitor, anna):
        assert (
            "Voting is open until" in (page := await reader.get(f"/polls/{poll.slug}")).words or "You may" in page.words
        )
        assert poll.slug in (await reader.get("/")).html
    town.clock.now = closes + timedelta(seconds=1.1)
    for reader in (visitor, anna):
        assert "being counted" in (await reader.get(f"/polls/{poll.slug}")).words
        assert poll.slug not in (await reader.get("/")).html


async def test_an_event_by_another_process_shows_at_once_to_whoever_is_signed_in(town: Town) -> None:
    poll = await town.poll()
    anna = await town.add("anna")
    results = await anna.get(f"/polls/{poll.slug}/results")
    assert "shown after the poll closes" in results.words
    await town.cast(poll, "anna")
    async with town.database.open_session() as session:
        await close_now(session, poll)
        await count_poll(session, poll.public_id, real_now(), SEALER)
    town.clock.now = real_now()
    await anna.get("/")  # reads what is personal, and hears of the event with it
    assert "shown after the poll closes" not in (await anna.get(f"/polls/{poll.slug}/results")).words


async def test_a_reply_is_remembered_with_its_tag_for_a_second(town: Town) -> None:
    poll = await town.poll(title=both("Сквер", "Square"))
    visitor = Resident(town.app)
    for path in ("/", f"/polls/{poll.slug}", f"/polls/{poll.slug}/results", "/results", "/decisions"):
        first = await visitor.http.get(path)
        assert (first.status_code, first.headers["cache-control"]) == (200, "no-cache"), path
        again = await visitor.http.get(path)
        assert (again.text, again.headers["etag"]) == (first.text, first.headers["etag"])
        assert again.headers["x-request-id"] != first.headers["x-request-id"]
        same = await visitor.http.get(path, headers={"if-none-match": first.headers["etag"]})
        assert (same.status_code, same.content) == (304, b"")
        for name in ("vary", "etag", "content-security-policy", "cache-control"):
            assert same.headers[name] == first.headers[name]
        assert "content-type" not in same.headers
        other = await visitor.http.get(path, headers={"if-none-match": '"another"'})
        assert other.status_code == 200
        head = await visitor.http.head(path)
        assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", first.headers["etag"])
    await town.poll(title=both("Новый", "Brand new"))  # by another process: this one looks once a second
    assert "Brand new" not in (await visitor.get("/")).words
    town.clock.go(seconds=1.1)
    assert "Brand new" in (await visitor.get("/")).words


async def test_pages_are_kept_apart_by_language_address_and_compression(town: Town) -> None:
    await town.poll(title=both("Сквер", "Square"))
    visitor = Resident(town.app)

    async def get(path: str = "/", **headers: str) -> str:
        return (await visitor.http.get(path, headers={k.replace("_", "-"): v for k, v in headers.items()})).text

    english, russian = await get(accept_language="en"), await get(accept_language="ru")
    assert ("Square" in english, "Square" in russian, "Сквер" in russian) == (True, False, True)
    assert await get(accept_language="en-GB,en;q=0.9,ru;q=0.1") == english
    assert "Nothing here yet" in await get("/?q=zzz", accept_language="en")
    assert "Square" in await get("/?q=squ", accept_language="en")
    plain = await visitor.http.get("/", headers={"accept-encoding": "identity"})
    packed = await visitor.http.get("/", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == plain.text
    assert packed.headers["etag"] != plain.headers["etag"]
    switched = await visitor.http.get("/?lang=ru")
    assert "lang=ru" in switched.headers["set-cookie"]
    assert "etag" not in switched.headers
    assert "Сквер" in (await visitor.http.get("/")).text


async def test_a_page_made_anew_keeps_its_tag_while_nothing_in_it_changes(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    await town.poll()
    visitor = Resident(town.app)
    tags = set()
    for moment in (1_000_000, 2_000_000):
        monkeypatch.setattr(gzip, "time", SimpleNamespace(time=lambda moment=moment: moment))
        tags.add((await visitor.http.get("/", headers={"accept-encoding": "gzip"})).headers["etag"])
        town.clock.go(seconds=5)
    assert len(tags) == 1


async def test_nothing_personal_or_broken_is_remembered(town: Town) -> None:
    poll = await town.poll()
    anna = await town.add("anna")
    for path in ("/", f"/polls/{poll.slug}", f"/polls/{poll.slug}/vote", "/account", "/my-votes"):
        reply = await anna.http.get(path)
        assert reply.headers["cache-control"] == "no-store", path
        assert "etag" not in reply.headers
    visitor = Resident(town.app)
    for path in ("/polls/never-was", "/sign-in", "/no-such-page"):
        assert "etag" not in (await visitor.http.get(path)).headers, path


ODD = [
    [("cookie", "lang=en; lang=ru")],
    [("cookie", 'lang="en"'), ("accept-language", "ru")],
    [("cookie", "lang=%65n"), ("accept-language", "ru")],
    [("accept-language", "en"), ("accept-language", "ru")],
    [("accept-language", "ru"), ("accept-language", "en")],
    [("accept-encoding", "gzip"), ("accept-encoding", "identity")],
    [("accept-encoding", "identity"), ("accept-encoding", "gzip")],
    [("accept-encoding", "gzip;q=0")],
    [("accept-encoding", "identity, gzip ; q=0.00, br")],
    [("accept-encoding", "GZIP;q=0.5")],
]
PLAIN = [
    {"accept-language": language, "accept-encoding": encoding, **cookie}
    for language in ("ru", "en")
    for encoding in ("identity", "gzip")
    for cookie in ({}, {"cookie": "lang=en"}, {"cookie": "lang=ru"})
]


async def test_what_one_visitor_sends_oddly_is_not_kept_for_another(town: Town) -> None:
    poll = await town.poll()
    path = f"/polls/{poll.slug}"

    async def what(headers: object) -> tuple[str, str | None]:
        reply = await Resident(town.app).http.get(path, headers=headers)  # type: ignore[arg-type]
        assert reply.status_code == 200
        return reply.headers["content-language"], reply.headers.get("content-encoding")

    for odd in ODD:
        town.clock.go(seconds=5)
        town.app.state["pulse"].forget()
        told = await what(odd)
        if any("q=0" in value and "q=0.5" not in value for _, value in odd):
            assert told[1] is None, odd
        for plain in PLAIN:
            wanted = plain.get("cookie", "lang=" + plain["accept-language"]).removeprefix("lang=")
            assert await what(plain) == (wanted, "gzip" if plain["accept-encoding"] == "gzip" else None), odd
            assert await what(odd) == told


async def test_a_process_forgets_what_an_official_changed_and_nothing_else(town: Town) -> None:
    poll = await town.poll()
    await add_account(town.database, "office@city.test", "official")
    visitor, anna, official = Resident(town.app), await town.add("anna"), Resident(town.app)
    pulse = town.app.state["pulse"]
    before = pulse.beat[0]

    async def token(who: Resident) -> str:
        return TOKEN.findall((await who.get("/account")).html)[0]

    assert (await visitor.http.post("/sign-in")).status_code == 403
    assert (await visitor.http.post("/api/v1/session")).status_code == 415
    assert (await visitor.http.post("/account")).status_code == 405
    assert (await visitor.http.post("/no-such-page")).status_code == 404
    await official.sign_in("office@city.test")
    await anna.http.post("/account/sessions/end", data={"csrf_token": await token(anna)})
    form = {"csrf_token": await token(anna)}
    assert (await anna.http.post(f"/polls/{poll.slug}/vote", data=form)).status_code < 500
    assert (await anna.http.post(f"/officials/polls/{poll.public_id}/erratum", data=form)).status_code == 403
    assert (await anna.http.post("/sign-out", data=form)).status_code == 303
    form = {"csrf_token": await token(official), "text.ru": ""}
    assert (await official.http.post(f"/officials/polls/{poll.public_id}/erratum", data=form)).status_code == 422
    assert pulse.beat[0] == before
    first = (await visitor.get(f"/polls/{poll.slug}")).html
    form["text.ru"] = "Площадь 5 га."
    assert (await official.http.post(f"/officials/polls/{poll.public_id}/erratum", data=form)).status_code < 400
    assert pulse.beat[0] == before + 1
    assert "Площадь 5 га." not in first
    assert "Площадь 5 га." in (await visitor.get(f"/polls/{poll.slug}")).html


async def test_an_event_shows_within_a_second_to_whoever_is_no_resident(town: Town) -> None:
    poll = await town.poll()

    async def decide(words: str) -> None:
        async with town.database.open_session() as session:
            await record_decision(
                session, poll.slug, text=Text(ru=words), owner="Parks", status=Status.PLANNED, author_id=1,
                now=real_now(),
            )  # fmt: skip

    async with town.database.open_session() as session:
        await close_now(session, poll)
        await count_poll(session, poll.public_id, real_now(), SEALER)
    await decide("Думаем.")
    town.clock.now = real_now()
    await add_account(town.database, "office@city.test", "official")
    official = await Resident(town.app).sign_in("office@city.test")
    at = f"/polls/{poll.slug}/results"
    assert "Думаем." in (await official.get(at)).html
    await decide("Сделаем.")  # by another process; the state of the poll stays
    town.clock.go(seconds=1.1)
    assert "Сделаем." in (await official.get(at)).html


async def test_a_page_is_two_seconds_behind_a_vote_at_most(town: Town) -> None:
    """Though it is made of what is remembered itself: in the worst order, each part as old as it may be."""
    poll = await town.poll()
    anna, at = await town.add("anna"), f"/polls/{poll.slug}"
    await town.add("bob")
    visitor = Resident(town.app)
    start = town.clock.now
    await visitor.http.get(at, headers={"accept-language": "ru"})
    await town.cast(poll, "bob")
    for after, encoding in ((0.9, "gzip"), (1.8, "identity")):
        town.clock.now = start + timedelta(seconds=after)
        await visitor.http.get(at, headers={"accept-encoding": encoding})
        await anna.http.get(at)
    town.clock.now = start + timedelta(seconds=2.1)
    for reader in (visitor, anna):
        assert "1 vote so far" in (await reader.http.get(at, headers={"accept-encoding": "identity"})).text


async def test_an_event_that_commits_after_a_later_one_is_noticed(town: Town) -> None:
    pulse = town.app.state["pulse"]
    async with town.database.open_session() as slow:
        await record_event(slow, "erratum_added", None, real_now(), text="slow")
        async with town.database.open_session() as quick:
            await record_event(quick, "erratum_added", None, real_now(), text="quick")
        first = await pulse.read()
        town.clock.go(seconds=1.1)
        assert await pulse.read() == first
    town.clock.go(seconds=1.1)
    second = await pulse.read()
    assert second != first
    pulse.heard(first[1])  # by whoever read it before, and tells it late
    assert pulse.beat == second


# ---- the parts


async def test_a_shelf_drops_the_longest_unused_and_makes_one_at_a_time(shared_database: Database) -> None:
    clock = Clock()
    pulse = Pulse(shared_database, clock)
    shelf = Shelf(pulse, clock, most_bytes=100)
    made: list[str] = []

    async def make(name: str) -> str:
        await asyncio.sleep(0.01)
        made.append(name)
        return name * 40

    got = await asyncio.gather(*(shelf.get("a", lambda: make("a"), size=len) for _ in range(5)))
    assert (got, made) == (["a" * 40] * 5, ["a"])
    await shelf.get("b", lambda: make("b"), size=len)
    assert shelf.find("a") is not None
    await shelf.get("c", lambda: make("c"), size=len)  # 120 bytes: b was unused for the longest
    assert (shelf.find("a"), shelf.find("b")) == ("a" * 40, None)
    await shelf.get("huge", lambda: make("hugehuge"), size=len)
    assert shelf.find("huge") is None
    pulse.forget()
    assert shelf.find("a") is None


async def test_what_was_read_before_a_forgetting_is_not_kept(shared_database: Database) -> None:
    clock = Clock()
    pulse = Pulse(shared_database, clock)
    shelf = Shelf(pulse, clock)
    going = asyncio.Event()

    async def old() -> str:
        await going.wait()
        return "old"

    async def new() -> str:
        return "new"

    first = asyncio.create_task(shelf.get("key", old))
    await asyncio.sleep(0)
    pulse.forget()
    assert await shelf.get("key", new) == "new"
    going.set()
    assert await first == "old"
    assert shelf.find("key") == "new"


async def test_a_failure_to_make_is_told_to_all_and_not_kept(shared_database: Database) -> None:
    clock = Clock()
    shelf = Shelf(Pulse(shared_database, clock), clock)

    async def fail() -> str:
        raise LookupError

    for found in await asyncio.gather(*(shelf.get("key", fail) for _ in range(3)), return_exceptions=True):
        assert isinstance(found, LookupError)

    async def work() -> str:
        return "well"

    assert await shelf.get("key", work) == "well"


async def test_readers_share_a_query_that_began_after_they_asked() -> None:
    asked: list[list[int]] = []

    async def fetch(keys: Sequence[int]) -> dict[int, int]:
        asked.append(list(keys))
        await asyncio.sleep(0.01)
        if 13 in keys:
            raise LookupError
        return {key: key * 10 for key in keys if key != 7}

    gatherer: Gatherer[int, int] = Gatherer(fetch)
    first = asyncio.create_task(gatherer.get(1))
    await asyncio.sleep(0.005)
    rest = await asyncio.gather(*(gatherer.get(key) for key in (1, 2, 2, 7)))
    assert (await first, rest) == (10, [10, 20, 20, None])
    assert asked == [[1], [1, 2, 7]]
    with pytest.raises(LookupError):
        await gatherer.get(13)
    gone = asyncio.create_task(gatherer.get(5))
    await asyncio.sleep(0)
    gone.cancel()
    assert await gatherer.get(6) == 60


async def test_the_next_query_runs_while_those_of_the_last_are_served() -> None:
    told: list[object] = []

    async def fetch(keys: Sequence[int]) -> dict[int, int]:
        told.append(list(keys))
        await asyncio.sleep(0.01)
        return {key: key for key in keys}

    gatherer: Gatherer[int, int] = Gatherer(fetch)

    async def read(key: int, after: float) -> None:
        await asyncio.sleep(after)
        told.append(await gatherer.get(key))

    await asyncio.gather(read(1, 0), read(2, 0), read(3, 0.005))
    assert told == [[1, 2], [3], 1, 2, 3]


def test_a_frame_is_filled_and_refuses_an_unknown_hole() -> None:
    frame = Frame.of(f"<p>{hole('name')}, {hole('n:all')}</p>{hole('name')}")
    assert frame.fill({"name": b"<b>", "n:all": b"3"}) == b"<p><b>, 3</p><b>"
    with pytest.raises(KeyError):
        frame.fill({"name": b""})
