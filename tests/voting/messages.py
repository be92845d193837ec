"""Every message of the product that a reader may see: of templates, of Python, of refusals."""

import ast
import importlib
import pkgutil
from ast import literal_eval
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from babel.messages.extract import extract
from jinja2 import Environment
from jinja2.ext import babel_extract

import polls
import results
import voting
from voting.problems import ANY_FIELD, FIELD_MESSAGES, KINDS, all_refusals

SOURCE = Path(voting.__file__).parents[1]
KEYWORDS = {
    "_": None,
    "gettext": None,
    "N_": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
TEMPLATE_OPTIONS = {"trimmed": "true", "trim_blocks": "true", "lstrip_blocks": "true", "newstyle_gettext": "true",
                    "extensions": "jinja2.ext.do", "silent": "false"}  # fmt: skip
# Constructors of refusals' details: the place of the message among their arguments.
SHOWN_ARGUMENTS = {"FieldError": 2, "Mistyped": 1, "_Wrong": 1}
# Modules whose validators speak to the reader: pydantic passes the text of their ValueError on.
VALIDATORS = {"polls/definition.py", "voting/api/documents.py"}


class Message(NamedTuple):
    """A message id, its plural and its context, and where it stands."""

    msgid: str
    plural: str | None
    context: str | None
    where: str


@cache
def all_messages() -> list[Message]:
    """Everything that needs Russian words."""
    return [*_templates(), *_python(), *_refusals()]


@cache
def all_literals() -> set[str]:
    """Every text in quotes in Python and in templates: messages chosen by a code stand in tables and come to
    `gettext` as a variable."""
    found = {
        node.value
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    for path in (SOURCE / "voting" / "templates").rglob("*.html"):
        found |= {text for kind, text in _tokens(path) if kind == "string"}
    return found


def _tokens(path: Path) -> Iterator[tuple[str, str]]:
    for _line, kind, text in Environment().lex(path.read_text()):
        yield kind, literal_eval(text) if kind == "string" else text


def _templates() -> Iterator[Message]:
    for path in sorted((SOURCE / "voting" / "templates").rglob("*.html")):
        yield from _extracted(path, babel_extract, TEMPLATE_OPTIONS)


def _python() -> Iterator[Message]:
    for path in sorted(SOURCE.rglob("*.py")):
        yield from _extracted(path, "python", {})
        where = path.relative_to(SOURCE).as_posix()
        shown = SHOWN_ARGUMENTS | ({"ValueError": 0} if where in VALIDATORS else {})
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in shown:
                for text in _texts(node, shown[node.func.id]):
                    yield Message(text, None, None, f"{where}:{node.lineno}")


def _texts(call: ast.Call, place: int) -> Iterator[str]:
    given = [*call.args[place : place + 1], *(keyword.value for keyword in call.keywords if keyword.arg == "message")]
    for value in given:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value.value


def _extracted(path: Path, method: object, options: dict[str, str]) -> Iterator[Message]:
    with path.open("rb") as file:
        for line, found, _comments, context in extract(method, file, KEYWORDS, options=options):  # type: ignore[arg-type]
            msgid, plural = found[:2] if isinstance(found, tuple) else (found, None)
            yield Message(str(msgid), plural, context, f"{path.relative_to(SOURCE)}:{line}")


def _refusals() -> Iterator[Message]:
    for package in (polls, results, voting):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    for code, refusal in all_refusals().items():
        for text in (refusal.detail, refusal.next_step):
            if text:
                yield Message(text, None, None, f"refusal {code}")
    for code, kind in KINDS.items():
        yield Message(kind.title, None, None, f"title of {code}")
    for text in (*FIELD_MESSAGES.values(), ANY_FIELD):
        yield Message(text, None, None, "problems.FIELD_MESSAGES")
