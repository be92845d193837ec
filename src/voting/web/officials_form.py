"""The page around the editor's form: what it shows beside the fields, and the preview of the ballot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from litestar import Request, Response

from polls.definition import OWN, Definition
from polls.desk import register_groups
from polls.errors import FieldError, Invalid
from polls.invited import lists
from polls.register import territory_tree
from polls.sessions import ReadSession
from polls.territories import Territory, TerritoryTree
from voting.web.ballot_form import new_ballot
from voting.web.ballot_pages import Asked
from voting.web.editor_form import EditorForm
from voting.web.error_pages import described
from voting.web.form_audience_operations import may_simplify
from voting.web.form_questions import carried, levels_shown
from voting.web.forms import Parsed
from voting.web.i18n import language_of
from voting.web.officials import address_of
from voting.web.officials_words import error_lines
from voting.web.rendering import page, translate_for
from voting.web.topics import TOPICS

AnyRequest = Request[Any, Any, Any]
HOUSES_SHOWN: Final = 30
KIND_NAMES: Final = (
    ("single_choice", "One answer"),
    ("multiple_choice", "Several answers"),
    ("rating", "Rating on a scale"),
    ("ranking", "Ranking: options in order"),
    ("points", "Points to spread"),
    ("budget", "Budget: projects with costs"),
    ("text", "Free text"),
)


@dataclass
class Shown:
    """What the editor's page shows beside the form."""

    form: EditorForm
    parsed: Parsed
    based_on: int
    errors: tuple[FieldError, ...] = ()
    notice: str = ""
    changed: bool = False
    conflict: Any = None
    status: int = 200


@dataclass(frozen=True)
class Earlier:
    """A question a follow-up may hang on: its id as typed, its place, its words, its answers as ids and words."""

    id: str
    place: int
    kind: str
    text: str
    options: tuple[tuple[str, str], ...]


async def editor_page(request: AnyRequest, session: ReadSession, shown: Shown) -> Response[Any]:
    """The editor around a form."""
    form, translate = shown.form, translate_for(request)
    problem = described(request, Invalid(shown.errors))
    tree = await territory_tree(session, buildings=True)
    groups = await register_groups(session)
    language = language_of(request)
    # A page of hundreds of options takes a second to write: in a thread, so that votes go on being taken meanwhile.
    return await asyncio.to_thread(
        page, request, "officials/editor.html", status=shown.status, nav="officials", form=form,
        based_on=shown.based_on,
        errors={str(error["path"]).replace("/", "."): str(error["message"]) for error in problem.errors},
        lines=error_lines(problem.errors, form, translate), notice=shown.notice, changed=shown.changed,
        conflict=shown.conflict, tree=tree, places=tree.by_code, groups=groups, topics=TOPICS,
        address=address_of(form.get("poll_id")), carried=lambda at: list(carried(form, at)),
        levels_shown=lambda at: levels_shown(form, at), may_simplify=lambda: may_simplify(form),
        kinds=[(value, translate(name)) for value, name in KIND_NAMES],
        earlier_questions=lambda number: earlier_questions(form, number, language, translate),
        has_buildings=bool(tree.of_kind("building")), houses_found=lambda words: houses_found(tree, words),
        invited_lists=await lists(session), **preview_of(shown.parsed),
    )  # fmt: skip


def preview_of(parsed: Parsed) -> dict[str, Any]:
    """What the preview shows: every question as on a ballot, whatever ballot style it is for."""
    definition = parsed.definition
    return {
        "definition": definition, "filled": new_ballot(), "broken": bool(parsed.errors), "preview": True,
        "asked": _asked(definition) if definition else (),
    }  # fmt: skip


def _asked(definition: Definition) -> tuple[Asked, ...]:
    return tuple(
        Asked(
            question, question.regular, question.neutral,
            earlier=definition.question(question.shown_if.question) if question.shown_if else None,
        )
        for question in definition.questions
    )  # fmt: skip


def earlier_questions(
    form: EditorForm, number: int, language: str, translate: Callable[[str], str]
) -> tuple[Earlier, ...]:
    """The questions before one, with what can be answered to each: a condition may name any of it."""
    found: list[Earlier] = []
    for place, question in enumerate(form.ids("questions"), 1):
        if question == number:
            break
        at = f"questions.{question}"
        kind = form.get(f"{at}.kind")
        options = [
            (str(option), _words(form, f"{at}.options.{option}.text", language) or f"{place}.{option}")
            for option in form.ids(f"{at}.options")
        ]
        if kind == "text":
            options.append((str(OWN), translate("something was written")))
        elif form.get(f"{at}.own_answer") and kind in ("single_choice", "multiple_choice"):
            options.append((str(OWN), translate("an answer in their own words")))
        found.append(Earlier(str(question), place, kind, _words(form, f"{at}.text", language)[:80], tuple(options)))
    return tuple(found)


def houses_found(tree: TerritoryTree, words: str) -> list[Territory]:
    """Buildings whose address or code holds every word looked for, at most 30."""
    wanted = words.casefold().split()[:10]
    found = []
    for house in tree.of_kind("building"):
        told = f"{house.code} {house.name_ru} {house.name_en}".casefold()
        if wanted and all(word in told for word in wanted):
            found.append(house)
            if len(found) >= HOUSES_SHOWN:
                break
    return found


def _words(form: EditorForm, name: str, language: str) -> str:
    own, other = ("en", "ru") if language == "en" else ("ru", "en")
    return form.get(f"{name}.{own}").strip() or form.get(f"{name}.{other}").strip()
