"""The gate cannot be forgotten: whoever reads the source finds no way past it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from voting.approvals.actions import RULES, Action
from voting.approvals.carrying_out import GUARDED

SOURCE = Path(__file__).resolve().parents[3] / "src"
# Where a guarded use case is defined, and what plays or builds a city nobody votes in.
DEFINED = {"polls", "results"}
EXEMPT = {
    "voting/rehearsal/play.py",  # a database made for it and thrown away
    "voting/demo/city.py",  # refused outside the demo
    "voting/identity/accounts.py",  # defines roles; a new resident's account gets the role of residents
    "voting/keys.py",  # defines rotations
    "voting/approvals/carrying_out.py",
    "voting/approvals/gate.py",
}
ONE_BY_ONE = {
    "voting/certifying.py": {"certify_protocol"},  # two people by its own rules, with a fresh proof
    "voting/commands/keys.py": {"record_new_key", "retire_old_key"},  # after spend_key_change
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((SOURCE / "voting").rglob("*.py")):
        yield path.relative_to(SOURCE).as_posix(), ast.parse(path.read_text())


def names_in(tree: ast.AST) -> set[str]:
    """Every name read, called, imported, or reached as an attribute: renaming on import hides nothing."""
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    found |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    found |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    return found | {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value in GUARDED}


def test_nothing_outside_the_gate_reaches_what_takes_two() -> None:
    past = {
        (where, name)
        for where, tree in modules()
        if where not in EXEMPT
        for name in names_in(tree) & GUARDED - ONE_BY_ONE.get(where, set())
        if (where, name) not in KNOWN_OTHERWISE
    }
    assert not past, past


# The name of something else: a path, a form's field, a route's own word.
KNOWN_OTHERWISE = {("voting/approvals/actions.py", "close_early"), ("voting/approvals/actions.py", "grant_role"),
                   ("voting/approvals/actions.py", "revoke_role"),
                   ("voting/approvals/actions.py", "enable_account")}  # fmt: skip


def test_the_walk_would_notice() -> None:
    for source in (
        "from polls.authoring import schedule_poll", "import polls.authoring as a\na.schedule_poll(1)",
        "from polls.authoring import schedule_poll as harmless", "getattr(authoring, 'schedule_poll')",
    ):  # fmt: skip
        assert names_in(ast.parse(source)) & GUARDED == {"schedule_poll"}


def test_every_guarded_name_is_there() -> None:
    """A use case renamed must not slip out of the walk."""
    defined = {
        node.name
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.AsyncFunctionDef)
    }
    assert defined >= GUARDED


def test_keys_are_changed_only_after_the_consent_is_spent() -> None:
    tree = ast.parse((SOURCE / "voting/commands/keys.py").read_text())
    calls = [
        node.func.id
        for function in ast.walk(tree)
        if isinstance(function, ast.AsyncFunctionDef) and function.name == "rotate_purpose"
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    lines = {name: calls.index(name) for name in ("spend_key_change", "record_new_key")}
    assert lines["spend_key_change"] < lines["record_new_key"]


def test_certifying_asks_for_a_fresh_proof() -> None:
    tree = ast.parse((SOURCE / "voting/certifying.py").read_text())
    (certify,) = (one for one in ast.walk(tree) if isinstance(one, ast.AsyncFunctionDef) and one.name == "certify")
    told = ast.unparse(certify)
    assert told.index("hand.prove") < told.index("certify_protocol(")


def test_every_action_has_two_roles() -> None:
    assert set(RULES) == set(Action)
    assert {(rule.asks, rule.consents) for rule in RULES.values()} == {("official", "reviewer"), ("admin", "admin")}
