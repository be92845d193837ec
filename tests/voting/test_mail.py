"""Letters: their words, and how they go out to a real mail server on a socket, with TLS, failures and retries."""

import ipaddress
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
import structlog
from aiosmtpd.controller import Controller
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError
from sqlalchemy import func, select, text
from tests.sites import add_account, site_settings

from voting.db import Database
from voting.jobs import Jobs, build_jobs
from voting.mail import Refused, composed, hash_of, letters_shown, send
from voting.mail_texts import MESSAGES, Letter, written
from voting.settings import Settings
from voting.tables import mail_out, mail_token

NOW = datetime.now(UTC)
TO = "anna@mail.test"


class Box:
    """A mail server's handler: keeps what it is given, and answers as it is told to."""

    def __init__(self) -> None:
        self.letters: list[Any] = []
        self.answers: list[str] = []
        self.secured: list[bool] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if self.answers:
            return self.answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.letters.append(message_from_bytes(envelope.content, policy=default))
        self.secured.append(session.ssl is not None)
        return "250 OK"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
def server(box: Box) -> Iterator[Controller]:
    running = Controller(box, hostname="127.0.0.1", port=free_port())
    running.start()
    yield running
    running.stop()


def certificate(tmp_path: Path) -> ssl.SSLContext:
    """A certificate for 127.0.0.1 that is its own authority, as files, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(NOW - timedelta(days=1)).not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (tmp_path / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    return context


@pytest.fixture
async def office(fresh_database: Database, tmp_path: Path) -> Any:
    """Puts a letter in and works on the queue, by the settings given."""

    async def post(smtp_url: str | None, key: str = "password_changed", to: str = TO, **more: Any) -> Jobs:
        jobs = build_jobs(fresh_database, site_settings(tmp_path, smtp_url=smtp_url, **more))
        async with fresh_database.open_session() as session:
            await send(session, to, key, {}, "ru", NOW)
        await jobs.run_until_idle()
        return jobs

    return post


async def waiting(database: Database) -> tuple[int, int]:
    """Letters, and jobs that will be tried again."""
    async with database.open_session() as session:
        letters = await session.scalar(select(func.count()).select_from(mail_out))
        jobs = await session.scalar(text("SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'"))
    return letters or 0, jobs or 0


def address(server: Controller, *, scheme: str = "smtp", query: str = "?tls=none") -> str:
    return f"{scheme}://127.0.0.1:{server.port}{query}"


# ---- over a socket


async def test_a_letter_arrives_in_both_forms_and_is_forgotten(fresh_database, office, server, box) -> None:
    await office(address(server))
    [letter] = box.letters
    assert letter["To"] == TO and letter["From"] == "no-reply@city.test"
    assert letter["Subject"] == "Пароль изменён — Голос города"
    assert letter["Auto-Submitted"] == "auto-generated" and letter["Message-ID"] and letter["Date"]
    plain, page = letter.get_body(("plain",)).get_content(), letter.get_body(("html",)).get_content()
    assert "Пароль вашей учётной записи" in plain and "<p>Пароль вашей учётной записи" in page
    assert await waiting(fresh_database) == (0, 0)


async def test_what_fails_for_a_while_is_tried_again_later_and_arrives(fresh_database, office, server, box) -> None:
    box.answers = ["451 try later"]
    jobs = await office(address(server))
    assert box.letters == [] and await waiting(fresh_database) == (1, 1)
    async with fresh_database.open_session() as session:
        wait = await session.scalar(text("SELECT scheduled_at - now() FROM procrastinate_jobs WHERE status = 'todo'"))
        assert timedelta(seconds=1) < wait < timedelta(seconds=5)
        await session.execute(text("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'"))
    await jobs.run_until_idle()
    assert len(box.letters) == 1 and await waiting(fresh_database) == (0, 0)


async def test_a_server_that_is_away_keeps_the_letter_till_the_last_try(fresh_database, office) -> None:
    jobs = await office(f"smtp://127.0.0.1:{free_port()}?tls=none")
    for _ in range(6):
        assert await waiting(fresh_database) == (1, 1)
        async with fresh_database.open_session() as session:
            await session.execute(text("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'"))
        await jobs.run_until_idle()
    assert await waiting(fresh_database) == (1, 1)
    async with fresh_database.open_session() as session:
        await session.execute(text("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'"))
    await jobs.run_until_idle()
    assert await waiting(fresh_database) == (0, 0), "an eighth failure gives the letter up"


async def test_what_is_refused_for_good_is_dropped_and_nobody_is_named_in_the_log(
    fresh_database, office, server, box
) -> None:
    box.answers = [f"550 no mailbox {TO}"]
    with structlog.testing.capture_logs() as lines:
        await office(address(server))
        assert box.letters == [] and await waiting(fresh_database) == (0, 0)
        box.answers = [f"451 busy with {TO}"]
        await office(address(server))
    assert any(line["event"] == "letter_refused" and line["code"] == "550" for line in lines)
    assert any(line["event"] == "job_failed" for line in lines)
    assert TO not in str(lines) and "Пароль" not in str(lines)


async def test_starttls_is_asked_for_and_its_certificate_checked(
    fresh_database, office, box, tmp_path, monkeypatch
) -> None:
    running = Controller(box, hostname="127.0.0.1", port=free_port(), tls_context=certificate(tmp_path))
    running.start()
    try:
        await office(address(running, query=""))
        assert box.letters == [], "a certificate nobody vouches for"
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        await office(address(running, query=""))
        assert box.secured == [True]
    finally:
        running.stop()


async def test_no_letter_goes_in_the_clear_unless_the_operator_says_so(fresh_database, office, server, box) -> None:
    await office(address(server, query=""))
    assert box.letters == [] and await waiting(fresh_database) == (1, 1)


async def test_without_a_server_nothing_is_kept_and_the_demo_shows_the_letter(fresh_database, tmp_path, office) -> None:
    await office(None)
    assert await waiting(fresh_database) == (0, 0)
    demo = Settings(data_dir=tmp_path, base_url="http://localhost:8000", demo=True, database_url="postgresql://x/y")
    jobs = build_jobs(fresh_database, demo)
    account = await add_account(fresh_database, TO, "resident")
    async with fresh_database.open_session() as session:
        await send(session, TO, "verify_email", {}, "en", NOW, account_id=account)
    await jobs.run_until_idle()
    async with fresh_database.open_session() as session:
        [shown] = await letters_shown(session)
        [stored] = (await session.execute(select(mail_token))).all()
    assert shown.subject == "Confirm your e-mail — City Voice"
    token = shown.body.split("/confirm?t=")[1].split()[0]
    assert stored.token_hash == hash_of(token) and stored.purpose == "verify"
    assert stored.expires_at - datetime.now(UTC) > timedelta(hours=23)


async def test_a_reset_goes_only_to_a_confirmed_address_of_an_account(fresh_database, office, server, box) -> None:
    await add_account(fresh_database, TO, "resident")
    await office(address(server), "password_reset", "nobody@mail.test")
    assert box.letters == [] and await waiting(fresh_database) == (0, 0)
    async with fresh_database.open_session() as session:
        await session.execute(text("UPDATE account SET email_verified_at = NULL"))
    await office(address(server), "password_reset")
    assert box.letters == []
    async with fresh_database.open_session() as session:
        await session.execute(text("UPDATE account SET email_verified_at = now()"))
    await office(address(server), "password_reset")
    assert len(box.letters) == 1


async def test_a_rolled_back_transaction_sends_nothing(fresh_database, tmp_path, server, box) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with fresh_database.open_session() as session:
            await send(session, TO, "password_changed", {}, "ru", NOW)
            raise ZeroDivisionError
    await build_jobs(fresh_database, site_settings(tmp_path, smtp_url=address(server))).run_until_idle()
    assert box.letters == []


# ---- words and headers


@pytest.mark.parametrize(
    "to",
    ["a@b.test\r\nBcc: eve@evil.test", "a@b.test, eve@evil.test", "Eve <eve@evil.test>", "a@b..test", "", "a b@c.test",
     "a@b.test\nSubject: x"],
)  # fmt: skip
def test_no_address_makes_a_header_or_a_second_recipient(tmp_path, to) -> None:
    letter = Letter("Subject", "plain\n", "<p>html</p>")
    with pytest.raises(Refused):
        composed(site_settings(tmp_path), to, letter)


def test_facts_make_neither_lines_nor_headers_nor_tags(tmp_path) -> None:
    nasty = "МФЦ\r\nBcc: eve@evil.test\r\n\r\n<script>alert(1)</script>{link}"
    letter = written("assisted_opened", "ru", {"site": "Сайт\nX: y", "centre": nasty})
    message = composed(site_settings(tmp_path), TO, letter)
    raw = bytes(message)
    assert message["Bcc"] is None and b"\nBcc:" not in raw and b"\nX:" not in raw
    assert "<script>" not in letter.html and "&lt;script&gt;" in letter.html
    assert "\n" not in letter.subject


@pytest.mark.parametrize("key", sorted(MESSAGES))
def test_every_letter_says_the_same_in_both_languages(key) -> None:
    message = MESSAGES[key]
    places = [
        {name for part in words.paragraphs for _, name, _, _ in Formatter().parse(part) if name}
        for words in (message.ru, message.en)
    ]
    assert places[0] == places[1] and ("link" in places[0]) == (message.purpose is not None)
    facts = dict.fromkeys(places[0] | {"site"}, "X")
    for language in ("ru", "en", "xx"):
        letter = written(key, language, facts, "https://city.test/confirm?t=abc&x=1")
        assert ("https://city.test/confirm?t=abc&x=1" in letter.plain) == (message.purpose is not None)
        assert ("&amp;x=1" in letter.html) == (message.purpose is not None)


@pytest.mark.parametrize("url", ["http://mail.test", "smtp://", "smtp://mail.test/path", "smtp://mail.test?tls=some"])
def test_nonsense_for_a_mail_server_is_refused(tmp_path, url) -> None:
    with pytest.raises(ValidationError):
        site_settings(tmp_path, smtp_url=url)
