"""Boards on disk: the bytes of every size of tree, whole or absent whatever happens, and how outsiders find them."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs
from tests.builders import SEALER, ASigner, a_citizen, a_city, a_key, a_multiple_choice, a_single_choice, an_open_poll
from tests.flows.pages import Resident, a_site
from tests.sites import add_account, browser, fast_passwords, site_settings

import veche_verify as verifier
from polls.authoring import close_early
from polls.board import entry, leaf_hash
from polls.board_manifest import Manifest, publish_manifest
from polls.board_trees import Tree
from polls.casting import cast_ballot
from polls.catalogue import SealedPoll
from polls.counting import count_poll
from polls.journal import poll_events
from polls.tie_breaking import decide_tie
from polls.tlog import merkle_root, read_bundle, tiles_of
from voting import board_tries
from voting.app import create_app
from voting.board_files import (
    BoardDraft,
    BoardFault,
    BoardTexts,
    TreeFiles,
    add_manifests,
    boards_in,
    check_room,
    is_published,
)
from voting.board_jobs import board_differences, publish_board, publish_boards
from voting.board_tries import forget_others, is_due, note_failure, tries_of
from voting.db import Database
from voting.jobs import Work
from voting.keys import board_sealer, record_keys
from voting.registry_jobs import keep_the_registry
from voting.settings import Settings

POLL = "5f" * 16
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def entries(n: int) -> list[bytes]:
    made = [entry(bytes(32), 1, 0, "[1]", i.to_bytes(16, "big")) for i in range(n)]
    return sorted(made, key=leaf_hash)


def texts(records: list[bytes]) -> BoardTexts:
    root = merkle_root(map(leaf_hash, records))
    tree = Tree(1, len(records), root, SEALER.checkpoint(POLL, 1, len(records), root), "test")
    return BoardTexts(POLL, b"{}", {1: tree}, (Manifest(1, b"{}", "a board\nveche/manifest/v1\n1\n"),))


def write(boards: Path, records: list[bytes]) -> Path:
    with BoardDraft(boards, POLL) as draft:
        files = draft.tree(1)
        files.add(records)
        assert files.finish() == (len(records), texts(records).trees[1].root)
        draft.publish(texts(records))
    return boards / POLL


def paths(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}


BESIDE = {"definition.json", "manifest.json", "manifest.note", "manifest-1.json", "manifest-1.note", "q1/checkpoint"}


@pytest.mark.parametrize("n", [0, 1, 255, 256, 257, 512, 65_537])
def test_the_files_of_trees_of_every_size(tmp_path: Path, n: int) -> None:
    records = entries(n)
    directory = write(tmp_path, records)
    tiles = {f"q1/{tile.path}" for tile in tiles_of(n)}
    bundles = {path.replace("/tile/0/", "/tile/entries/") for path in tiles if "/tile/0/" in path}
    assert paths(directory) == BESIDE | tiles | bundles
    of_level_0 = [tile for tile in tiles_of(n) if tile.level == 0]
    hashes = b"".join((directory / "q1" / tile.path).read_bytes() for tile in of_level_0)
    assert hashes == b"".join(map(leaf_hash, records))
    held = [(directory / "q1" / tile.path.replace("tile/0/", "tile/entries/")).read_bytes() for tile in of_level_0]
    assert [record for data in held for record in read_bundle(data)] == records
    assert is_published(tmp_path, POLL, 1) and not is_published(tmp_path, POLL, 2)


@pytest.mark.parametrize("spoil", [lambda r: r[::-1], lambda r: [*r, r[-1]], lambda r: [r[1], r[0], *r[2:]]])
def test_records_out_of_order_make_no_board(tmp_path: Path, spoil) -> None:
    files = TreeFiles(lambda path, data: None)
    with pytest.raises(BoardFault, match="order"):  # noqa: PT012 -- either may see it
        files.add(spoil(entries(300)))
        files.finish()


def test_a_builder_that_died_leaves_no_board_and_the_next_one_clears_up(tmp_path: Path) -> None:
    draft = BoardDraft(tmp_path, POLL)
    draft.__enter__()
    draft.put("q1/tile/0/000", b"half")  # and then the power went
    assert not (tmp_path / POLL).exists() and len(list(tmp_path.iterdir())) == 1
    write(tmp_path, entries(3))
    assert [path.name for path in tmp_path.iterdir()] == [POLL]


def test_a_board_is_never_written_over(tmp_path: Path) -> None:
    directory = write(tmp_path, entries(3))
    before = {path: (directory / path).read_bytes() for path in paths(directory)}
    with pytest.raises(BoardFault, match="already"):
        write(tmp_path, entries(4))
    assert {path: (directory / path).read_bytes() for path in paths(directory)} == before
    assert [path.name for path in tmp_path.iterdir()] == [POLL]


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file of this process may grow above four kilobytes: what a full disk is to a writer."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("small_files")
def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        write(tmp_path, entries(1_000))
    assert list(tmp_path.iterdir()) == []


def test_a_board_that_cannot_fit_is_not_begun(tmp_path: Path) -> None:
    check_room(tmp_path, 1_000)
    with pytest.raises(BoardFault, match="MB free"):
        check_room(tmp_path, 10**13)


# ---- from the ballots of a poll


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return site_settings(tmp_path)


async def a_counted_poll(database: Database, settings: Settings, votes: int = 300, **more: object) -> SealedPoll:
    questions = more.pop("questions", [a_single_choice(1), a_multiple_choice(2)])
    async with database.open_session() as session:
        if not await session.scalar(text("SELECT count(*) FROM territory")):
            await a_city(session)
            await record_keys(session, settings, NOW)
        poll = await an_open_poll(session, questions=questions, **more)
        for n in range(votes):
            answers = {"1": 1 + n % 2, **({"2": [1 + n % 4]} if len(poll.question_ids) > 1 else {})}
            await cast_ballot(session, poll, await a_citizen(session), answers, a_key(), ASigner(), NOW)
        await close_early(session, poll.public_id, 1, "Все проголосовали.", NOW)
    async with database.open_session() as session:
        await count_poll(session, poll.public_id, datetime.now(UTC), board_sealer(settings))
    return poll


def verified(directory: Path, capsys: pytest.CaptureFixture[str], *more: str) -> int:
    capsys.readouterr()
    code: int = verifier.run(["--lang=en", "--json", str(directory), *more])
    told = json.loads(capsys.readouterr().out)
    assert told["exit"] == code
    assert code != 1, told
    return code


async def test_the_job_publishes_what_an_outsider_finds_valid(
    fresh_database: Database, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    polls = [
        await a_counted_poll(fresh_database, settings),
        await a_counted_poll(fresh_database, settings, 0),
        await a_counted_poll(fresh_database, settings, 5),
        await a_counted_poll(fresh_database, settings, 12, privacy="named"),
    ]
    await publish_boards(Work(fresh_database, settings))
    boards = boards_in(settings.data_dir)
    assert {path.name for path in boards.iterdir()} == {poll.public_id for poll in polls}
    codes = [verified(boards / poll.public_id, capsys) for poll in polls]
    assert codes == [2, 2, 2, 2], "nothing is valid without the log"
    await keep_the_registry(Work(fresh_database, settings))
    registry = settings.data_dir / "registry"
    codes = [verified(boards / poll.public_id, capsys, "--registry", str(registry)) for poll in polls]
    assert codes == [0, 0, 2, 0], "five ballots are withheld, so their count cannot be run again"
    for poll in polls:
        assert await board_differences(fresh_database, settings, poll.public_id) == []
    stamps = {path: path.stat().st_mtime_ns for path in boards.rglob("*")}
    await publish_boards(Work(fresh_database, settings))
    assert {path: path.stat().st_mtime_ns for path in boards.rglob("*")} == stamps, "nothing is written twice"
    async with fresh_database.open_read_session() as session:
        kinds = [event["kind"] for event in await poll_events(session, polls[0].id)]
    assert kinds.count("board_published") == 1


async def test_a_decided_tie_adds_a_manifest_to_the_board(
    fresh_database: Database, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = {"method": "plurality", "tie": "chair"}
    poll = await a_counted_poll(fresh_database, settings, 20, questions=[a_single_choice(1, rule=rule)])
    await publish_boards(Work(fresh_database, settings))
    directory = boards_in(settings.data_dir) / poll.public_id
    first = (directory / "manifest.json").read_bytes()
    async with fresh_database.open_session() as session:
        await decide_tie(session, poll.public_id, 1, [2, 1], "Так решила комиссия.", 7, datetime.now(UTC))
    await publish_boards(Work(fresh_database, settings))
    assert (directory / "manifest-1.json").read_bytes() == first
    newest = (directory / "manifest.json").read_bytes()
    assert newest == (directory / "manifest-2.json").read_bytes() != first
    assert (directory / "manifest.note").read_bytes() == (directory / "manifest-2.note").read_bytes()
    await keep_the_registry(Work(fresh_database, settings))
    assert verified(directory, capsys, "--registry", str(settings.data_dir / "registry")) == 0
    assert await board_differences(fresh_database, settings, poll.public_id) == []


@pytest.mark.parametrize("stop", range(4))
def test_a_reader_while_a_manifest_is_added_finds_the_old_one_or_two_newest_that_do_not_fit(
    stop: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbered files first, the newest note last; an interrupted writer is not taken for one who finished."""
    directory = write(tmp_path, entries(3))
    first = texts(entries(3))
    second = Manifest(2, b"{2}", "a board\nveche/manifest/v1\n2\n")
    both = BoardTexts(POLL, first.definition, first.trees, (*first.manifests, second))
    written: list[str] = []

    def write_until(path: Path, data: bytes) -> None:
        if len(written) == stop:
            raise OSError("the power is gone")
        path.write_bytes(data)
        written.append(path.name)

    monkeypatch.setattr("voting.board_files.write_whole", write_until)
    with pytest.raises(OSError, match="power"):
        add_manifests(tmp_path, both)
    assert not is_published(tmp_path, POLL, 2), written
    assert (directory / "manifest.note").read_text() == first.manifests[0].note
    if (directory / "manifest.json").read_bytes() == b"{2}":
        assert (directory / "manifest-2.note").read_text() == second.note
    stop = 9
    written.clear()
    add_manifests(tmp_path, both)
    assert written[-2:] == ["manifest.json", "manifest.note"]
    assert is_published(tmp_path, POLL, 2) and is_published(tmp_path, POLL, 1)
    written.clear()
    add_manifests(tmp_path, both)
    assert written == []


async def test_two_builders_at_once_make_one_board(fresh_database: Database, settings: Settings) -> None:
    poll = await a_counted_poll(fresh_database, settings)
    built = await asyncio.gather(*(
        publish_board(fresh_database, settings, poll.public_id, lambda written, whole: None) for _ in range(4)
    ))  # fmt: skip
    assert any(built)
    assert [path.name for path in boards_in(settings.data_dir).iterdir()] == [poll.public_id]
    assert await board_differences(fresh_database, settings, poll.public_id) == []


async def test_ballots_changed_since_the_count_are_not_published(fresh_database: Database, settings: Settings) -> None:
    poll = await a_counted_poll(fresh_database, settings, 30)
    async with fresh_database.open_session() as session:
        await session.execute(text("ALTER TABLE ballot DISABLE TRIGGER ALL"))
        await session.execute(
            text(
                "UPDATE ballot SET answers[1] = '[3]' WHERE ballot_id ="
                " (SELECT ballot_id FROM ballot ORDER BY 1 LIMIT 1)"
            )
        )
    with pytest.raises(BoardFault, match="were signed at the count; nothing was published"):
        await publish_board(fresh_database, settings, poll.public_id, lambda written, whole: None)
    await publish_boards(Work(fresh_database, settings))  # says so in the log and goes on
    assert list(boards_in(settings.data_dir).iterdir()) == []
    told = await board_differences(fresh_database, settings, poll.public_id)
    assert any("question 1" in sentence for sentence in told) and any("is not there" in sentence for sentence in told)


async def test_files_changed_on_disk_are_found(fresh_database: Database, settings: Settings) -> None:
    poll = await a_counted_poll(fresh_database, settings)
    await publish_boards(Work(fresh_database, settings))
    directory = boards_in(settings.data_dir) / poll.public_id
    tile = directory / "q1/tile/0/000"
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])
    (directory / "q2/tile/entries/000").unlink()
    (directory / "q2/tile/0/777").write_bytes(b"")
    told = await board_differences(fresh_database, settings, poll.public_id)
    assert told == [
        "q1/tile/0/000 is not as it was signed", "q2/tile/entries/000 is missing", "q2/tile/0/777 does not belong there"
    ]  # fmt: skip


async def test_the_board_over_http(fresh_database: Database, settings: Settings) -> None:
    poll = await a_counted_poll(fresh_database, settings)
    app = create_app(settings, database=fresh_database, passwords=fast_passwords())
    client: httpx.AsyncClient = browser(app, **{"accept-encoding": "gzip"})
    address = f"/board/{poll.public_id}"
    assert (await client.get(f"{address}/manifest.json")).status_code == 404, "there whole or not at all"
    await publish_boards(Work(fresh_database, settings))
    directory = boards_in(settings.data_dir) / poll.public_id
    for path in paths(directory):
        reply = await client.get(f"{address}/{path}")
        assert (reply.status_code, reply.content) == (200, (directory / path).read_bytes())
        assert reply.headers["access-control-allow-origin"] == "*"
        assert reply.headers["cross-origin-resource-policy"] == "cross-origin"
        assert ("immutable" if "tile" in path else "no-cache") in reply.headers["cache-control"]
        assert "set-cookie" not in reply.headers
        hashes = "tile/0" in path or "tile/1" in path
        assert (reply.headers.get("content-encoding") == "gzip") == (not hashes), path
        part = await client.get(f"{address}/{path}", headers={"range": "bytes=0-9"})
        assert part.status_code == 200 and part.content == reply.content, "a whole file is a right answer to a range"
        again = await client.get(f"{address}/{path}", headers={"if-none-match": reply.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        head = await client.head(f"{address}/{path}")
        assert (head.status_code, head.content) == (200, b"")
    strange = ["", "/", "/q1", "/q9/checkpoint", "/../../keys/forms", "/%2e%2e/%2e%2e/keys/forms", "/q1/tile/..%2f0"]
    for path in (*(address + path for path in strange), "/board/..%2fkeys%2fforms", "/board/.lock", "/board"):
        assert (await client.get(path)).status_code == 404, path


async def test_a_manifest_made_by_hand_is_written_by_the_job(fresh_database: Database, settings: Settings) -> None:
    poll = await a_counted_poll(fresh_database, settings, 12)
    async with fresh_database.open_session() as session:
        data = await publish_manifest(session, poll.public_id, board_sealer(settings), datetime.now(UTC))
    await publish_boards(Work(fresh_database, settings))
    assert (boards_in(settings.data_dir) / poll.public_id / "manifest.json").read_bytes() == data


# ---- boards that cannot be made


def test_the_pauses_double_up_to_ten_minutes(tmp_path: Path) -> None:
    now, pauses = datetime(2026, 11, 22, tzinfo=UTC), []
    for _ in range(40):
        assert is_due(tmp_path, POLL, now)
        tries = note_failure(tmp_path, POLL, "no room", now)
        assert not is_due(tmp_path, POLL, now) and not is_due(tmp_path, POLL, tries.next_at - timedelta(seconds=1))
        assert is_due(tmp_path, POLL, now - timedelta(seconds=1)), "a clock put back does not put it off for hours"
        pauses.append((tries.next_at - now).total_seconds())
        now = tries.next_at
    assert pauses[:8] == [10, 20, 40, 80, 160, 320, 600, 600] and set(pauses[8:]) == {600}
    known = tries_of(tmp_path, POLL)
    board_tries._known.clear()  # another process
    assert tries_of(tmp_path, POLL) == known
    [path] = (tmp_path / "board-tries").iterdir()
    path.write_bytes(b'{"failed": 3')
    assert tries_of(tmp_path, POLL) is None
    forget_others(tmp_path, {POLL})
    assert path.exists()
    forget_others(tmp_path, set())
    assert not path.exists()


@pytest.mark.usefixtures("small_files")
def test_what_cannot_be_written_down_is_put_off_all_the_same(tmp_path: Path) -> None:
    tries = note_failure(tmp_path, POLL, "x" * 10_000, datetime(2026, 11, 22, tzinfo=UTC))
    assert list((tmp_path / "board-tries").iterdir()) == []
    assert tries_of(tmp_path, POLL) == tries and not is_due(tmp_path, POLL, tries.at)
    forget_others(tmp_path, set())
    assert tries_of(tmp_path, POLL) is None


async def test_a_board_that_fails_is_put_off_told_to_officials_and_made_when_it_can_be(
    fresh_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = a_site(fresh_database, tmp_path)
    settings = app.state["settings"]
    poll = await a_counted_poll(fresh_database, settings, 12)
    other = await a_counted_poll(fresh_database, settings, 12)
    await add_account(fresh_database, "boss@city.test", "official")
    boss = await Resident(app).sign_in("boss@city.test")
    address, work = f"/officials/polls/{poll.public_id}", Work(fresh_database, settings)
    assert "It appears by itself" in (await boss.get(address)).words
    boards = boards_in(settings.data_dir)
    boards.mkdir(parents=True)
    (boards / poll.public_id).write_bytes(b"")  # in the way of its directory: no write there succeeds
    with capture_logs() as told:
        for _ in range(5):
            await publish_boards(work)
    [line] = [line for line in told if line["event"] == "board_failed"]
    assert line["poll"] == poll.public_id and (line["failed"], line["again_in"]) == (1, 10) and line["why"]
    assert is_published(boards, other.public_id, 1), "it keeps no other waiting"
    shown = await boss.get(address)
    assert "not published yet" in shown.words and "Failed tries: 1" in shown.words and str(line["why"]) in shown.words
    assert "not published" not in (await boss.get(f"/officials/polls/{other.public_id}")).words
    monkeypatch.setattr(board_tries, "FIRST_PAUSE", 0)
    with capture_logs() as told:
        await publish_boards(work)
        (boards / poll.public_id).unlink()
        await publish_boards(work)
        await publish_boards(work)
    assert [line["failed"] for line in told if line["event"] == "board_failed"] == [2]
    assert [line["poll"] for line in told if line["event"] == "board_published"] == [poll.public_id]
    assert tries_of(settings.data_dir, poll.public_id) is None
    assert "not published" not in (await boss.get(address)).words
