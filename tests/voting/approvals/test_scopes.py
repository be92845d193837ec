"""A role reaches its own polls alone, whichever way a poll is named: in an address, a body, or a call of a use case."""

from __future__ import annotations

import ast
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.builders import a_definition
from tests.flows.api_client import Client, api_site
from tests.flows.pages import Resident, a_site
from tests.results.counted import AFTER
from tests.results.decided import LIMES, WHY, a_poll_to_decide
from tests.sites import PASSWORD as SITE_PASSWORD
from tests.sites import Clock, fast_passwords
from tests.voting.approvals.staff import a_hand, a_member
from tests.voting.approvals.test_gate import modules, names_in

from polls.authoring import create_draft, save_draft
from polls.catalogue import SealedPoll
from polls.errors import Refusal
from polls.lots import Party
from polls.sessions import Session
from results.decisions import Status
from results.evidence import Role, StoredFile
from results.milestones import StepDraft
from voting import certifying, deciding
from voting.approvals.errors import OutOfScope
from voting.db import Database
from voting.tables import account

PARKS, CULTURE = "Департамент парков", "Департамент культуры"
NORTH, CENTRE = "msk-sao", "msk-cao-arbat"
DAY = date(2026, 12, 5)
FILE = StoredFile("0" * 64, "image/webp", 10)
DECISION: dict[str, Any] = {"text": LIMES, "owner": PARKS, "status": Status.PLANNED, "deadline": DAY}
Deed = Callable[[Session, SealedPoll, int], Awaitable[Any]]

OF_OFFICIALS: dict[str, Deed] = {
    "record_decision": lambda s, p, by: deciding.record_decision(s, p.slug, **DECISION, author_id=by, now=AFTER),
    "add_milestone": lambda s, p, by: deciding.add_milestone(
        s, p.slug, text=LIMES, planned_on=DAY, author_id=by, now=AFTER),
    "change_milestone": lambda s, p, by: deciding.change_milestone(
        s, p.slug, 1, StepDraft(LIMES, DAY), author_id=by, now=AFTER),
    "order_milestone": lambda s, p, by: deciding.order_milestone(s, p.slug, 1, up=True, author_id=by, now=AFTER),
    "add_evidence": lambda s, p, by: deciding.add_evidence(
        s, p.slug, 1, file=FILE, role=Role.PICTURE, name=LIMES, author_id=by, now=AFTER),
    "withdraw_evidence": lambda s, p, by: deciding.withdraw_evidence(
        s, p.slug, 1, 1, reason=WHY, author_id=by, now=AFTER),
    "commit_to_lot": lambda s, p, by: deciding.commit_to_lot(s, p.slug, Party.OFFICIAL, by, b"c" * 32, AFTER),
    "reveal_secret": lambda s, p, by: deciding.reveal_secret(s, p.slug, Party.OFFICIAL, by, b"s" * 32, AFTER),
    "decide_tie": lambda s, p, by: deciding.decide_tie(s, p.slug, 1, [1, 2], "Так решили.", by, AFTER),
    "prepare_protocol": lambda s, p, by: certifying.prepare(s, p.slug, by, "0" * 64, "", AFTER),
    "withdraw_protocol": lambda s, p, by: certifying.withdraw(s, p.slug, by, "0" * 64, "Не то", AFTER),
}  # fmt: skip
OF_REVIEWERS: dict[str, Deed] = {
    "certify_protocol": lambda s, p, by: certifying.certify(s, p.slug, a_hand(by), "0" * 64, AFTER),
    "withdraw_protocol": OF_OFFICIALS["withdraw_protocol"],
}
DEEDS = [("official", name, deed) for name, deed in OF_OFFICIALS.items()]
DEEDS += [("reviewer", name, deed) for name, deed in OF_REVIEWERS.items()]
SCOPED = {name for _, name, _ in DEEDS}
"""The use cases a role with a scope does to a sealed poll, by name."""


async def a_poll(session: Session) -> SealedPoll:
    return await a_poll_to_decide(session, department=PARKS, territory=CENTRE)


async def written(session: Session) -> list[int]:
    """How many rows there are of whatever these deeds write."""
    tables = ("decision", "milestone", "evidence", "decision_change", "lot_secret", "tie_decision", "audit_event")
    return [int(await session.scalar(text(f"SELECT count(*) FROM {table}")) or 0) for table in tables]


@pytest.mark.parametrize(("role", "name", "deed"), DEEDS, ids=[f"{role}-{name}" for role, name, _ in DEEDS])
async def test_whoever_s_role_does_not_reach_the_poll_is_refused(
    session: Session, role: str, name: str, deed: Deed
) -> None:
    poll = await a_poll(session)
    others = [
        await a_member(session, "culture", role, department=CULTURE),
        await a_member(session, "north", role, territory=NORTH),
        await a_member(session, "both", role, department=PARKS, territory=NORTH),
    ]
    before = await written(session)
    for other in others:
        with pytest.raises(OutOfScope):
            await deed(session, poll, other)
    assert await written(session) == before
    own = await a_member(session, "parks", role, department=PARKS, territory="msk-cao")
    try:
        async with session.begin_nested():
            await deed(session, poll, own)
    except OutOfScope:
        pytest.fail("the role reaches this poll")
    except Refusal:
        pass  # what else stands in the way is told by the tests of each use case


def test_every_deed_is_tried() -> None:
    module = ast.parse(Path(deciding.__file__).read_text())
    made = {one.name for one in module.body if isinstance(one, ast.AsyncFunctionDef)}
    made |= {one.targets[0].id for one in module.body if isinstance(one, ast.Assign) and isinstance(one.value, ast.Call)
             and isinstance(one.targets[0], ast.Name) and one.targets[0].id.islower()}  # fmt: skip
    assert made == OF_OFFICIALS.keys() - {"prepare_protocol", "withdraw_protocol"}


def test_no_way_in_calls_a_use_case_past_the_scope() -> None:
    """Who needs one takes it from `voting.deciding` or `voting.certifying`: never from the engine or the results."""
    past = set()
    for where, tree in modules():
        if where.startswith("voting/demo/") or where in ("voting/deciding.py", "voting/certifying.py"):
            continue  # the demo plays a city nobody votes in
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in ("polls", "results"):
                past |= {(where, one.name) for one in node.names if one.name in SCOPED}
            elif isinstance(node, ast.Attribute) and node.attr in SCOPED:
                past.add((where, node.attr))
    known = {("voting/approvals/carrying_out.py", "certify_protocol")}
    assert past <= known, past


def test_whoever_saves_a_document_asks_where_it_belongs() -> None:
    """A document says by itself whose it is: nobody saves one they could not have written."""
    saving = {"create_draft", "save_draft", "import_definition", "restore_revision"}
    for where, tree in modules():
        if where.startswith(("voting/api/", "voting/web/")) and saving & names_in(tree):
            assert "require_placing" in names_in(tree), where


async def test_an_observer_everywhere_speaks_for_no_other_department(session: Session) -> None:
    """Whoever holds both roles is let in by the observer's, and would commit as the official."""
    poll = await a_poll(session)
    both = await a_member(session, "culture", "official", department=CULTURE)
    await session.execute(text("INSERT INTO account_role (account_id, role) VALUES (:a, 'observer')"), {"a": both})
    with pytest.raises(OutOfScope):
        await deciding.commit_to_lot(session, poll.slug, Party.OFFICIAL, both, b"c" * 32, AFTER)


async def test_a_disabled_account_and_a_role_taken_away_decide_nothing(session: Session) -> None:
    poll = await a_poll(session)
    gone = await a_member(session, "gone", "official")
    await session.execute(account.update().where(account.c.id == gone).values(disabled_at=AFTER))
    for nobody in (gone, await a_member(session, "reviewer", "reviewer"), 10**6):
        with pytest.raises(OutOfScope):
            await OF_OFFICIALS["record_decision"](session, poll, nobody)


# ---- over HTTP


async def _staffed(database: Database) -> SealedPoll:
    async with database.open_session() as session:
        poll = await a_poll(session)
        await a_member(session, "culture", "official", department=CULTURE)
        await a_member(session, "north", "official", territory=NORTH)
        await a_member(session, "parks", "official", department=PARKS)
        await session.execute(account.update().values(password_hash=await fast_passwords().hash(SITE_PASSWORD)))
    return poll


async def test_a_decision_names_its_poll_in_the_body(fresh_database: Database, tmp_path: Path) -> None:
    poll = await _staffed(fresh_database)
    app = api_site(fresh_database, tmp_path, clock=Clock(AFTER))
    for name in (poll.slug, poll.public_id):
        body = {"poll": name, "owner": PARKS, "status": "planned", "deadline": "2027-05-31", "text": {"ru": "Липы"}}
        for login in ("culture", "north"):
            other = await Client(app).sign_in(f"{login}@city.test")
            reply = await other.post("/decisions", body)
            assert (reply.status_code, reply.json()["code"]) == (403, "out_of_scope"), reply.text
        assert (await other.get("/decisions")).json()["total"] == 0
    own = await Client(app).sign_in("parks@city.test")
    assert (await own.post("/decisions", body)).status_code == 201


async def test_an_earlier_version_of_others_is_not_restored(fresh_database: Database, tmp_path: Path) -> None:
    """A draft that was handed to a department keeps the versions of another: restoring one would speak for it."""
    await _staffed(fresh_database)
    async with fresh_database.open_session() as session:
        author, now = await a_member(session, "author", "official"), datetime.now(UTC)
        draft = await create_draft(session, author, a_definition(department=CULTURE, territory=CENTRE), now)
        moved = draft.definition.model_copy(update={"department": PARKS})
        await save_draft(session, draft.public_id, moved, author, 1, now)
        await save_draft(session, draft.public_id, moved.model_copy(update={"topic": "culture"}), author, 2, now)
    own = await Client(api_site(fresh_database, tmp_path)).sign_in("parks@city.test")
    path = f"/drafts/{draft.public_id}"
    reply = await own.post(f"{path}/restore", {"number": 1, "based_on": 3})
    assert (reply.status_code, reply.json()["code"]) == (403, "out_of_scope")
    browser = await Resident(a_site(fresh_database, tmp_path)).sign_in("parks@city.test")
    page = await browser.post(f"/officials{path.replace('drafts', 'polls')}/revisions/1/restore", [("based_on", "3")])
    assert page.status == 403
    assert (await own.get(path)).json()["revision"] == 3
    assert (await own.post(f"{path}/restore", {"number": 2, "based_on": 3})).status_code == 200
