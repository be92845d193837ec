"""The document: unknown fields refused, canonical bytes, hash; the life cycle; the checklist."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.builders import NOW, a_budget, a_definition, a_multiple_choice, a_rating, a_single_choice, an_option, both

from polls.checklist import findings
from polls.definition import Definition, canonical_bytes, poll_hash, read_definition
from polls.lifecycle import ALLOWED, Move, State, may, state_at

ALL_KINDS = [a_single_choice(1), a_multiple_choice(2), a_rating(3), a_budget(4)]


def test_the_bytes_read_back_to_the_same_document_and_hash() -> None:
    definition = a_definition(questions=ALL_KINDS)
    again = read_definition(canonical_bytes(definition))
    assert again == definition
    assert poll_hash(again) == poll_hash(definition) == hashlib.sha256(canonical_bytes(definition)).digest()
    assert read_definition(json.loads(canonical_bytes(definition))) == definition


def test_the_bytes_are_rfc_8785() -> None:
    """Sorted keys, no white space between tokens, text as UTF-8 and not escaped (RFC 8785 §3.2)."""
    raw = canonical_bytes(a_definition(title=both("Сквер у метро")))
    values = json.loads(raw)
    assert raw == json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert "Сквер у метро".encode() in raw


@pytest.mark.parametrize(
    "more",
    [
        {"surprise": 1},
        {"questions": [{**a_single_choice(), "surprise": 1}]},
        {"questions": [a_single_choice(1), a_single_choice(1)]},
        {"questions": [{**a_single_choice(), "options": [an_option(1), an_option(1)]}]},
        {"questions": [{**a_single_choice(), "kind": "astrology"}]},
        {"age_bands": [18, 14]},
        {"age_bands": list(range(31))},
        {"time_zone": "Europe/Atlantis"},
        {"time_zone": "../etc/passwd"},
        {"closes_at": "9999-12-31T23:59:59Z"},
        {"title": both("нулевой \x00 байт")},
        {"title": both("слева \u202e направо")},
        {"opens_at": "2026-11-22T10:00:00"},
        {"quorum": {"share": "3/2"}},
        {"quorum": {"share": "0.5"}},
        {"sources": [{"title": both("x"), "url": "javascript:alert(1)"}]},
        {"audience": {"op": "all", "of": [{"op": "wish"}]}},
        {"questions": [a_budget(options=[an_option(1, cost=-1)])]},
        {"questions": [a_budget(options=[an_option(1, cost=1.5)])]},
    ],
)
def test_what_is_not_a_document_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        a_definition(**more)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8),
                    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
                    max_leaves=20))  # fmt: skip
def test_hostile_json_never_raises_anything_else(value: Any) -> None:
    with pytest.raises(ValidationError):
        Definition.model_validate({"poll_id": "0" * 32, "questions": [value], "title": value})


def test_a_deep_audience_is_refused_or_read_but_never_a_crash() -> None:
    rule: dict[str, Any] = {"op": "age", "at_least": 18}
    for _ in range(2_000):
        rule = {"op": "not", "of": rule}
    with pytest.raises((ValidationError, RecursionError)):
        a_definition(audience=rule)


# ---- life cycle


def test_opening_and_closing_follow_the_clock() -> None:
    opens, closes = NOW, NOW + timedelta(days=1)
    for moment, state in [
        (opens - timedelta(seconds=1), State.SCHEDULED),
        (opens, State.OPEN),
        (closes - timedelta(microseconds=1), State.OPEN),
        (closes, State.CLOSED),
    ]:
        assert state_at(State.SCHEDULED, opens, closes, moment) is state
    assert state_at(State.CANCELLED, opens, closes, opens) is State.CANCELLED
    assert state_at(State.DRAFT, None, None, opens) is State.DRAFT


def test_moves_are_allowed_from_declared_states_alone() -> None:
    assert {move for move in Move if may(move, State.OPEN)} == {
        Move.EXTEND, Move.CLOSE_EARLY, Move.CANCEL, Move.PAUSE, Move.RESUME, Move.ERRATUM,
    }  # fmt: skip
    assert {move for move in Move if may(move, State.COUNTED)} == {Move.ERRATUM}
    assert set(ALLOWED) == set(Move)


# ---- checklist


def found(**more: Any) -> dict[str, bool]:
    more.setdefault("opens_at", NOW + timedelta(hours=1))
    return {finding.code: finding.blocking for finding in findings(a_definition(**more), NOW)}


def test_a_good_draft_has_nothing_blocking() -> None:
    assert not any(found(questions=ALL_KINDS).values())


@pytest.mark.parametrize(
    ("more", "code", "blocking"),
    [
        ({"title": {"ru": "", "en": "Only English"}}, "text_missing", True),
        ({"title": {"ru": "Только по-русски", "en": ""}}, "translation_missing", False),
        ({"questions": []}, "no_questions", True),
        ({"territory": ""}, "territory_missing", True),
        ({"closes_at": None}, "closing_missing", True),
        ({"closes_at": NOW - timedelta(days=1)}, "closing_past", True),
        ({"opens_at": NOW + timedelta(days=9), "closes_at": NOW + timedelta(days=8)}, "closing_before_opening", True),
        ({"closes_at": datetime(2026, 12, 1, 0, 30, tzinfo=UTC)}, "closing_at_night", False),
        ({"questions": [{**a_single_choice(), "options": [an_option(1)]}]}, "too_few_options", True),
        ({"questions": [{**a_single_choice(), "options": [an_option(1), an_option(2)]}]}, "no_way_to_abstain", False),
        ({"questions": [a_single_choice(options=2, rule={"winners": 3})]}, "winners_over_options", True),
        (
            {"questions": [{**a_single_choice(), "options": [an_option(1, "А"), an_option(2, "а")]}]},
            "option_repeats",
            True,
        ),
        ({"questions": [a_multiple_choice(min_choices=3)]}, "choices_impossible", True),
        ({"questions": [a_budget(rule={"method": "greedy", "budget": 0})]}, "budget_missing", True),
        ({"questions": [a_budget(options=[an_option(1)])]}, "cost_missing", True),
        ({"questions": [a_budget(ballot_limit=100)]}, "cost_over_limit", True),
        ({"privacy": "named"}, "names_seen_by_missing", True),
        ({"may_change": True}, "change_needs_named", True),
        ({"visibility": "live"}, "live_results_sway", False),
    ],
)
def test_the_checklist_finds(more: dict[str, Any], code: str, blocking: bool) -> None:
    assert found(**more).get(code) is blocking


def test_an_audience_of_nobody_blocks() -> None:
    codes = [finding.code for finding in findings(a_definition(opens_at=NOW + timedelta(hours=1)), NOW, entitled=0)]
    assert codes[0] == "audience_empty"
