"""Before sealing: the checklist with its dry run, and scheduling."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from polls.audience import DryRun
from polls.authoring import (
    Draft,
    check_draft,
    load_draft,
)
from polls.definition import AllOf, AnyAudience, Definition
from polls.desk import register_groups
from polls.errors import NotReady
from polls.lifecycle import Move, may
from polls.register import territory_tree
from polls.sessions import Session
from polls.strata import LEAST, age_label, coarsen
from polls.territories import TerritoryTree
from voting.approvals.actions import Action
from voting.identity.guards import official
from voting.identity.sessions import Viewer
from voting.web.asking import gate_of, waiting_about
from voting.web.form_filling import form_of
from voting.web.officials import address_of, known, see_other
from voting.web.officials_words import finding_line
from voting.web.rendering import page, translate_for
from voting.web.typed import hidden_number

AnyRequest = Request[Any, Any, Any]


@get("/officials/polls/{public_id:str}/check", guards=[official], include_in_schema=False)
async def show_check(
    request: AnyRequest, public_id: FromPath[str], session: NamedDependency[Session], now: NamedDependency[datetime]
) -> Response[Any]:
    """What keeps the draft from being scheduled, who could vote, and what scheduling means."""
    draft = await load_draft(session, known(public_id), now)
    if not may(Move.SCHEDULE, draft.state):
        return see_other(address_of(public_id))
    return await _check_page(request, session, draft, now)


@post("/officials/polls/{public_id:str}/schedule", guards=[official], include_in_schema=False, status_code=200)
async def schedule(
    request: AnyRequest, public_id: FromPath[str], viewer: NamedDependency[Viewer],
    session: NamedDependency[Session], now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Seal the revision the official has seen."""
    sent = await request.form()
    revision = hidden_number(str(sent.get("revision") or ""))
    if sent.get("understood") != "1":
        draft = await load_draft(session, known(public_id), now)
        return await _check_page(request, session, draft, now, not_understood=True)
    try:
        told = {"revision": revision}
        asked = await gate_of(request, session, viewer, now, sent)(Action.PUBLISH, known(public_id), told)
    except NotReady:  # found since the page was opened: the clock has moved, or the register
        return await _check_page(request, session, await load_draft(session, public_id, now), now, status=409)
    return see_other(address_of(public_id, "?done=sealed")) if asked is None else asked.reply


async def _check_page(
    request: AnyRequest, session: Session, draft: Draft, now: datetime, *, status: int = 200,
    not_understood: bool = False,
) -> Response[Any]:  # fmt: skip
    check = await check_draft(session, draft.definition, now)
    tree = await territory_tree(session, buildings=True)
    form = form_of(draft.definition, slug=draft.slug)
    translate = translate_for(request)
    run = check.dry_run
    return page(
        request, "officials/check.html", status=422 if not_understood else status, nav="officials", draft=draft,
        definition=draft.definition, lines=[finding_line(found, form, translate) for found in check.findings],
        ready=check.ready, run=run, places=tree.by_code,
        groups={group.code: group for group in await register_groups(session)}, address=address_of(draft.public_id),
        not_understood=not_understood,
        **await waiting_about(request, session, draft.public_id, now),
        **(_dry_run_words(run, draft.definition, tree) if run else {}),
    )  # fmt: skip


def _dry_run_words(run: DryRun, definition: Definition, tree: TerritoryTree) -> dict[str, Any]:
    """The dry run as rows of tables: districts by size, ages in order, reasons as rules, groups too small."""
    by_district = sorted(run.by_district.items(), key=lambda item: -item[1])
    ages = [(age_label(index, definition.age_bands), n) for index, n in sorted(run.by_age.items(), key=_by_age)]
    merged = coarsen(run.by_stratum, tree.parent) if run.by_stratum else {}
    return {
        "districts": [(tree.by_id.get(number), n) for number, n in by_district],
        "ages": ages,
        "reasons": [(reason.code, _rule_of(reason.rule), reason.citizens) for reason in run.refused_by],
        "groups_in_all": len(run.by_stratum),
        "groups_merged": sum(1 for stratum, final in merged.items() if stratum != final),
        "least": LEAST,
    }


def _by_age(item: tuple[int, int]) -> int:
    """Younger than the first band comes first, unknown last."""
    return 0 if item[0] == 97 else item[0]


def _rule_of(rule: dict[str, Any]) -> AnyAudience:
    return AllOf.model_validate({"op": "all", "of": [rule]}).of[0]


handlers = [show_check, schedule]
