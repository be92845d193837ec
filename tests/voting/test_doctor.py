"""The doctor: each check by what makes it warn or fail, on files, on a real database and on a site's replies."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from sqlalchemy import insert, text
from tests.builders import a_city, an_open_poll
from tests.sites import site_settings

from polls.audit import write_event
from polls.journal import record_event
from polls.sessions import Session
from results.protocol_tables import figure_look
from voting.auditing.sealing import seal_entries
from voting.backups.manifest import NAME, Manifest, State, hash_file
from voting.cli import cli
from voting.doctor.database import check_database
from voting.doctor.findings import Finding, Level, exit_code, fail, ok, warn
from voting.doctor.machine import check_backups, check_disk, check_key_files, check_releases, check_settings
from voting.doctor.site import check_site
from voting.keys import record_keys
from voting.settings import Settings

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
GOOD = {
    "content-security-policy": "default-src 'none'", "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin", "strict-transport-security": "max-age=63072000",
}  # fmt: skip
COOKIE = "__Host-veche_form=x; Path=/; Secure; HttpOnly; SameSite=Lax"


def a_manifest(
    made_at: datetime = NOW, *, holds_links: bool = True, files: dict[str, tuple[str, int]] | None = None
) -> Manifest:
    state = State("0018", {}, 0, "", 0, "", 0)
    return Manifest(made_at, "veche 1", 18, 18, "city.test", holds_links, False, state, files or {})


def levels(findings: list[Finding]) -> dict[str, str]:
    return {finding.check: finding.level.value for finding in findings}


def real(folder: Path, **more: object) -> Settings:
    given: dict[str, object] = {
        "base_url": "https://vote.city.org", "trusted_proxies": (ip_network("10.0.0.5"),), **more
    }  # fmt: skip
    return site_settings(folder, **given)  # type: ignore[arg-type]


def test_the_exit_code_is_that_of_the_worst() -> None:
    one, two, three = ok("a", ""), warn("b", "", ""), fail("c", "", "")
    assert [exit_code(found) for found in ([one], [one, two], [two, three])] == [0, 1, 2]


@pytest.mark.parametrize(
    ("more", "check", "level"),
    [
        ({}, "address", "ok"),
        ({}, "demo", "ok"),
        ({}, "proxies", "ok"),
        ({"base_url": "http://vote.city.org"}, "address", "fail"),
        ({"secure_cookies": False}, "address", "fail"),
        ({"base_url": "http://localhost:8000"}, "address", "warn"),
        ({"trusted_proxies": ()}, "proxies", "warn"),
        ({"trusted_proxies": (ip_network("0.0.0.0/0"),)}, "proxies", "fail"),
    ],
)
def test_settings(tmp_path: Path, more: dict[str, object], check: str, level: str) -> None:
    assert levels(list(check_settings(real(tmp_path, **more))))[check] == level


def test_the_demo_is_no_deployment(tmp_path: Path) -> None:
    assert levels(list(check_settings(Settings(demo=True, data_dir=tmp_path))))["demo"] == "fail"


def test_keys_open_to_others_fail(tmp_path: Path) -> None:
    settings = real(tmp_path)
    assert [finding.level for finding in check_key_files(settings)] == [Level.FAIL]
    settings.secret("forms")
    assert [finding.level for finding in check_key_files(settings)] == [Level.OK]
    (settings.keys_dir / "forms").chmod(0o640)
    [found] = check_key_files(settings)
    assert found.level is Level.FAIL and "forms" in found.said and "chmod" in found.remedy


@pytest.mark.parametrize(
    ("ages", "links", "expected"),
    [
        ([], True, {"backups": "fail", "backups_secrecy": "ok"}),
        ([1], True, {"backups": "ok", "backups_secrecy": "ok"}),
        ([48], True, {"backups": "fail", "backups_secrecy": "ok"}),
        ([1, 24 * 7], True, {"backups": "ok", "backups_secrecy": "fail"}),
        ([1, 24 * 300], False, {"backups": "ok", "backups_secrecy": "ok"}),
    ],
)
def test_backups_are_fresh_and_do_not_outlive_their_seven_days(
    tmp_path: Path, ages: list[int], links: bool, expected: dict[str, str]
) -> None:
    home = tmp_path / "backups"
    home.mkdir()
    for age in ages:
        (home / f"of{age}").mkdir()
        made = a_manifest(NOW - timedelta(hours=age), holds_links=links)
        (home / f"of{age}" / NAME).write_bytes(made.as_bytes())
    assert levels(list(check_backups(real(tmp_path, backups_dir=home), NOW))) == expected
    (home / "half.partial").mkdir()
    assert levels(list(check_backups(real(tmp_path, backups_dir=home), NOW)))["backups_whole"] == "warn"


@pytest.mark.parametrize("ruin", ["emptied", "removed", "cut", "a directory"])
def test_a_ruined_backup_is_not_called_whole(tmp_path: Path, ruin: str) -> None:
    backup = tmp_path / "backups" / "b1"
    backup.mkdir(parents=True)
    dump = backup / "database.dump"
    dump.write_bytes(b"rows")
    made = a_manifest(NOW - timedelta(hours=1), holds_links=True, files={dump.name: (hash_file(dump), 4)})
    (backup / NAME).write_bytes(made.as_bytes())
    settings = real(tmp_path, backups_dir=backup.parent)
    assert levels(list(check_backups(settings, NOW))) == {"backups": "ok", "backups_secrecy": "ok"}
    dump.unlink()
    if ruin == "a directory":
        dump.mkdir()
    elif ruin != "removed":
        dump.write_bytes(b"" if ruin == "emptied" else b"row")
    found = list(check_backups(settings, NOW))
    assert levels(found) == {"backups": "fail", "backups_secrecy": "ok", "backups_whole": "warn"}
    assert "database.dump" in found[-1].said
    late = list(check_backups(settings, NOW + timedelta(days=8)))
    assert levels(late)["backups_secrecy"] == "fail", "what is left of it still links votes to people"


def test_backups_nobody_can_see_are_told(tmp_path: Path) -> None:
    assert levels(list(check_backups(real(tmp_path), NOW))) == {"backups": "warn"}


def test_disk_and_releases_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert levels(list(check_releases()))["releases"] in ("ok", "warn")
    for free, level in ((50, "ok"), (10, "warn"), (1, "fail")):
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: (100, 100 - free, free))
        assert levels(list(check_disk(real(tmp_path)))) == {"disk": level}


# ---- the database


async def database_levels(session: Session, settings: Settings, now: datetime) -> dict[str, str]:
    return levels([finding async for finding in check_database(session, settings, now)])


async def test_a_database_is_looked_through(session: Session, tmp_path: Path) -> None:
    now, settings = datetime.now(UTC), real(tmp_path)
    found = await database_levels(session, settings, now)
    assert found["server"] == found["schema"] == found["clock"] == found["jobs"] == found["audit"] == "ok"
    assert found["keys"] == found["worker"] == "fail"
    assert found["role"] == "fail", "the tests' role owns the tables"
    await record_keys(session, settings, now)
    await session.execute(text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())"))
    better = await database_levels(session, settings, now)
    assert better["keys"] == better["worker"] == "ok"
    assert (await database_levels(session, settings, now + timedelta(days=400)))["keys"] == "warn"


async def test_entries_nobody_seals_are_told(session: Session, tmp_path: Path) -> None:
    late = datetime.now(UTC) - timedelta(hours=3)
    await write_event(session, "role_granted", actor=1, subject="account:2", now=late)
    assert (await database_levels(session, real(tmp_path), datetime.now(UTC)))["audit"] == "warn"


async def test_entries_of_the_journal_and_looks_at_figures_are_waited_for_too(session: Session, tmp_path: Path) -> None:
    now, settings = datetime.now(UTC), real(tmp_path)
    await a_city(session)
    poll = await an_open_poll(session)
    await seal_entries(session, now)  # what making a poll has written
    for write in ("journal", "look"):
        for late, level in ((timedelta(minutes=50), "ok"), (timedelta(hours=3), "warn")):
            async with session.begin_nested() as tried:
                if write == "journal":
                    await record_event(session, "poll_extended", poll.id, now - late, by=1)
                else:
                    await session.execute(
                        insert(figure_look).values(poll_id=poll.id, account_id=1, at=now - late, what="results")
                    )
                assert (await database_levels(session, settings, now))["audit"] == level, (write, late)
                await tried.rollback()


async def test_an_alarm_of_sign_ins_is_told_for_a_day(session: Session, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    assert (await database_levels(session, real(tmp_path), now))["sign_ins"] == "ok"
    await write_event(session, "sign_in_alarm", actor=None, subject="site", facts={"count": 300}, now=now)
    assert (await database_levels(session, real(tmp_path), now + timedelta(hours=23)))["sign_ins"] == "warn"
    assert (await database_levels(session, real(tmp_path), now + timedelta(hours=25)))["sign_ins"] == "ok"


async def test_a_log_that_would_hold_votes_fails(session: Session, tmp_path: Path) -> None:
    await session.execute(text("SET LOCAL log_parameter_max_length = -1"))
    await session.execute(text("SET LOCAL synchronous_commit = off"))
    found = [finding async for finding in check_database(session, real(tmp_path), datetime.now(UTC))]
    named = {finding.check: finding for finding in found}
    assert named["log_secrecy"].level is Level.FAIL and "log_parameter_max_length = -1" in named["log_secrecy"].said
    assert named["durability"].level is Level.FAIL and "synchronous_commit" in named["durability"].remedy


async def test_another_releases_schema_fails(session: Session, tmp_path: Path) -> None:
    await session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    assert (await database_levels(session, real(tmp_path), datetime.now(UTC)))["schema"] == "fail"


# ---- the site


def answers(headers: dict[str, str], *, cookie: str | None = COOKIE, ready: int = 200) -> httpx.Client:
    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/health/ready":
            return httpx.Response(ready, json={"status": "x"})
        return httpx.Response(200, headers={**headers, **({"set-cookie": cookie} if cookie else {})})

    return httpx.Client(transport=httpx.MockTransport(handle))


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        (answers(GOOD), {"site": "ok", "headers": "ok", "cookies": "ok"}),
        (answers({**GOOD, "strict-transport-security": ""}), {"site": "ok", "headers": "fail", "cookies": "ok"}),
        (answers({}), {"site": "ok", "headers": "fail", "cookies": "ok"}),
        (answers(GOOD, cookie=None), {"site": "ok", "headers": "ok", "cookies": "warn"}),
        (answers(GOOD, cookie="veche_form=x; Path=/"), {"site": "ok", "headers": "ok", "cookies": "fail"}),
        (answers(GOOD, ready=503), {"site": "fail", "headers": "ok", "cookies": "ok"}),
    ],
)
def test_what_the_site_answers(tmp_path: Path, client: httpx.Client, expected: dict[str, str]) -> None:
    assert levels(list(check_site(real(tmp_path), client))) == expected


def test_a_site_that_does_not_answer_is_a_finding(tmp_path: Path) -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    client = httpx.Client(transport=httpx.MockTransport(refuse))
    assert levels(list(check_site(real(tmp_path), client))) == {"site": "fail"}


def test_the_command_says_it_all_as_json_and_never_a_password(tmp_path: Path) -> None:
    password = "Zqxsecret"
    env = {
        "VECHE_DATABASE_URL": f"postgresql://someone:{password}@127.0.0.1:9/nowhere", "VECHE_DATA_DIR": str(tmp_path),
        "VECHE_DEMO": "false", "VECHE_BASE_URL": "https://vote.city.org",
    }  # fmt: skip
    for arguments in (["doctor", "--json", "--offline"], ["doctor", "--offline"]):
        result = CliRunner().invoke(cli, arguments, env=env)
        assert result.exit_code == 2 and password not in result.output, result.output
    said = json.loads(CliRunner().invoke(cli, ["doctor", "--json", "--offline"], env=env).output)
    assert {one["check"] for one in said["checks"]} >= {"demo", "database", "key_files", "disk", "backups"}
