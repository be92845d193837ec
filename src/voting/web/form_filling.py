"""The poll document written into the editor's form; reading it back gives the same document. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from polls.definition import (
    Age,
    AllOf,
    AnyAudience,
    AnyQuestion,
    Definition,
    InGroup,
    InTerritory,
    Option,
    RegisteredBefore,
    Source,
    Text,
    Verified,
)
from voting.web.forms import EditorForm
from voting.web.typed import YEARS, write_local, write_money, write_share, zone_of

PLAIN_CODE = re.compile(r"^[A-Za-z0-9_-]{1,64}\Z")


def form_of(definition: Definition, *, slug: str = "", language: str = "ru") -> EditorForm:
    """The form that shows a document; reading it back gives the same document."""
    form = EditorForm()
    zone = zone_of(definition.time_zone)
    plain = {
        "poll_id": definition.poll_id, "slug": slug, "topic": definition.topic, "territory": definition.territory,
        "register": definition.register_code, "department": definition.department, "time_zone": definition.time_zone,
        "privacy": definition.privacy.value, "visibility": definition.visibility.value,
        "receipt": definition.receipt.value, "age_bands": ", ".join(map(str, definition.age_bands)),
    }  # fmt: skip
    for name, value in plain.items():
        form.put(name, value)
    for name in ("title", "summary", "description", "names_seen_by"):
        _put_text(form, name, getattr(definition, name))
    for name in ("binding", "late_registration", "may_change", "roll_known"):
        form.put(name, "1" if getattr(definition, name) else "")
    form.put("strata", *(dimension.value for dimension in definition.strata))
    for name, moment in (("opens_at", definition.opens_at), ("closes_at", definition.closes_at)):
        _put_moment(form, name, moment, zone)
    if definition.quorum is not None:
        form.put("quorum.declared", "1")
        form.put("quorum.share", write_share(definition.quorum.share))
        form.put("quorum.ballots", _number(definition.quorum.ballots))
    _put_sources(form, "sources", definition.sources)
    _put_audience(form, definition.audience, zone)
    for question in definition.questions:
        _put_question(form, question, language)
    return form


def _put_text(form: EditorForm, name: str, text: Text) -> None:
    form.put(f"{name}.ru", text.ru)
    form.put(f"{name}.en", text.en)


def _put_moment(form: EditorForm, name: str, moment: datetime | None, zone: ZoneInfo) -> None:
    local, fold = write_local(moment, zone)
    form.put(name, local)
    form.put(f"{name}.fold", fold)


def _put_sources(form: EditorForm, name: str, sources: Sequence[Source]) -> None:
    for row, source in enumerate(sources):
        _put_text(form, f"{name}.{row}.title", source.title)
        form.put(f"{name}.{row}.url", source.url)


def _put_question(form: EditorForm, question: AnyQuestion, language: str) -> None:
    at, rule = f"questions.{question.id}", question.rule
    form.put(f"{at}.kind", question.kind)
    _put_text(form, f"{at}.text", question.text)
    _put_text(form, f"{at}.hint", question.hint)
    form.put(f"{at}.required", "1" if question.required else "")
    form.put(f"{at}.shuffle", "1" if question.shuffle else "")
    form.put(f"{at}.rule.denominator", rule.denominator.value)
    form.put(f"{at}.rule.tie", rule.tie.value)
    form.put(f"{at}.rule.winners", str(rule.winners))
    form.put(f"{at}.rule.threshold", write_share(rule.threshold))
    if question.kind in ("multiple_choice", "budget"):
        form.put(f"{at}.min_choices", str(question.min_choices))
        form.put(f"{at}.max_choices", _number(question.max_choices))
    if question.kind == "rating":
        _put_text(form, f"{at}.low_label", question.low_label)
        _put_text(form, f"{at}.high_label", question.high_label)
        form.put(f"{at}.rule.order_by", question.rule.order_by)
    if question.kind == "budget":
        form.put(f"{at}.currency", question.currency)
        form.put(f"{at}.ballot_limit", write_money(question.ballot_limit, language))
        form.put(f"{at}.rule.method", question.rule.method)
        form.put(f"{at}.rule.budget", write_money(question.rule.budget, language))
        form.put(f"{at}.rule.min_score", str(question.rule.min_score))
    for option in question.options:
        _put_option(form, f"{at}.options.{option.id}", option, language)


def _put_option(form: EditorForm, at: str, option: Option, language: str) -> None:
    form.put(f"{at}.kind", option.kind.value)
    _put_text(form, f"{at}.text", option.text)
    _put_text(form, f"{at}.description", option.description)
    form.put(f"{at}.cost", write_money(option.cost, language))
    form.put(f"{at}.reference", option.reference)
    form.put(f"{at}.picture.sha256", option.picture.sha256 if option.picture else "")
    if option.picture:
        _put_text(form, f"{at}.picture.alt", option.picture.alt)
    _put_sources(form, f"{at}.sources", option.sources)


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _put_audience(form: EditorForm, rule: AnyAudience, zone: ZoneInfo) -> None:
    """A conjunction of plain parts goes into fields; any other tree is carried as it is, in JSON."""
    if not is_plain(rule):
        form.put("audience.json", json.dumps(rule.model_dump(mode="json"), ensure_ascii=False, indent=2))
        return
    assert isinstance(rule, AllOf)
    form.put("audience.parts_were", " ".join(part.op for part in rule.of))
    for part in rule.of:
        match part:
            case InTerritory():
                form.put("audience.territories", *part.codes)
                form.put("audience.territories_were", " ".join(part.codes))
            case InGroup():
                form.put("audience.groups", *part.codes)
                form.put("audience.groups_were", " ".join(part.codes))
            case Age():
                form.put("audience.age_from", _number(part.at_least))
                form.put("audience.age_to", _number(part.at_most))
            case Verified():
                form.put("audience.level", str(part.level))
            case RegisteredBefore():
                _put_moment(form, "audience.registered_before", part.moment, zone)
            case _:
                pass


def is_plain(rule: AnyAudience) -> bool:
    """Whether the form's fields can say the rule: at most one part of each kind, all of which must hold."""
    if not isinstance(rule, AllOf) or len({part.op for part in rule.of}) != len(rule.of):
        return False
    return all(_has_field(part) for part in rule.of)


def _has_field(part: AnyAudience) -> bool:
    match part:
        case InTerritory() | InGroup():
            return len(set(part.codes)) == len(part.codes) and all(PLAIN_CODE.match(code) for code in part.codes)
        case Age():
            if part.at_least is not None and part.at_most is not None:
                return part.at_least <= part.at_most
            return part.at_least is not None or part.at_most is not None
        case RegisteredBefore():
            return part.moment.year in YEARS
        case _:
            return isinstance(part, Verified)
