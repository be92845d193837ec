"""Versions of a draft: the list, what differs between any two in plain words, and restoring one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import TypeAdapter, ValidationError

from polls.audience_rule import AnyAudience, Audience
from polls.authoring import Draft, load_draft, revisions
from polls.comparison import Change, compare
from polls.definition import Definition
from polls.desk import register_groups
from polls.errors import EditConflict
from polls.lifecycle import Move, may
from polls.register import territory_tree
from polls.revisions import load_revision, restore_revision
from polls.sessions import ReadSession, Session
from voting.approvals.scopes import require_placing
from voting.identity.guards import official
from voting.identity.names import names_of
from voting.identity.sessions import Viewer
from voting.web import i18n
from voting.web.form_filling import form_of
from voting.web.i18n import language_of
from voting.web.officials import address_of, known, see_other
from voting.web.officials_words import label_of, value_words
from voting.web.rendering import page, translate_for
from voting.web.typed import hidden_number, zone_of

AnyRequest = Request[Any, Any, Any]
_RULE: Final[TypeAdapter[AnyAudience]] = TypeAdapter(Audience)


@dataclass(frozen=True)
class DiffRow:
    """One difference in words. `rules`: the audience before and after, which the page tells as rules."""

    label: str
    kind: str
    before: str
    after: str
    rules: tuple[AnyAudience | None, AnyAudience | None] | None = None


@get("/officials/polls/{public_id:str}/revisions", guards=[official], include_in_schema=False)
async def show_revisions(
    request: AnyRequest, public_id: FromPath[str], session: NamedDependency[Session], now: NamedDependency[datetime]
) -> Response[Any]:
    """The list, and the difference between the two versions the address names; by default the last saving."""
    return await _page(request, session, await load_draft(session, known(public_id), now))


@post("/officials/polls/{public_id:str}/revisions/{number:int}/restore", guards=[official], include_in_schema=False,
      status_code=200)  # fmt: skip
async def restore(
    request: AnyRequest, public_id: FromPath[str], number: FromPath[int], viewer: NamedDependency[Viewer],
    session: NamedDependency[Session], now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Put an earlier version on top; the newest one the page showed must still be the newest."""
    based_on = hidden_number(str((await request.form()).get("based_on") or ""))
    earlier = await load_revision(session, known(public_id), number)
    await require_placing(session, viewer.grants_of("official"), earlier.definition)
    try:
        await restore_revision(session, known(public_id), number, viewer.account_id, based_on, now)
    except EditConflict:
        draft = await load_draft(session, public_id, now)
        return await _page(request, session, draft, overtaken=True)
    return see_other(address_of(public_id, "/edit?restored=1"))


async def _page(
    request: AnyRequest, session: ReadSession, draft: Draft, *, overtaken: bool = False
) -> Response[Any]:  # fmt: skip
    listed = await revisions(session, draft.public_id)
    numbers = [number for number, _, _ in listed]
    new = _asked(request.query_params.get("to", ""), numbers, numbers[0])
    old = _asked(request.query_params.get("from", ""), numbers, max(new - 1, numbers[-1]))
    before = await load_revision(session, draft.public_id, old)
    after = await load_revision(session, draft.public_id, new)
    tree = await territory_tree(session, buildings=True)
    rows = diff_rows(compare(before.definition, after.definition), before.definition, after.definition,
                     translate_for(request), language_of(request))  # fmt: skip
    return page(
        request, "officials/revisions.html", status=409 if overtaken else 200, nav="officials", draft=draft,
        listed=listed, names=await names_of(session, [by for _, _, by in listed]), old=old, new=new, rows=rows,
        places=tree.by_code, groups={group.code: group for group in await register_groups(session)},
        address=address_of(draft.public_id), editable=may(Move.EDIT, draft.state), overtaken=overtaken,
    )  # fmt: skip


def diff_rows(
    changes: Sequence[Change], before: Definition, after: Definition, translate: Callable[[str], str], language: str
) -> list[DiffRow]:
    """Changes in words; questions and options are numbered as they stand now, removed ones as they stood."""
    forms = {"removed": form_of(before, language=language)}
    now = form_of(after, language=language)
    rows = []
    with i18n.speaking(language):
        for change in changes:
            name = change.path.replace("/", ".")
            label = label_of(forms.get(change.kind, now), name, translate) or name
            if change.path == "audience":
                rules = (_rule(change.before), _rule(change.after))
                rows.append(DiffRow(label, change.kind, "", "", rules))
                continue
            told = [
                value_words(change.path, value, translate, zone_of(after.time_zone)) if change.kind != "moved"
                else translate("Place {n}").format(n=value)
                for value in (change.before, change.after)
            ]  # fmt: skip
            rows.append(DiffRow(label, change.kind, told[0], told[1]))
    return rows


def _rule(value: Any) -> AnyAudience | None:
    try:
        return _RULE.validate_python(value)
    except ValidationError:
        return None


def _asked(typed: str, numbers: Sequence[int], default: int) -> int:
    number = hidden_number(typed, default)
    return number if number in numbers else default


handlers = [show_revisions, restore]
