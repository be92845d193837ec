"""The editor's form: a document survives it unchanged, and hostile input gives field errors and nothing else."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.builders import a_budget, a_definition, a_multiple_choice, a_rating, a_single_choice

from polls.definition import MAX_MONEY, Definition
from voting.web.editor_form import LONGEST_NAME, EditorForm
from voting.web.form_audience import is_plain
from voting.web.form_filling import form_of
from voting.web.form_operations import NEUTRAL, OPERATIONS, differences, mark_ids, operate
from voting.web.form_questions import RANKING_METHODS, carried
from voting.web.forms import definition_of
from voting.web.typed import (
    Mistyped,
    read_local,
    read_money,
    read_number,
    read_share,
    write_local,
    write_money,
    write_share,
    zone_of,
)

MOSCOW, BERLIN = ZoneInfo("Europe/Moscow"), ZoneInfo("Europe/Berlin")

# ---- documents of every shape

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cs"]) | st.just("\n"), max_size=40)
texts = st.fixed_dictionaries({"ru": words, "en": words})
moments = st.datetimes(datetime(1971, 1, 1), datetime(2150, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=0)
)
shares = st.none() | st.fractions(0, 1, max_denominator=9999).map(lambda f: f"{f.numerator}/{f.denominator}")
less_than_half = st.fractions(0, Fraction(49, 100), max_denominator=999).map(lambda f: f"{f.numerator}/{f.denominator}")
money = st.integers(0, MAX_MONEY)
codes = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=12)
urls = codes.map(lambda code: f"https://example.org/{code}?a=1&b={code}")
sources = st.lists(st.fixed_dictionaries({"title": texts, "url": urls}), max_size=2)
hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
places = st.none() | st.one_of(
    st.fixed_dictionaries({"address": texts}),
    st.fixed_dictionaries({"address": texts, "latitude": st.integers(-90_000_000, 90_000_000),
                           "longitude": st.integers(-180_000_000, 180_000_000)}),
)  # fmt: skip
style_ids = st.lists(st.integers(1, 32_767), max_size=3, unique=True)
options = st.fixed_dictionaries(
    {"text": texts, "description": texts, "kind": st.sampled_from(["regular", "neutral"]),
     "cost": st.none() | money, "sources": sources, "reference": words.map(lambda text: text[:40]),
     "picture": st.none() | st.fixed_dictionaries({"sha256": hashes, "alt": texts}), "place": places,
     "styles": style_ids}
)  # fmt: skip


@st.composite
def numbered(draw: Any, items: Any, most: int) -> list[dict[str, Any]]:
    listed = draw(st.lists(items, max_size=most))
    ids = draw(st.lists(st.integers(1, 32_767), min_size=len(listed), max_size=len(listed), unique=True))
    return [{**item, "id": number} for item, number in zip(listed, ids, strict=True)]


def rules(**more: Any) -> Any:
    return st.fixed_dictionaries(
        {"denominator": st.sampled_from(["valid", "cast", "entitled"]),
         "tie": st.sampled_from(["joint", "lot", "chair"]), "winners": st.integers(1, 300), "threshold": shares,
         "min_votes": st.integers(0, 10**9),
         "also_valid": st.lists(st.sampled_from(["neutral", "blank"]), unique=True), **more}
    )  # fmt: skip


shown_ifs = st.none() | st.fixed_dictionaries(
    {"question": st.integers(1, 32_767), "options": st.lists(st.integers(0, 32_767), max_size=3, unique=True),
     "at_least": st.none() | st.integers(-100, 100), "at_most": st.none() | st.integers(-100, 100)}
)  # fmt: skip


def questions(kind: str, rule: Any, **more: Any) -> Any:
    return st.fixed_dictionaries(
        {"kind": st.just(kind), "text": texts, "hint": texts, "required": st.booleans(), "shuffle": st.booleans(),
         "options": numbered(options, 4), "shown_if": shown_ifs, "styles": style_ids, "rule": rule, **more}
    )  # fmt: skip


@st.composite
def ratings(draw: Any) -> dict[str, Any]:
    low = draw(st.integers(-100, 99))
    high = draw(st.integers(low + 1, min(low + 12, 100)))
    levels = draw(st.just([]) | st.lists(texts, min_size=high - low + 1, max_size=high - low + 1))
    rule = rules(order_by=st.sampled_from(["mean", "trimmed_mean", "median", "majority_judgment"]),
                 trim=less_than_half, ungraded=st.sampled_from(["worst", "left"]))  # fmt: skip
    question = draw(questions("rating", rule, low_label=texts, high_label=texts))
    return {**question, "scale_min": low, "scale_max": high, "levels": levels}


@st.composite
def budgets(draw: Any) -> dict[str, Any]:
    rule = rules(
        method=st.sampled_from(["greedy", "greedy_threshold", "greedy_no_skip", "equal_shares"]), budget=money,
        min_score=st.integers(0, 10**9), satisfaction=st.sampled_from(["cost", "cardinality"]),
        completion=st.sampled_from(["none", "add1", "add1u"]), increment=st.none() | st.integers(1, 10**9),
        compare_with_greedy=st.booleans(),
    )  # fmt: skip
    more = {"currency": st.sampled_from(["RUB", "EUR"]), "ballot_limit": st.none() | money,
            "exclusive_on_ballot": st.booleans(), **choices}  # fmt: skip
    question = draw(questions("budget", rule, **more))
    ids = draw(st.permutations([option["id"] for option in question["options"]]))
    groups = draw(st.sampled_from([[], [ids[:2]], [ids[:2], ids[2:4]], [ids[2:4], ids[:2]]]))
    return {**question, "exclusive_groups": [group for group in groups if len(group) == 2]}


choices = {"min_choices": st.integers(1, 300), "max_choices": st.none() | st.integers(1, 300)}
unit_rules = rules(
    method=st.just("units"), speaks=st.sampled_from(["unit", "owner"]), weigh_by=st.sampled_from(["units", "area"]),
    silent=st.sampled_from(["dropped", "proportional", "for", "against"]), for_option=st.integers(1, 100),
    against_option=st.integers(1, 100), inclusive=st.booleans(), law=words,
)  # fmt: skip
any_question = st.one_of(
    questions("single_choice", rules() | unit_rules, own_answer=st.booleans()),
    questions("multiple_choice", rules(), own_answer=st.booleans(), **choices),
    ratings(),
    questions(
        "ranking",
        rules(method=st.sampled_from(RANKING_METHODS), equal=st.sampled_from(["skip", "exhaust"]),
              truncated=st.sampled_from(["average", "zero", "modified"]),
              strength=st.sampled_from(["margins", "winning_votes"]))
        .map(lambda rule: rule | ({"winners": 1} if rule["method"] == "instant_runoff" else {})),
        min_ranked=st.integers(1, 300), max_ranked=st.none() | st.integers(1, 300), equal_ranks=st.booleans(),
    ),
    questions("points", rules(), total=st.integers(1, 10**6), most_per_option=st.none() | st.integers(1, 10**6),
              spend_all=st.booleans()),
    questions("text", rules(), max_length=st.integers(1, 5_000)),
    budgets(),
)  # fmt: skip
ages = st.none() | st.integers(0, 130)
leaves = st.one_of(
    st.fixed_dictionaries({"op": st.just("age"), "at_least": ages, "at_most": ages}),
    st.fixed_dictionaries({"op": st.sampled_from(["territory", "group", "unit"]),
                           "codes": st.lists(codes | words.filter(bool), min_size=1, max_size=4)}),
    st.fixed_dictionaries({"op": st.just("verified"), "level": st.integers(1, 3)}),
    st.fixed_dictionaries({"op": st.just("registered_before"), "moment": moments}),
    st.fixed_dictionaries({"op": st.just("invited"), "list_code": codes | words.filter(lambda w: bool(w.strip()))}),
)  # fmt: skip
audiences = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"op": st.sampled_from(["all", "any"]), "of": st.lists(inner, max_size=4)}),
        st.fixed_dictionaries({"op": st.just("not"), "of": inner}),
    ),
    max_leaves=6,
)
styles = numbered(
    st.fixed_dictionaries({"title": texts, "territories": st.lists(codes | words.filter(lambda w: bool(w.strip())),
                                                                   max_size=3, unique_by=str.strip)}), 3
)  # fmt: skip
units = st.none() | st.fixed_dictionaries(
    {"buildings": st.lists(codes, max_size=3, unique=True), "quorum_of_area": shares, "chair": words,
     "secretary": words}
)  # fmt: skip
ids = st.integers(1, 32_767)
definitions = st.fixed_dictionaries(
    {"poll_id": st.text("0123456789abcdef", min_size=32, max_size=32), "title": texts, "summary": texts,
     "description": texts, "binding": st.booleans(), "topic": st.sampled_from(["parks", "other"]), "territory": words,
     "register": st.sampled_from(["city", "other"]), "department": words, "sources": sources,
     "questions": numbered(any_question, 3), "audience": audiences, "late_registration": st.booleans(),
     "styles": styles, "units": units,
     "strata": st.lists(st.sampled_from(["district", "age_band", "sex"]), unique=True),
     "age_bands": st.lists(st.integers(0, 130), min_size=1, max_size=8, unique=True).map(sorted),
     "opens_at": st.none() | moments, "closes_at": st.none() | moments,
     "time_zone": st.sampled_from(["Europe/Moscow", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]),
     "privacy": st.sampled_from(["separated", "named"]), "may_change": st.booleans(), "names_seen_by": texts,
     "visibility": st.sampled_from(["after_close", "live"]),
     "receipt": st.sampled_from(["inclusion", "acceptance_only"]), "roll_known": st.booleans(),
     "cross_tabs": st.lists(st.fixed_dictionaries({"rows": ids, "columns": ids}), max_size=6),
     "quorum": st.none() | st.fixed_dictionaries({"share": shares, "ballots": st.none() | st.integers(1, 10**9)})}
).map(Definition.model_validate)  # fmt: skip


def submitted(form: EditorForm) -> EditorForm:
    """The form as a browser sends it: pairs, with line ends of its own."""
    pairs = [(name, value) for name, values in form.values.items() for value in values]
    return EditorForm.read((name, value.replace("\n", "\r\n")) for name, value in pairs)


@settings(max_examples=300, deadline=None)
@given(definitions, st.sampled_from(["ru", "en"]))
def test_a_document_survives_the_form(definition: Definition, language: str) -> None:
    form = submitted(form_of(definition, slug="a-slug", language=language))
    parsed = definition_of(form)
    assert parsed.errors == ()
    assert parsed.valid == definition
    assert all(len(name) <= LONGEST_NAME for name in form.values)


names = st.from_regex(
    r"(title|questions|audience|quorum|sources|opens_at|age_bands|strata|territory|styles|units|cross_tabs)"
    r"(\.(ru|en|[0-9]{1,6}|options|kind|text|cost|url|rule|budget|threshold|json|fold|id|sha256|picture|share|sources"
    r"|territories|winners|age_from|age_to|level|registered_before|parts|op|not|codes|codes_were|moment|at_least|method"
    r"|shown_if|question|styles|place|latitude|levels|declared|exclusive|exclusive_were|scale_min|buildings"
    r"|also_valid|rows|columns)){0,6}",
    fullmatch=True,
)
hostile = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["9" * 5000, "-1", "0", "all", "any", "age", "territory", "ranking", "points", "units", "text", "[[1,2],[3]]",
         "[1]", "{}", "schulze", "1e9", "NaN", "²", "١٢", "1,200", "budget", "rating", "\x00", "\ud800", "\u202e",
         "[" * 5000, '{"op":"not","of":' * 60, '{"op":"all","of":null}', "null", "[]", "2026-03-29T02:30",
         "9999-12-31T23:59", "0001-01-01T00:00", "1/0", "7/3", "0/0", "../../etc/passwd", "<script>alert(1)</script>",
         "'; DROP TABLE poll--"]
    ),
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(names | st.text(max_size=20), hostile), max_size=25), st.booleans())
def test_hostile_input_gives_field_errors_only(pairs: list[tuple[str, str]], over_a_document: bool) -> None:
    base = form_of(a_definition(questions=[a_single_choice(), a_budget(2)])) if over_a_document else EditorForm()
    good = [(name, value) for name, values in base.values.items() for value in values]
    form = EditorForm.read([*pairs, *good])
    parsed = definition_of(form)
    assert parsed.valid is not None or parsed.errors
    for error in parsed.errors:
        assert error.code
        assert error.message
        assert "//" not in error.path
    for operation in OPERATIONS:
        operate(form, f"{operation}:1:2")
        operate(form, operation)
    operate(form, "add_part:any:1")
    list(carried(form, "questions.1"))
    definition_of(form)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.from_regex(r"[0-9 .,]{1,15}( млн| тыс\.?|m)?( ₽)?", fullmatch=True))
def test_readers_of_typed_text_refuse_or_give_exact_values(typed: str) -> None:
    for read in (read_money, read_share, read_number, lambda text: read_local(text, BERLIN)):
        with suppress(Mistyped):
            read(typed)


# ---- money, shares, times


@pytest.mark.parametrize(
    ("typed", "hundredths"),
    [
        ("1 200 000", 1_200_000_00), ("1\u00a0200\u202f000", 1_200_000_00), ("1,5 млн", 1_500_000_00),
        ("1.5 млн ₽", 1_500_000_00), ("1200000.50", 1_200_000_50), ("1 200 000,50 руб.", 1_200_000_50),
        ("1,200,000.5", 1_200_000_50), ("1.200.000,5", 1_200_000_50), ("1.200.000", 1_200_000_00), ("0", 0),
        ("12 тыс. руб", 12_000_00), ("0,001 млн", 1_000_00), ("3 млрд", 3_000_000_000_00), ("2 million", 2_000_000_00),
        ("1'200'000", 1_200_000_00), ("1,250 млн", 1_250_000_00), ("0.07", 7), ("5 р.", 5_00),
    ],
)  # fmt: skip
def test_money_is_read_as_people_write_it(typed: str, hundredths: int) -> None:
    assert read_money(typed) == hundredths


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("1,200", "money_unclear"), ("1.200", "money_unclear"), ("12 00", "money_groups"), ("1.005", "money_unclear"),
        ("0.005", "money_too_fine"), ("-5", "money"), ("1e6", "money"), ("много", "money"), ("10 трлн", "money"),
        ("99999999999999", "money_too_large"), ("1.2.3,4,5", "money_groups"), ("1" * 80, "too_long_typed"),
        ("², 5", "money"),
    ],
)  # fmt: skip
def test_money_that_is_not_clear_is_refused(typed: str, code: str) -> None:
    with pytest.raises(Mistyped) as refused:
        read_money(typed)
    assert refused.value.code == code


@given(money, st.sampled_from(["ru", "en"]))
def test_money_written_is_read_back(hundredths: int, language: str) -> None:
    assert read_money(write_money(hundredths, language)) == hundredths


@pytest.mark.parametrize(
    ("typed", "share"),
    [("50%", "1/2"), ("50", "1/2"), ("66,6 %", "333/500"), ("2/3", "2/3"), ("0", "0/1"), ("100 %", "1/1")],
)
def test_shares(typed: str, share: str) -> None:
    assert read_share(typed) == share
    assert read_share(write_share(share)) == share


@pytest.mark.parametrize("typed", ["101%", "3/2", "1/0", "half", "-1", "1/3/3"])
def test_shares_that_are_none(typed: str) -> None:
    with pytest.raises(Mistyped):
        read_share(typed)


def test_local_times() -> None:
    nine = datetime(2026, 12, 1, 6, 0, tzinfo=UTC)
    for typed in ("2026-12-01T09:00", "2026-12-01 9:00", "1.12.2026 9:00", "01.12.2026, 09:00:00"):
        assert read_local(typed, MOSCOW) == nine
    assert write_local(nine, MOSCOW) == ("2026-12-01T09:00", "")


def test_an_hour_the_clocks_skip_is_refused() -> None:
    with pytest.raises(Mistyped) as refused:
        read_local("2026-03-29T02:30", BERLIN)
    assert refused.value.code == "local_time_skipped"


def test_an_hour_the_clocks_show_twice_is_asked_about() -> None:
    with pytest.raises(Mistyped) as refused:
        read_local("2026-10-25T02:30", BERLIN)
    assert refused.value.code == "local_time_twice"
    first, second = (read_local("2026-10-25T02:30", BERLIN, fold) for fold in "01")
    assert (first, second) == (
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
    )
    assert write_local(first, BERLIN) == ("2026-10-25T02:30", "0")
    assert write_local(second, BERLIN) == ("2026-10-25T02:30", "1")


def test_the_form_says_which_field_needs_the_answer() -> None:
    form = form_of(a_definition(time_zone="Europe/Berlin"))
    form.put("closes_at", "2026-10-25T02:30")
    form.put("closes_at.fold", "")
    assert [(error.path, error.code) for error in definition_of(form).errors] == [("closes_at", "local_time_twice")]


@pytest.mark.parametrize("name", ["Europe", "../etc/passwd", "", "\x00", "No/Such"])
def test_a_zone_that_is_none_is_utc(name: str) -> None:
    assert zone_of(name).key == "UTC"


# ---- every error at once, under its own field


def test_every_error_at_once_and_nothing_lost() -> None:
    form = form_of(a_definition(questions=[a_single_choice(7), a_budget(3)]))
    typed = {
        "opens_at": "2026-13-01 9:00", "questions.3.rule.budget": "1,200",
        "questions.3.options.2.text.ru": "я" * 10_001,
        "questions.7.options.90.sources.5.url": "javascript:alert(1)", "audience.age_from": "200",
        "age_bands": "18, 14", "questions.7.rule.threshold": "много", "quorum.ballots": "0", "topic": "Парки",
    }  # fmt: skip
    for name, value in typed.items():
        form.put(name, value)
    errors = {error.path: error.code for error in definition_of(form).errors}
    assert set(errors) >= {name.replace(".", "/") for name in typed} - {"age_bands"}
    assert all(form.get(name) == value for name, value in typed.items())


def test_a_rule_across_fields_is_told_when_the_fields_are_right() -> None:
    form = form_of(a_definition())
    form.put("age_bands", "18, 14")
    assert [error.message for error in definition_of(form).errors] == ["age bands are rising lower bounds"]


def test_limits_are_said_in_words() -> None:
    questions = form_of(a_definition())
    for number in range(1, 60):
        questions.put(f"questions.{number}.kind", "rating")
    assert [(e.path, e.code, e.facts) for e in definition_of(questions).errors] == [
        ("questions", "too_long", {"field_type": "Tuple", "max_length": 50, "actual_length": 59})
    ] or definition_of(questions).errors[0].path == "questions"
    options = form_of(a_definition())
    for number in range(1, 1001):
        options.put(f"questions.1.options.{number}.text.ru", f"Вариант {number}")
    assert {error.path for error in definition_of(options).errors} == {"questions/1/options"}


def test_a_thousand_fields_a_question_are_read_in_a_moment() -> None:
    form = EditorForm.read(
        (f"questions.{q}.options.{o}.{name}", "1")
        for q in range(1, 51)
        for o in range(1, 301)
        for name in ("text.ru", "cost")
    )
    assert len(form.ids("questions")) == 50
    assert all(len(form.ids(f"questions.{q}.options")) == 300 for q in range(1, 51))


def test_markup_stays_text() -> None:
    words = "<script>alert(1)</script>'; DROP TABLE poll; --"
    form = form_of(a_definition())
    form.put("title.ru", words)
    parsed = definition_of(form)
    assert parsed.valid is not None
    assert parsed.valid.title.ru == words


# ---- who may vote


def test_a_plain_audience_has_fields() -> None:
    form = form_of(a_definition())
    assert form.get("audience.age_from") == "18"
    assert form.chosen("audience.territories") == ["msk"]
    assert form.get("audience.json") == ""


def test_a_rule_no_fields_can_say_is_kept_untouched() -> None:
    rule = {"op": "not", "of": {"op": "not", "of": {"op": "age", "at_least": 18, "at_most": None}}}
    definition = a_definition(audience=rule)
    assert not is_plain(definition.audience)
    form = form_of(definition)
    form.put("audience.age_from", "30")  # the fields are not shown then, and do not count
    parsed = definition_of(form)
    assert parsed.valid is not None
    assert parsed.valid.audience == definition.audience


def test_a_changed_choice_of_territories() -> None:
    form = form_of(a_definition(audience={"op": "all", "of": [{"op": "territory", "codes": ["b", "a"]}]}))
    form.put("audience.territories", "a", "b")  # the page's order is not the document's
    parsed = definition_of(form)
    assert parsed.valid is not None
    assert parsed.valid.audience.model_dump()["of"][0]["codes"] == ("b", "a")
    form.put("audience.territories", "a", "c")
    parsed = definition_of(form)
    assert parsed.valid is not None
    assert parsed.valid.audience.model_dump()["of"][0]["codes"] == ("a", "c")


# ---- buttons


def a_form(*questions: dict[str, Any]) -> EditorForm:
    form = form_of(a_definition(questions=list(questions or [a_single_choice()])))
    mark_ids(form, 0, {})
    return form


def test_ids_are_never_given_twice() -> None:
    form = a_form(a_single_choice(1, options=3))
    assert operate(form, "remove_option:1:90") == "questions.1.options"
    assert operate(form, "add_option:1") == "questions.1.options.91"
    assert operate(form, "remove_question:1") == "questions"
    assert operate(form, "add_question:rating") == "questions.2"
    mark_ids(form, 7, {2: 40})
    assert operate(form, "add_question:budget") == "questions.8"
    assert operate(form, "add_option:2") == "questions.2.options.41"


def test_moving_keeps_ids_and_texts() -> None:
    form = a_form(a_single_choice(5, options=3), a_rating(2))
    operate(form, "option_up:5:3")
    operate(form, "option_up:5:1")
    operate(form, "question_down:5")
    assert form.ids("questions") == [2, 5]
    assert form.ids("questions.5.options") == [1, 3, 2, 90]
    parsed = definition_of(form)
    assert parsed.valid is not None
    assert [option.text.ru for option in parsed.valid.questions[1].options][:3] == [
        "Вариант 1",
        "Вариант 3",
        "Вариант 2",
    ]


def test_neutral_options_come_prefilled_once_and_stand_last() -> None:
    form = a_form(a_multiple_choice(2))
    operate(form, "add_neutral:2:specialists")
    operate(form, "add_neutral:2:specialists")
    operate(form, "add_option:2")
    parsed = definition_of(form)
    assert parsed.valid is not None
    neutral = parsed.valid.questions[0].neutral
    assert [(option.text.ru, option.text.en) for option in neutral] == [NEUTRAL["specialists"]]
    assert parsed.valid.questions[0].options[-1] == neutral[0]


def test_sources_and_pictures() -> None:
    form = a_form(a_single_choice(1, options=2))
    assert operate(form, "add_source:1:2") == "questions.1.options.2.sources.0"
    assert operate(form, "add_source") == "sources.0"
    parsed = definition_of(form)  # rows left empty are no sources
    assert parsed.valid is not None
    assert parsed.valid.sources == ()
    form.put("sources.0.title.ru", "Проект")
    assert [error.path for error in definition_of(form).errors] == ["sources/0/url"]
    operate(form, "remove_source:0")
    assert definition_of(form).errors == ()
    pictured = a_form(a_single_choice(1, options=2))
    pictured.put("questions.1.options.1.picture.sha256", "a" * 64)
    operate(pictured, "remove_picture:1:1")
    parsed = definition_of(pictured)
    assert parsed.valid is not None
    assert parsed.valid.questions[0].options[0].picture is None


def test_lists_do_not_grow_past_their_limits() -> None:
    form = a_form(a_rating(1))
    for _ in range(400):
        operate(form, "add_option:1")
    assert len(form.ids("questions.1.options")) == 300
    for _ in range(60):
        operate(form, "add_question:rating")
    assert len(form.ids("questions")) == 50
    assert definition_of(form).errors == ()


@pytest.mark.parametrize(
    "operation",
    ["", "nothing", "add_option", "add_option:x", "add_option:1:neutral:<b>:<i>", "option_up:1:1:1",
     "remove_option:1:²", "add_neutral:1:other", "add_option:99"],
)  # fmt: skip
def test_an_operation_that_does_not_fit_does_nothing(operation: str) -> None:
    form = a_form()
    before = dict(form.values)
    operate(form, operation)
    assert form.values == before


def test_differences_between_two_versions() -> None:
    mine, theirs = a_form(), a_form()
    theirs.put("poll_id", mine.get("poll_id"))
    mine.put("title.ru", "Мой")
    theirs.put("audience.age_from", "21")
    assert list(differences(mine, theirs)) == [
        ("title.ru", "Мой", "Каким будет сквер?"),
        ("audience.age_from", "18", "21"),
    ]


def test_a_rule_as_json_is_readable() -> None:
    rule = {"op": "not", "of": {"op": "not", "of": {"op": "any", "of": []}}}
    assert json.loads(form_of(a_definition(audience=rule)).get("audience.json")) == rule


@pytest.mark.parametrize("number", ["²", "٣", "9" * 5000, "123456", "00"])
def test_a_number_that_is_none_in_a_name_is_no_question(number: str) -> None:
    form = EditorForm.read([(f"questions.{number}.kind", "rating")])
    form.put(f"questions.{number}.text.ru", "?")  # not even past the reading of names
    definition_of(form)
    assert all(found < 100_000 for found in form.ids("questions"))
