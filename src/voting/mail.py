"""Letters: put into the queue in the transaction of what they tell of, sent by a job, forgotten when sent.

A row of `mail_out` holds an address and short facts, never a password or a link that opens anything: the job draws the
token of a link at the moment of sending and stores its hash (`mail_token`), so a copy of the tables opens no account.
The code of an invitation is drawn then too, so that nobody but the mailbox has it.
What fails is tried again, later each time; what the server refuses for good, and what was tried in vain, is dropped.
Logs name neither addresses nor texts.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog
from sqlalchemy import delete, insert, select, update

from polls.sessions import ReadSession, Session
from voting.jobs import Work, defer, registry
from voting.mail_texts import MESSAGES, Letter, written
from voting.settings import Settings
from voting.tables import account, demo_letter, invitation, mail_out, mail_token

logger = structlog.get_logger(__name__)

ATTEMPTS = 8  # 3, 9, 27 … 2187 s apart: an hour in all
SHOWN = 100
"""Letters the demo keeps."""
SECONDS = 20.0
TOKEN_BYTES = 32
LIVES: Mapping[str, timedelta] = {
    "verify": timedelta(hours=24),
    "reset": timedelta(minutes=30),
    "sign_in": timedelta(minutes=30),
    "email_old": timedelta(hours=24),
    "email_new": timedelta(hours=24),
}
"""How long a link may be used."""


PAGES: Mapping[str, str] = {"reset": "reset", "sign_in": "sign-in/letter"}
"""Where a link leads by its purpose; any other to `/confirm`."""


class Refused(Exception):
    """The server, or our own reading of the address, refuses a letter for good."""


def mail_is_on(settings: Settings) -> bool:
    """Whether letters reach anybody: by a mail server, or by the page of the demo."""
    return settings.smtp_url is not None or settings.demo


async def send(
    session: Session, to: str, message_key: str, facts: Mapping[str, str | int], language: str, now: datetime, *,
    account_id: int | None = None,
) -> None:  # fmt: skip
    """Put a letter into the queue, in the session's transaction; it goes out after the commit.

    `facts` fill the words of `mail_texts.MESSAGES[message_key]`; `site` is known. A letter with a link needs
    `account_id`; that of a reset finds the account when it is sent, so that asking costs the same for any address.
    Raises ValueError for an unknown key.
    """
    if message_key not in MESSAGES:
        raise ValueError(f"no letter is called {message_key}")
    made = await session.scalar(
        insert(mail_out)
        .values(
            to_address=to, account_id=account_id, message_key=message_key, language=language, created_at=now,
            facts={name: str(value) for name, value in facts.items()},
        )
        .returning(mail_out.c.id)
    )  # fmt: skip
    await defer(session, "send_letter", {"letter": made})


@registry.job("send_letter", attempts=ATTEMPTS)
async def send_letter(work: Work, letter: int) -> None:
    """Send one letter and forget it. Repeated after a crash it may arrive twice, with links that both work."""
    async with work.database.open_session() as session:
        row = (await session.execute(select(mail_out).where(mail_out.c.id == letter))).one_or_none()
        if row is None:
            return
        holder = await _holder(session, row)
        if holder is None or not mail_is_on(work.settings):
            await _forget(session, letter)
            return
        facts = {"site": _site(work.settings, row.language), **row.facts}
        if row.message_key == "invitation":
            link, facts["code"] = f"{work.settings.base_url}/invitation", await _draw_code(session, holder)
        else:
            link = await _draw_link(session, work.settings, row, holder)
    text = written(row.message_key, row.language, facts, link)
    try:
        await _deliver(work, row.to_address, text)
    except Refused as error:
        logger.warning("letter_refused", key=row.message_key, code=str(error))
    except Exception as error:
        if work.attempt < ATTEMPTS:
            raise LetterFailed(type(error).__name__) from None  # a server's own words may repeat the address
        logger.warning("letter_given_up", key=row.message_key, error=type(error).__name__)
    async with work.database.open_session() as session:
        await _forget(session, letter)


class LetterFailed(Exception):
    """A letter did not go out this time; it names what kind of failure it was and nothing else."""


async def _holder(session: Session, row: Any) -> int | None:
    """The account a letter is about; None where it is to go to nobody. A notice needs none: 0."""
    if row.message_key == "sign_in":
        # Held, so that a password changed at this moment finds the link and deletes it, or the letter is gone by now.
        good = (account.c.email == row.to_address, account.c.email_verified_at.is_not(None))
        held = select(account.c.id).where(account.c.id == row.account_id, *good, account.c.disabled_at.is_(None))
        if await session.scalar(held.with_for_update(key_share=True)) is None:
            return None
        still: int | None = await session.scalar(select(mail_out.c.account_id).where(mail_out.c.id == row.id))
        return still
    if row.message_key == "invitation":
        open_to = select(invitation.c.account_id).where(invitation.c.account_id == row.account_id)
        found: int | None = await session.scalar(open_to.where(invitation.c.expires_at > datetime.now(UTC)))
        return found
    if row.message_key != "password_reset":
        return row.account_id or 0
    verified = (account.c.email == row.to_address, account.c.email_verified_at.is_not(None))
    reset: int | None = await session.scalar(select(account.c.id).where(*verified, account.c.disabled_at.is_(None)))
    return reset


async def _draw_code(session: Session, account_id: int) -> str:
    """A code for the invitation of an account: the newest letter's is the one that opens it."""
    code = new_code()
    theirs = invitation.c.account_id == account_id
    await session.execute(update(invitation).where(theirs).values(token_hash=hash_of_code(code)))
    return code


async def _draw_link(session: Session, settings: Settings, row: Any, holder: int) -> str:
    purpose = MESSAGES[row.message_key].purpose
    if purpose is None:
        return ""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    now = datetime.now(UTC)
    await session.execute(
        insert(mail_token).values(
            token_hash=hash_of(token), account_id=holder, purpose=purpose, address=row.to_address,
            expires_at=now + LIVES[purpose],
        )
    )  # fmt: skip
    return f"{settings.base_url}/{PAGES.get(purpose, 'confirm')}?t={token}"


def hash_of(token: str) -> bytes:
    """What the table stores of a link's token."""
    return hashlib.sha256(token.encode()).digest()


def new_code() -> str:
    """Draw the code of an invitation: 128 bits, in four parts that can be typed."""
    return "-".join(secrets.token_hex(4) for _ in range(4))


def hash_of_code(code: str) -> bytes:
    """What the table stores of an invitation's code."""
    return hashlib.sha256(b"veche/invitation/v1" + code.strip().lower().encode()).digest()


async def forget_letters(session: Session, account_id: int, key: str) -> None:
    """Drop an account's letters of one key, those on their way and the links of those that arrived."""
    letters = (mail_out.c.account_id == account_id, mail_out.c.message_key == key)
    await session.execute(delete(mail_out).where(*letters))
    links = (mail_token.c.account_id == account_id, mail_token.c.purpose == MESSAGES[key].purpose)
    await session.execute(delete(mail_token).where(*links))


async def _forget(session: Session, letter: int) -> None:
    await session.execute(delete(mail_out).where(mail_out.c.id == letter))


def _site(settings: Settings, language: str) -> str:
    return settings.site_name_en if language == "en" else settings.site_name_ru


async def _deliver(work: Work, to: str, text: Letter) -> None:
    if work.settings.smtp_url is None:
        await _show(work, to, text)
        return
    await _send_by_smtp(work.settings, composed(work.settings, to, text), to)


async def _show(work: Work, to: str, text: Letter) -> None:
    """The demo's way: a page shows the last letters."""
    async with work.database.open_session() as session:
        await session.execute(
            insert(demo_letter).values(to_address=to, subject=text.subject, body=text.plain, at=datetime.now(UTC))
        )
        newest = select(demo_letter.c.id).order_by(demo_letter.c.id.desc()).limit(SHOWN)
        await session.execute(delete(demo_letter).where(demo_letter.c.id.not_in(newest)))


def composed(settings: Settings, to: str, text: Letter) -> EmailMessage:
    """The message: plain text with an HTML form beside it. Raises Refused for an address no header can hold."""
    message = EmailMessage(policy=SMTP)
    try:
        message["From"] = settings.mail_from
        message["To"] = _address(to)
        message["Subject"] = text.subject
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Message-ID"] = make_msgid(domain=settings.mail_from.partition("@")[2])
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text.plain)
        message.add_alternative(text.html, subtype="html")
    except (ValueError, IndexError) as error:
        raise Refused("address") from error
    if [found.addr_spec for found in message["To"].addresses] != [_address(to)]:
        raise Refused("address")  # what reads as two addresses, or as another one
    return message


def _address(to: str) -> str:
    """The address with its domain in ASCII. Raises Refused."""
    local, _, domain = to.rpartition("@")
    try:
        return f"{local}@{domain.encode('idna').decode('ascii')}"
    except UnicodeError as error:
        raise Refused("domain") from error


async def _send_by_smtp(settings: Settings, message: EmailMessage, to: str) -> None:
    """Hand the message to the server: TLS from the start or by STARTTLS, unless the address says `tls=none`."""
    import aiosmtplib  # late: only the worker sends, and few processes are one

    parts = urlsplit(settings.smtp_url or "")
    whole = parts.scheme == "smtps"
    start = not whole and parts.query != "tls=none"
    try:
        await aiosmtplib.send(
            message,
            sender=settings.mail_from,
            recipients=[_address(to)],
            hostname=parts.hostname,
            port=parts.port or (465 if whole else 587),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            use_tls=whole,
            start_tls=start,
            timeout=SECONDS,
        )
    except aiosmtplib.SMTPRecipientsRefused as error:
        if all(500 <= refused.code < 600 for refused in error.recipients):
            raise Refused(str(error.recipients[0].code)) from None
        raise
    except aiosmtplib.SMTPResponseException as error:
        if 500 <= error.code < 600 and not isinstance(error, aiosmtplib.SMTPAuthenticationError):
            raise Refused(str(error.code)) from None
        raise


async def letters_shown(session: ReadSession) -> list[Any]:
    """The demo's letters, newest first."""
    return list((await session.execute(select(demo_letter).order_by(demo_letter.c.id.desc()).limit(SHOWN))).all())


async def sweep_letters(session: Session, *, now: datetime) -> None:
    """Delete links nobody can use any more, and letters whose job is lost."""
    await session.execute(delete(mail_token).where(mail_token.c.expires_at <= now))
    await session.execute(delete(mail_out).where(mail_out.c.created_at <= now - timedelta(days=2)))
