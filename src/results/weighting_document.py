"""A weighting as values for JSON: what the API answers and the results document holds. Pure.

Shares and means are estimates, so they are decimals with six places, unlike the exact fractions of the count. Keys are
only added, never changed.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from results.weighting import DimensionFit, WeightedClass, WeightedQuestion, Weighting

PLACES = 6


def weighting_document(found: Weighting) -> dict[str, Any]:
    """The whole weighting, the refused dimensions and cautions with it."""
    target = found.target
    return {
        "format": "veche/weighting/1",
        "version": found.version,
        "ballots": found.ballots,
        "estimate": True,
        "self_selected": True,
        "mends": found.mends,
        "target": {
            "code": target.code, "name": {"ru": target.ru, "en": target.en}, "source": target.source,
            "as_of": target.as_of.isoformat() if target.as_of else None,
        },
        "weighted_by": [by.value for by in found.weighted_by],
        "design_effect": _number(found.effect),
        "effective_ballots": _number(found.effective),
        "least_weight": _number(found.least),
        "most_weight": _number(found.most),
        "trimmed": _number(found.trimmed),
        "miss": _number(found.miss),
        "cautions": [
            {"code": one.code, "grave": one.grave, "facts": dict(one.facts)} for one in found.cautions
        ],
        "dimensions": [_dimension(one) for one in found.dimensions],
        "questions": [_question(one) for one in found.questions],
    }  # fmt: skip


def _dimension(fit: DimensionFit) -> dict[str, Any]:
    return {
        "dimension": fit.by.value,
        "score": _number(fit.score),
        "used": fit.used,
        "why_not": fit.why or None,
        "unplaced": _number(fit.unplaced),
        "uncovered": _number(fit.uncovered),
        "groups": [
            {
                "group": one.group.code, "group_ru": one.group.ru, "group_en": one.group.en, "votes": one.votes,
                "share": _number(one.share), "residents": one.residents, "target_share": _number(one.target),
            }
            for one in fit.groups
        ],
    }  # fmt: skip


def _question(found: WeightedQuestion) -> dict[str, Any]:
    return {
        "question_id": found.question_id,
        "cast": found.cast,
        "denominator": found.denominator,
        "answers": [_class(one) for one in found.classes],
    }


def _class(one: WeightedClass) -> dict[str, Any]:
    return {
        "class": one.column.kind.value,
        "option_id": one.column.option_id,
        "votes": one.votes,
        "share": _number(one.raw),
        "weighted_share": _number(one.weighted),
        "margin": _number(one.margin),
        "low": _number(one.low),
        "high": _number(one.high),
        "mean": _number(one.mean),
        "weighted_mean": _number(one.weighted_mean),
        "mean_margin": _number(one.mean_margin),
    }


def _number(value: float | Fraction | None) -> float | None:
    return None if value is None else round(float(value), PLACES)
