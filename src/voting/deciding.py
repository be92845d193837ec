"""What officials and observers do to a sealed poll they name: decisions, their steps and files, lots and ties.

A guard looks at the address alone, and a poll may be named in a body as well. So here, right before the use case, the
database is asked whether the role reaches this very poll, and holds the role until the transaction ends. Pages and the
API call these; a test finds whoever calls the use cases past them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

from polls import tie_breaking
from polls.lots import Party
from polls.sessions import Session
from results import decisions, evidence, milestones
from voting.approvals.scopes import require_role_at

Given = ParamSpec("Given")
Made = TypeVar("Made")
Deed = Callable[Concatenate[Session, str, Given], Awaitable[Made]]


def _by_an_official(use_case: Deed[Given, Made]) -> Deed[Given, Made]:
    """The use case for an official (its `author_id`) whose role reaches the poll; else `OutOfScope`."""

    async def scoped(session: Session, slug_or_id: str, /, *given: Given.args, **named: Given.kwargs) -> Made:
        author: Any = named["author_id"]
        await require_role_at(session, author, slug_or_id, "official")
        return await use_case(session, slug_or_id, *given, **named)

    return scoped


record_decision = _by_an_official(decisions.record_decision)
add_milestone = _by_an_official(milestones.add_milestone)
change_milestone = _by_an_official(milestones.change_milestone)
order_milestone = _by_an_official(milestones.order_milestone)
add_evidence = _by_an_official(evidence.add_evidence)
withdraw_evidence = _by_an_official(evidence.withdraw_evidence)


async def commit_to_lot(
    session: Session, slug_or_id: str, party: Party, account_id: int, committed: bytes, now: datetime
) -> None:
    """A party's commitment. Refuses `OutOfScope` where the role it speaks by does not reach the poll."""
    await require_role_at(session, account_id, slug_or_id, party.value)
    await tie_breaking.commit_to_lot(session, slug_or_id, party, account_id, committed, now)


async def reveal_secret(
    session: Session, slug_or_id: str, party: Party, account_id: int, secret: bytes, now: datetime
) -> bool:
    """A party's secret; tells whether the lot was drawn. Refuses `OutOfScope` as above."""
    await require_role_at(session, account_id, slug_or_id, party.value)
    return await tie_breaking.reveal_secret(session, slug_or_id, party, account_id, secret, now)


async def decide_tie(
    session: Session, slug_or_id: str, question_id: int, decided: Sequence[int], reason: str, account_id: int,
    now: datetime,
) -> None:  # fmt: skip
    """The chair's order of an open tie. Refuses `OutOfScope` as above."""
    await require_role_at(session, account_id, slug_or_id, "official")
    await tie_breaking.decide_tie(session, slug_or_id, question_id, decided, reason, account_id, now)
