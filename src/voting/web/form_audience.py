"""Who may vote, in the editor's form: a few plain fields, or a tree of conditions. Pure.

Plain fields (``audience.age_from`` …) say a conjunction with at most one condition of each kind, which is what most
polls ask. A richer rule is a tree: the root stands at ``audience``, its parts at ``audience.parts.1``,
``audience.parts.1.parts.2`` …, each with an ``op`` and ``not`` for «all except those». What a tree of fields cannot say
(«not» of «not», more than `DEEPEST` levels) is carried as JSON, exactly as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from polls.audience_rule import (
    Age,
    AllOf,
    AnyAudience,
    AnyOf,
    InGroup,
    InTerritory,
    Invited,
    Not,
    OwnsUnit,
    RegisteredBefore,
    Verified,
)
from voting.web.editor_form import EditorForm
from voting.web.form_reader import FieldReader
from voting.web.typed import YEARS, Mistyped, write_local

LONGEST_JSON: Final = 100_000
DEEPEST: Final = 8
OPS: Final = ("all", "any", "age", "territory", "unit", "group", "verified", "registered_before", "invited")
TAGS: Final = frozenset({*OPS, "not"})
PLAIN_CODE = re.compile(r"^[^\s,;\x00]{1,100}\Z")
EVERYBODY: Final[Mapping[str, Any]] = {"op": "all", "of": []}
_PLAIN_FIELD: Final = {"territory": "territories", "group": "groups", "verified": "level",
                       "registered_before": "registered_before", "invited": "invited"}  # fmt: skip


# ---- form → rule


def read_audience(reader: FieldReader) -> Any:
    """The rule as plain values, from whichever of the three ways the form uses."""
    typed = reader.form.get("audience.json").strip()
    if typed:
        return reader.parsed("audience.json", _read_json, EVERYBODY)
    if reader.form.get("audience.op"):
        return _read_part(reader, "audience", 0)
    return _read_plain(reader)


def _read_plain(reader: FieldReader) -> dict[str, Any]:
    parts: dict[str, dict[str, Any]] = {}
    low, high = reader.number("audience.age_from", None), reader.number("audience.age_to", None)
    if low is not None or high is not None:
        if low is not None and high is not None and low > high:
            reader.wrong("audience.age_to", "age_order", "The upper age is lower than the lower one.")
        parts["age"] = {"op": "age", "at_least": low, "at_most": high}
    for op, name in (("territory", "audience.territories"), ("group", "audience.groups")):
        if codes := reader.ticked(name):
            parts[op] = {"op": op, "codes": codes}
    level = reader.number("audience.level", None)
    if level is not None:
        parts["verified"] = {"op": "verified", "level": level}
    before = reader.moment("audience.registered_before")
    if before is not None:
        parts["registered_before"] = {"op": "registered_before", "moment": before}
    if code := reader.form.get("audience.invited"):
        parts["invited"] = {"op": "invited", "list_code": code}
    were = reader.form.get("audience.parts_were").split()
    return {"op": "all", "of": [parts[op] for op in (were if sorted(were) == sorted(parts) else parts)]}


def _read_part(reader: FieldReader, at: str, depth: int) -> dict[str, Any]:
    op = reader.form.get(f"{at}.op")
    part: dict[str, Any] = {"op": op}
    match op:
        case "all" | "any":
            inner = reader.form.ids(f"{at}.parts") if depth < DEEPEST else []
            part["of"] = [_read_part(reader, f"{at}.parts.{n}", depth + 1) for n in inner]
        case "age":
            part |= {name: reader.number(f"{at}.{name}", None) for name in ("at_least", "at_most")}
        case "territory" | "unit" | "group":
            part["codes"] = reader.ticked(f"{at}.codes")
        case "verified":
            part["level"] = reader.number(f"{at}.level", 1)
        case "registered_before":
            part["moment"] = reader.moment(f"{at}.moment")
            if part["moment"] is None and not any(e.path == f"{at}.moment".replace(".", "/") for e in reader.errors):
                reader.wrong(f"{at}.moment", "moment_missing", "Type a date and a time, or remove the condition.")
                return dict(EVERYBODY)
        case "invited":
            part["list_code"] = reader.form.get(f"{at}.list_code")
        case _:
            reader.wrong(f"{at}.op", "unknown_condition", "Choose what the condition is about.")
            return dict(EVERYBODY)
    if part.get("moment", 0) is None:
        return dict(EVERYBODY)
    return {"op": "not", "of": part} if reader.flag(f"{at}.not") else part


def _read_json(typed: str) -> Any:
    if len(typed) > LONGEST_JSON:
        raise Mistyped("rule_unreadable", "The rule cannot be read as JSON.")
    try:
        return json.loads(typed)
    except (ValueError, RecursionError) as error:
        raise Mistyped("rule_unreadable", "The rule cannot be read as JSON.") from error


def audience_field(parts: list[str], form: EditorForm) -> list[str]:
    """The field an error of the document's validator is about: ``audience/all/of/0/age/at_least`` → its name.

    `parts` is the validator's path below ``audience``, with tags of unions and positions.
    """
    if form.get("audience.json").strip():
        return ["audience"]
    if not form.get("audience.op"):
        ops = [part for part in parts if part in TAGS]
        op = ops[-1] if ops else ""
        if op == "age":
            return ["audience", "age_to" if parts[-1] == "at_most" else "age_from"]
        return ["audience", _PLAIN_FIELD[op]] if op in _PLAIN_FIELD else ["audience"]
    at, last = "audience", ""
    for part in parts:
        if part.isdigit() and last == "of":
            ids = form.ids(f"{at}.parts")
            at = f"{at}.parts.{ids[int(part)]}" if int(part) < len(ids) else at
        elif part not in TAGS and part != "of" and not part.isdigit():
            return [*at.split("."), part]
        last = part
    return at.split(".")


# ---- rule → form


def put_audience(form: EditorForm, rule: AnyAudience, zone: ZoneInfo) -> None:
    """Write a rule into the form: plain fields where they can say it, else a tree, else JSON."""
    if is_plain(rule):
        put_plain(form, rule, zone)
    elif is_tree(rule):
        put_tree(form, rule, zone)
    else:
        form.put("audience.json", json.dumps(rule.model_dump(mode="json"), ensure_ascii=False, indent=2))


def put_plain(form: EditorForm, rule: AnyAudience, zone: ZoneInfo) -> None:
    """The plain fields of a rule that is plain."""
    assert isinstance(rule, AllOf)
    form.put("audience.parts_were", " ".join(part.op for part in rule.of))
    for part in rule.of:
        match part:
            case InTerritory():
                form.put_all("audience.territories", part.codes)
            case InGroup():
                form.put_all("audience.groups", part.codes)
            case Age():
                form.put("audience.age_from", _number(part.at_least))
                form.put("audience.age_to", _number(part.at_most))
            case Verified():
                form.put("audience.level", str(part.level))
            case RegisteredBefore():
                _put_moment(form, "audience.registered_before", part, zone)
            case Invited():
                form.put("audience.invited", part.list_code)
            case _:
                pass


def put_tree(form: EditorForm, rule: AnyAudience, zone: ZoneInfo, at: str = "audience") -> None:
    """The fields of a tree."""
    part = rule.of if isinstance(rule, Not) else rule
    form.put(f"{at}.op", part.op)
    form.put(f"{at}.not", "1" if isinstance(rule, Not) else "")
    match part:
        case AllOf() | AnyOf():
            for number, inner in enumerate(part.of, 1):
                put_tree(form, inner, zone, f"{at}.parts.{number}")
        case Age():
            form.put(f"{at}.at_least", _number(part.at_least))
            form.put(f"{at}.at_most", _number(part.at_most))
        case InTerritory() | OwnsUnit() | InGroup():
            form.put_all(f"{at}.codes", part.codes)
        case Verified():
            form.put(f"{at}.level", str(part.level))
        case RegisteredBefore():
            _put_moment(form, f"{at}.moment", part, zone)
        case Invited():
            form.put(f"{at}.list_code", part.list_code)
        case Not():
            raise ValueError("«not» of «not» has no fields")


def is_plain(rule: AnyAudience) -> bool:
    """Whether the plain fields can say the rule: at most one part of each kind, all of which must hold."""
    if not isinstance(rule, AllOf) or len({part.op for part in rule.of}) != len(rule.of):
        return False
    return all(_has_plain_field(part) for part in rule.of)


def is_tree(rule: AnyAudience, depth: int = 0) -> bool:
    """Whether a tree of fields can say the rule."""
    part = rule.of if isinstance(rule, Not) else rule
    if isinstance(part, AllOf | AnyOf):
        return depth < DEEPEST and all(is_tree(inner, depth + 1) for inner in part.of)
    return not isinstance(part, Not) and _has_fields(part)


def _has_plain_field(part: AnyAudience) -> bool:
    if isinstance(part, Age):
        low, high = part.at_least, part.at_most
        return (low is not None or high is not None) and (low is None or high is None or low <= high)
    return isinstance(part, InTerritory | InGroup | Verified | RegisteredBefore | Invited) and _has_fields(part)


def _has_fields(part: AnyAudience) -> bool:
    match part:
        case InTerritory() | InGroup() | OwnsUnit():
            return len(set(part.codes)) == len(part.codes) and all(PLAIN_CODE.match(code) for code in part.codes)
        case RegisteredBefore():
            return part.moment.year in YEARS
        case Invited():
            return bool(PLAIN_CODE.match(part.list_code))
        case _:
            return True


def _put_moment(form: EditorForm, name: str, part: RegisteredBefore, zone: ZoneInfo) -> None:
    local, fold = write_local(part.moment, zone)
    form.put(name, local)
    form.put(f"{name}.fold", fold)


def _number(value: int | None) -> str:
    return "" if value is None else str(value)
