"""The poll document written into the editor's form; reading it back gives the same document. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from polls.definition import (
    AnyQuestion,
    Budget,
    BudgetRule,
    Definition,
    FreeText,
    MultipleChoice,
    Option,
    Points,
    Ranking,
    RankingRule,
    Rating,
    RatingRule,
    Rule,
    ShownIf,
    SingleChoice,
    Source,
    Text,
    UnitRule,
    Units,
)
from voting.web.editor_form import EditorForm
from voting.web.form_audience import put_audience
from voting.web.typed import write_degrees, write_local, write_money, write_share, zone_of


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
        _put_flag(form, name, getattr(definition, name))
    form.put("strata", *(dimension.value for dimension in definition.strata))
    for name, moment in (("opens_at", definition.opens_at), ("closes_at", definition.closes_at)):
        _put_moment(form, name, moment, zone)
    if definition.quorum is not None:
        form.put("quorum.declared", "1")
        form.put("quorum.share", write_share(definition.quorum.share))
        form.put("quorum.ballots", _number(definition.quorum.ballots))
    _put_sources(form, "sources", definition.sources)
    for style in definition.styles:
        _put_text(form, f"styles.{style.id}.title", style.title)
        form.put_all(f"styles.{style.id}.territories", style.territories)
    if definition.units is not None:
        _put_units(form, definition.units)
    for number, pair in enumerate(definition.cross_tabs, start=1):
        form.put(f"cross_tabs.{number}.rows", str(pair.rows))
        form.put(f"cross_tabs.{number}.columns", str(pair.columns))
    put_audience(form, definition.audience, zone)
    for question in definition.questions:
        _put_question(form, question, language)
    return form


def _put_text(form: EditorForm, name: str, text: Text) -> None:
    form.put(f"{name}.ru", text.ru)
    form.put(f"{name}.en", text.en)


def _put_flag(form: EditorForm, name: str, value: bool) -> None:
    form.put(name, "1" if value else "")


def _put_moment(form: EditorForm, name: str, moment: datetime | None, zone: ZoneInfo) -> None:
    local, fold = write_local(moment, zone)
    form.put(name, local)
    form.put(f"{name}.fold", fold)


def _put_sources(form: EditorForm, name: str, sources: Sequence[Source]) -> None:
    for row, source in enumerate(sources):
        _put_text(form, f"{name}.{row}.title", source.title)
        form.put(f"{name}.{row}.url", source.url)


def _put_units(form: EditorForm, units: Units) -> None:
    form.put("units.declared", "1")
    form.put_all("units.buildings", units.buildings)
    form.put("units.quorum_of_area", write_share(units.quorum_of_area))
    form.put("units.chair", units.chair)
    form.put("units.secretary", units.secretary)


# ---- questions


def _put_question(form: EditorForm, question: AnyQuestion, language: str) -> None:
    at = f"questions.{question.id}"
    form.put(f"{at}.kind", question.kind)
    _put_text(form, f"{at}.text", question.text)
    _put_text(form, f"{at}.hint", question.hint)
    _put_flag(form, f"{at}.required", question.required)
    _put_flag(form, f"{at}.shuffle", question.shuffle)
    form.put_all(f"{at}.styles", [str(style) for style in question.styles])
    if question.shown_if is not None:
        _put_shown_if(form, f"{at}.shown_if", question.shown_if)
    match question:
        case SingleChoice():
            _put_flag(form, f"{at}.own_answer", question.own_answer)
        case MultipleChoice():
            _put_flag(form, f"{at}.own_answer", question.own_answer)
            _put_numbers(form, at, min_choices=question.min_choices, max_choices=question.max_choices)
        case Rating():
            _put_rating(form, at, question)
        case Ranking():
            _put_numbers(form, at, min_ranked=question.min_ranked, max_ranked=question.max_ranked)
            _put_flag(form, f"{at}.equal_ranks", question.equal_ranks)
        case Points():
            _put_numbers(form, at, total=question.total, most_per_option=question.most_per_option)
            _put_flag(form, f"{at}.spend_all", question.spend_all)
        case Budget():
            _put_budget(form, at, question, language)
        case FreeText():
            _put_numbers(form, at, max_length=question.max_length)
    _put_rule(form, f"{at}.rule", question.rule, language)
    for option in question.options:
        _put_option(form, f"{at}.options.{option.id}", option, language)
    if isinstance(question, Budget):
        _put_groups(form, at, question)


def _put_rating(form: EditorForm, at: str, question: Rating) -> None:
    _put_numbers(form, at, scale_min=question.scale_min, scale_max=question.scale_max)
    _put_text(form, f"{at}.low_label", question.low_label)
    _put_text(form, f"{at}.high_label", question.high_label)
    _put_flag(form, f"{at}.levels.declared", bool(question.levels))
    for place, level in enumerate(question.levels):
        _put_text(form, f"{at}.levels.{place}", level)


def _put_budget(form: EditorForm, at: str, question: Budget, language: str) -> None:
    _put_numbers(form, at, min_choices=question.min_choices, max_choices=question.max_choices)
    form.put(f"{at}.currency", question.currency)
    form.put(f"{at}.ballot_limit", write_money(question.ballot_limit, language))
    _put_flag(form, f"{at}.exclusive_on_ballot", question.exclusive_on_ballot)


def _put_groups(form: EditorForm, at: str, question: Budget) -> None:
    """Each group of projects that exclude each other gets a number; their own order is remembered."""
    form.put(f"{at}.exclusive_were", json.dumps(question.exclusive_groups))
    for place, group in enumerate(question.exclusive_groups, 1):
        for option_id in group:
            if question.option(option_id) is not None:
                form.put(f"{at}.options.{option_id}.exclusive", str(place))


def _put_shown_if(form: EditorForm, at: str, shown: ShownIf) -> None:
    form.put_all(f"{at}.options", [str(option) for option in shown.options])
    _put_numbers(form, at, question=shown.question, at_least=shown.at_least, at_most=shown.at_most)


def _put_rule(form: EditorForm, at: str, rule: Rule, language: str) -> None:
    form.put(f"{at}.denominator", rule.denominator.value)
    form.put_all(f"{at}.also_valid", rule.also_valid)
    form.put(f"{at}.tie", rule.tie.value)
    _put_numbers(form, at, winners=rule.winners, min_votes=rule.min_votes)
    form.put(f"{at}.threshold", write_share(rule.threshold))
    if not isinstance(rule, RatingRule):
        form.put(f"{at}.method", str(getattr(rule, "method", "")))
    match rule:
        case RatingRule():
            form.put(f"{at}.order_by", rule.order_by)
            form.put(f"{at}.trim", write_share(rule.trim))
            form.put(f"{at}.ungraded", rule.ungraded)
        case RankingRule():
            for name in ("equal", "truncated", "strength"):
                form.put(f"{at}.{name}", getattr(rule, name))
        case BudgetRule():
            form.put(f"{at}.budget", write_money(rule.budget, language))
            form.put(f"{at}.min_score", str(rule.min_score))
            form.put(f"{at}.satisfaction", rule.satisfaction)
            form.put(f"{at}.completion", rule.completion)
            form.put(f"{at}.increment", write_money(rule.increment, language))
            _put_flag(form, f"{at}.compare_with_greedy", rule.compare_with_greedy)
        case UnitRule():
            for name in ("speaks", "weigh_by", "silent", "law"):
                form.put(f"{at}.{name}", getattr(rule, name))
            _put_numbers(form, at, for_option=rule.for_option, against_option=rule.against_option)
            _put_flag(form, f"{at}.inclusive", rule.inclusive)
        case _:
            pass


def _put_option(form: EditorForm, at: str, option: Option, language: str) -> None:
    form.put(f"{at}.kind", option.kind.value)
    _put_text(form, f"{at}.text", option.text)
    _put_text(form, f"{at}.description", option.description)
    form.put(f"{at}.cost", write_money(option.cost, language))
    form.put(f"{at}.reference", option.reference)
    form.put(f"{at}.picture.sha256", option.picture.sha256 if option.picture else "")
    if option.picture:
        _put_text(form, f"{at}.picture.alt", option.picture.alt)
    if option.place:
        form.put(f"{at}.place.declared", "1")
        _put_text(form, f"{at}.place.address", option.place.address)
        form.put(f"{at}.place.latitude", write_degrees(option.place.latitude))
        form.put(f"{at}.place.longitude", write_degrees(option.place.longitude))
    form.put_all(f"{at}.styles", [str(style) for style in option.styles])
    _put_sources(form, f"{at}.sources", option.sources)


def _put_numbers(form: EditorForm, at: str, **numbers: int | None) -> None:
    for name, value in numbers.items():
        form.put(f"{at}.{name}", _number(value))


def _number(value: int | None) -> str:
    return "" if value is None else str(value)
