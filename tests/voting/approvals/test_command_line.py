"""The command line is no way around two people: keys take a number that serves once, roles the pages."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import select, text
from tests.builders import NOW
from tests.sites import site_settings
from tests.voting.approvals.staff import a_hand, a_member

from polls.public_keys import add_key
from polls.sessions import Session
from voting.approvals.actions import LASTS, Action
from voting.approvals.errors import ApprovalNeeded, ApprovalNotFound, ApprovalOver, ApprovalStale
from voting.approvals.gate import parameters_of, require_bootstrap, spend_key_change
from voting.approvals.requests import Request, agree, ask
from voting.settings import Settings
from voting.tables import approval


async def agreed(session: Session, first: int, second: int) -> Request:
    told = parameters_of(Action.CHANGE_KEYS, {"because": "planned"})
    request = await ask(session, a_hand(first), Action.CHANGE_KEYS, "receipt", told, NOW)
    return await agree(session, a_hand(second), request.id, request.object_hash, NOW)


async def test_a_change_of_keys_spends_a_consent_once(session: Session, tmp_path: Path) -> None:
    settings = site_settings(tmp_path, four_eyes=True)
    assert await spend_key_change(session, settings, None, "receipt", "planned", NOW) is None  # nobody to agree yet
    first, second = await a_member(session, "first", "admin"), await a_member(session, "second", "admin")
    number = (await agreed(session, first, second)).id
    with pytest.raises(ApprovalNeeded):
        await spend_key_change(session, settings, None, "receipt", "planned", NOW)
    for wrong in ((number, "board", "planned"), (number, "receipt", "compromised"), (number + 1, "receipt", "planned")):
        with pytest.raises(ApprovalNotFound):
            await spend_key_change(session, settings, *wrong, NOW)
    with pytest.raises(ApprovalOver):
        await spend_key_change(session, settings, number, "receipt", "planned", NOW + 2 * LASTS)
    assert await spend_key_change(session, settings, number, "receipt", "planned", NOW) == number
    assert await session.scalar(select(approval.c.carried_at)) == NOW
    with pytest.raises(ApprovalOver):
        await spend_key_change(session, settings, number, "receipt", "planned", NOW)


async def test_a_consent_is_for_the_key_in_use_then(session: Session, tmp_path: Path) -> None:
    first, second = await a_member(session, "first", "admin"), await a_member(session, "second", "admin")
    number = (await agreed(session, first, second)).id
    await add_key(session, "receipt", "12345678", b"k" * 32, NOW)
    with pytest.raises(ApprovalStale):
        await spend_key_change(session, site_settings(tmp_path, four_eyes=True), number, "receipt", "planned", NOW)


async def test_the_command_line_gives_roles_until_there_are_two_administrators(
    session: Session, tmp_path: Path
) -> None:
    settings = site_settings(tmp_path, four_eyes=True)
    await a_member(session, "first", "admin")
    await require_bootstrap(session, settings, Action.GRANT_ROLE)
    await a_member(session, "second", "admin")
    with pytest.raises(ApprovalNeeded):
        await require_bootstrap(session, settings, Action.GRANT_ROLE)
    await require_bootstrap(session, site_settings(tmp_path), Action.GRANT_ROLE)


async def test_one_administrator_does_not_act_for_two_by_shutting_the_other_out(
    session: Session, tmp_path: Path
) -> None:
    settings = site_settings(tmp_path, four_eyes=True)
    await a_member(session, "first", "admin")
    second = await a_member(session, "second", "admin")
    disabled = "UPDATE account SET disabled_at = now() - :ago * interval '1 day' WHERE id = :id"
    await session.execute(text(disabled), {"ago": 6, "id": second})
    with pytest.raises(ApprovalNeeded):
        await require_bootstrap(session, settings, Action.GRANT_ROLE)
    with pytest.raises(ApprovalNeeded):
        await spend_key_change(session, settings, None, "receipt", "planned", NOW)
    await session.execute(text(disabled), {"ago": 8, "id": second})
    await require_bootstrap(session, settings, Action.GRANT_ROLE)


def test_four_eyes_are_off_only_where_nobody_comes() -> None:
    known = {"database_url": "postgresql://x/y", "demo": False, "four_eyes": False, "staff_step_up": "passkey"}
    assert Settings(**known, base_url="https://city.test").four_eyes is False
    with pytest.raises(ValidationError, match="VECHE_FOUR_EYES"):
        Settings(**known, base_url="https://vote.city.ru")
    assert Settings(demo=True).four_eyes is True
