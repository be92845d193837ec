"""How the demo's polls are written down: short forms for texts, options, questions and for how residents lean."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from results.decisions import Status

HARD_TO_SAY = 90
SPECIALISTS = 91
MILLION = 1_000_000_00  # in hundredths of a rouble

Words = dict[str, str]
Weights = Mapping[int, float]


@dataclass(frozen=True)
class Leaning:
    """How residents answer one question. `weights`: how often an option is liked (ratings: its mean, 1 to 5).

    `young` (under 30), `old` (60 and over), `women` and `okrugs` multiply weights (ratings: are added to the mean).
    `choices` is how many options a ballot likes at most; `neutral` the share of ballots with a neutral answer.
    """

    weights: Weights
    young: Weights = field(default_factory=dict)
    old: Weights = field(default_factory=dict)
    women: Weights = field(default_factory=dict)
    okrugs: Mapping[str, Weights] = field(default_factory=dict)
    choices: int = 1
    neutral: float = 0.05
    texts: tuple[str, ...] = ()
    """What residents write, where a question asks for words."""


@dataclass(frozen=True)
class DemoStep:
    """A step of a decision; days are counted from the decision. `moved`: when it was put off, to when, and why."""

    ru: str
    en: str
    planned: timedelta
    done: timedelta | None = None
    said: tuple[str, str] = ("", "")
    pictures: bool = False
    moved: tuple[timedelta, timedelta, str, str] | None = None


@dataclass(frozen=True)
class CityDecides:
    """What the city did about a poll, so many days after it closed. `finished` is counted from the decision.

    `reason` is of declining; `stars` how often residents gave each rating of the finished work.
    """

    ru: str
    en: str
    owner: str
    status: Status
    after: timedelta
    deadline: timedelta | None = None
    steps: tuple[DemoStep, ...] = ()
    finished: timedelta | None = None
    reason: tuple[str, str] = ("", "")
    stars: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DemoPoll:
    """One poll of the demo. `opens` and `closes` are counted from the moment the demo is made.

    `share` is the part of the entitled who vote until now; `leanings` go by question id. `cancelled` is the public
    reason of a cancelled poll.
    """

    slug: str
    content: Mapping[str, Any]
    opens: timedelta
    closes: timedelta
    share: float = 0.0
    leanings: Mapping[int, Leaning] = field(default_factory=dict)
    decision: CityDecides | None = None
    cancelled: str = ""
    keen: tuple[str, ...] = ()
    """Keys of the demo's own residents who have voted in it."""

    @property
    def poll_id(self) -> str:
        """The poll's id: the same in every demo."""
        return hashlib.sha256(f"veche/demo/v1/poll/{self.slug}".encode()).hexdigest()[:32]


def t(ru: str, en: str) -> Words:
    """A text in both languages."""
    return {"ru": ru, "en": en}


def option(number: int, ru: str, en: str, about: tuple[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """A regular option, with a description if there is more to say."""
    described = {"description": t(*about)} if about else {}
    return {"id": number, "text": t(ru, en), **described, **more}


def project(number: int, millions: float, ru: str, en: str, about: tuple[str, str], reference: str) -> dict[str, Any]:
    """A project with its cost in millions of roubles."""
    return option(number, ru, en, about, cost=round(millions * MILLION), reference=reference)


def hard_to_say() -> dict[str, Any]:
    """The neutral option for whoever has no answer."""
    return {"id": HARD_TO_SAY, "text": t("Затрудняюсь ответить", "Hard to say"), "kind": "neutral"}


def specialists() -> dict[str, Any]:
    """The neutral option for whoever leaves the choice to others."""
    return {"id": SPECIALISTS, "text": t("Доверить специалистам", "Leave it to specialists"), "kind": "neutral"}


def single(
    number: int, ru: str, en: str, options: Sequence[dict[str, Any]], hint: tuple[str, str] = ("", ""), **more: Any
) -> dict[str, Any]:
    """A question with one answer."""
    return _question("single_choice", number, ru, en, hint, options, more)


def multiple(
    number: int, ru: str, en: str, most: int | None, options: Sequence[dict[str, Any]],
    hint: tuple[str, str] = ("", ""), **more: Any,
) -> dict[str, Any]:  # fmt: skip
    """A question with up to `most` answers; None: as many as one likes."""
    return _question("multiple_choice", number, ru, en, hint, options, {"max_choices": most, **more})


def rating(
    number: int, ru: str, en: str, options: Sequence[dict[str, Any]], hint: tuple[str, str] = ("", ""), **more: Any
) -> dict[str, Any]:
    """A question whose options are rated from 1 to 5."""
    labels = {"low_label": t("совсем не нужно", "not needed at all"), "high_label": t("очень нужно", "needed badly")}
    return _question("rating", number, ru, en, hint, options, {**labels, **more})


def ranking(number: int, ru: str, en: str, options: Sequence[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A question whose options are put in order."""
    return _question("ranking", number, ru, en, ("", ""), options, more)


def points(
    number: int, ru: str, en: str, total: int, options: Sequence[dict[str, Any]], **more: Any
) -> dict[str, Any]:  # fmt: skip
    """A question with so many points to spread."""
    return _question("points", number, ru, en, ("", ""), options, {"total": total, **more})


def text(number: int, ru: str, en: str, longest: int, **more: Any) -> dict[str, Any]:
    """A question answered in words."""
    return _question("text", number, ru, en, ("", ""), (), {"max_length": longest, **more})


def budget(
    number: int, ru: str, en: str, millions: int, options: Sequence[dict[str, Any]], hint: tuple[str, str] = ("", ""),
    **more: Any,
) -> dict[str, Any]:  # fmt: skip
    """A question about projects within so many millions, which also bound one ballot."""
    money = millions * MILLION
    rule = {"method": "greedy_threshold", "budget": money, "min_score": 1}
    return _question("budget", number, ru, en, hint, options, {"ballot_limit": money, "rule": rule, **more})


def _question(
    kind: str, number: int, ru: str, en: str, hint: tuple[str, str], options: Sequence[dict[str, Any]],
    more: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    return {"kind": kind, "id": number, "text": t(ru, en), "hint": t(*hint), "options": list(options), **more}


def source(ru: str, en: str, url: str) -> dict[str, Any]:
    """A link to more."""
    return {"title": t(ru, en), "url": url}


def aged(at_least: int) -> dict[str, Any]:
    """The rule of a least age."""
    return {"op": "age", "at_least": at_least}


def living_in(*codes: str) -> dict[str, Any]:
    """The rule of residence."""
    return {"op": "territory", "codes": list(codes)}


def everybody(*rules: dict[str, Any]) -> dict[str, Any]:
    """All the rules together."""
    return {"op": "all", "of": list(rules)}
