"""One answer: what is valid, per kind of question, and its canonical text. Pure.

An answer arrives as plain JSON values in the natural form of its kind and leaves as a canonical RFC 8785 array of
option ids, the only form that is stored, counted, published and hashed:

=================  ==========================================  ======================
kind               accepted                                    canonical
=================  ==========================================  ======================
single_choice      ``3`` or ``[3]``                            ``[3]``
multiple_choice    ``[4, 1]``                                  ``[1,4]`` (sorted)
budget             ``[4, 1]``                                  ``[1,4]`` (sorted)
rating             ``{"1": 5, "2": 3}`` or pairs               ``[[1,5],[2,3]]``
points             ``{"4": 3, "1": 7}`` or pairs               ``[[1,7],[4,3]]`` (no zeros)
ranking            ``[3, 1]``, tiers ``[[3], [2, 1]]``,        ``[[3],[1,2]]`` (tiers, best first)
                   or places ``{"3": 1, "1": 2, "2": 2}``
text               ``"words"`` or ``{"own": "words"}``         ``[0]``
own answer         ``{"own": "words"}``, alone or in a list    ``[0]``, ``[0,4]``
a neutral option   ``[9]`` (alone)                             ``[9]``
blank              ``[]``, ``{}``, ``""`` or null              ``[]``
=================  ==========================================  ======================

Words never enter the canonical text: it says only that there are some (id 0), and they are kept apart (BALLOTS §10).
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from polls.errors import FieldError
from polls.questions import (
    OWN,
    AnyQuestion,
    Budget,
    FreeText,
    MultipleChoice,
    OptionKind,
    Points,
    Ranking,
    Rating,
    SingleChoice,
    shown_in,
    takes_words,
)
from polls.tally.profile import BLANK


@dataclass(frozen=True)
class Answer:
    """The canonical text of one answer, and the words that came with it, if any."""

    canonical: str
    words: str | None = None


class _Wrong(Exception):
    """What is wrong with an answer; never leaves this module."""

    def __init__(self, code: str, message: str, **facts: Any) -> None:
        self.code, self.message, self.facts = code, message, facts
        super().__init__(code)


def read_answer(question: AnyQuestion, answer: Any, style: int = 0) -> Answer | FieldError:
    """The canonical answer of a resident whose ballot is of `style`, or what is wrong with it.

    Options the style does not show are refused as unknown. A wrong answer's path is ``answers/{id}``.
    """
    try:
        return _read(question, answer, style)
    except _Wrong as wrong:
        return FieldError(f"answers/{question.id}", wrong.code, wrong.message, wrong.facts)


def encode_answer(question: AnyQuestion, answer: Any, style: int = 0) -> str | FieldError:
    """The canonical text alone."""
    found = read_answer(question, answer, style)
    return found if isinstance(found, FieldError) else found.canonical


def _read(question: AnyQuestion, answer: Any, style: int) -> Answer:
    answer, words = _part_words(question, answer)
    if words is None and (answer is None or answer in ([], {}, "")):
        if question.required:
            raise _Wrong("required", "This question needs an answer.")
        return Answer(BLANK)
    shown = _Shown(question, style)
    if words is None and (alone := shown.neutral_alone(answer)) is not None:
        return Answer(_canonical([alone]))
    match question:
        case SingleChoice():
            return Answer(_choice(shown, answer, words, 1, 1), words)
        case MultipleChoice():
            return Answer(_choice(shown, answer, words, question.min_choices, question.max_choices), words)
        case Budget():
            return Answer(_budget(question, shown, answer))
        case Rating():
            return Answer(_rating(question, shown, answer))
        case Points():
            return Answer(_points(question, shown, answer))
        case Ranking():
            return Answer(_ranking(question, shown, answer))
        case FreeText():
            if words is None:
                raise _Wrong("malformed", "Write the answer as text.")
            if answer and shown.ids(answer):
                raise _Wrong("neutral_not_alone", "This option cannot be combined with others.")
            return Answer(_canonical([OWN]), words)
        case _ as unreachable:
            assert_never(unreachable)


class _Shown:
    """The options of a question that a ballot style shows."""

    def __init__(self, question: AnyQuestion, style: int) -> None:
        options = [o for o in question.options if shown_in(o, style)]
        self.regular = {o.id for o in options if o.kind is OptionKind.REGULAR}
        self.neutral = {o.id for o in options if o.kind is OptionKind.NEUTRAL}

    def neutral_alone(self, answer: Any) -> int | None:
        """The neutral option an answer consists of, or None."""
        item = answer[0] if isinstance(answer, list) and len(answer) == 1 else answer
        option = _whole(item)
        return option if option in self.neutral else None

    def ids(self, answer: Any) -> list[int]:
        """Option ids, each once and each shown. Refuses anything else."""
        if isinstance(answer, int) and not isinstance(answer, bool):
            answer = [answer]
        if not isinstance(answer, list) or len(answer) > len(self.regular) + len(self.neutral):
            raise _Wrong("malformed", "An answer is a list of option ids, each at most once.")
        ids: list[int] = []
        for item in answer:
            option = _whole(item)
            if option is None or (option not in self.regular and option not in self.neutral):
                raise _Wrong("unknown_option", "There is no such option in this question.")
            if option in ids:
                raise _Wrong("repeated_option", "An option may be chosen once.")
            ids.append(option)
        if len(ids) > 1 and self.neutral.intersection(ids):
            raise _Wrong("neutral_not_alone", "This option cannot be combined with others.")
        return ids

    def pairs(self, answer: Any, what: str) -> dict[int, int]:
        """Option → number, from a mapping or from pairs, each option once and regular."""
        if not isinstance(answer, Mapping | list):
            raise _Wrong("malformed", what)
        found: dict[int, int] = {}
        for pair in answer.items() if isinstance(answer, Mapping) else answer:
            if not (isinstance(pair, tuple | list) and len(pair) == 2):
                raise _Wrong("malformed", what)
            option, number = _whole(pair[0]), _whole(pair[1])
            if option not in self.regular or option in found:
                raise _Wrong("unknown_option", "There is no such option, or it comes twice.")
            if number is None:
                raise _Wrong("not_a_number", "A whole number is needed here.", option=option)
            assert option is not None
            found[option] = number
        return found


def _choice(shown: _Shown, answer: Any, words: str | None, least: int, most: int | None) -> str:
    ids = shown.ids([] if answer is None else answer)
    if words is not None:
        if shown.neutral.intersection(ids):
            raise _Wrong("neutral_not_alone", "This option cannot be combined with others.")
        ids = [OWN, *ids]
    if not shown.neutral.intersection(ids):
        _within(len(ids), least, most)
    return _canonical(sorted(ids))


def _within(n: int, least: int, most: int | None) -> None:
    if n < least:
        raise _Wrong("too_few", f"Choose at least {least}.", at_least=least, chosen=n)
    if most is not None and n > most:
        raise _Wrong("too_many", f"Choose at most {most}.", at_most=most, chosen=n)


def _budget(question: Budget, shown: _Shown, answer: Any) -> str:
    ids = shown.ids(answer)
    _within(len(ids), question.min_choices, question.max_choices)
    if question.exclusive_on_ballot:
        for group in question.exclusive_groups:
            if len(both := sorted(set(group).intersection(ids))) > 1:
                raise _Wrong("exclusive_projects", "These projects cannot be built together.", options=both)
    spent = sum(option.cost or 0 for option in question.options if option.id in ids)
    if question.ballot_limit is not None and spent > question.ballot_limit:
        raise _Wrong(
            "over_limit", "The projects chosen cost more than one ballot may spend.",
            limit=question.ballot_limit, spent=spent,
        )  # fmt: skip
    return _canonical(sorted(ids))


def _rating(question: Rating, shown: _Shown, answer: Any) -> str:
    low, high = question.scale_min, question.scale_max
    levels = shown.pairs(answer, "A rating maps options to levels.")
    for option, level in levels.items():
        if not low <= level <= high:
            raise _Wrong("off_scale", f"Rate from {low} to {high}.", scale_min=low, scale_max=high, option=option)
    return _canonical([[option, levels[option]] for option in sorted(levels)])


def _points(question: Points, shown: _Shown, answer: Any) -> str:
    points = shown.pairs(answer, "Points map options to numbers.")
    cap = question.total if question.most_per_option is None else question.most_per_option
    for option, n in points.items():
        if n < 0:
            raise _Wrong("negative_points", "Points are whole numbers from 0.", option=option)
        if n > cap:
            raise _Wrong("too_many_points", f"At most {cap} points for one option.", at_most=cap, option=option)
    spent = sum(points.values())
    if spent > question.total or (question.spend_all and spent < question.total):
        code = "points_over" if spent > question.total else "points_left"
        raise _Wrong(code, "The points given do not make the sum.", total=question.total, spent=spent)
    given = [[option, points[option]] for option in sorted(points) if points[option]]
    if not given and question.required:
        raise _Wrong("required", "This question needs an answer.")
    return _canonical(given)


def _ranking(question: Ranking, shown: _Shown, answer: Any) -> str:
    tiers = _tiers(shown, answer)
    ids = [option for tier in tiers for option in tier]
    if len(set(ids)) != len(ids):
        raise _Wrong("repeated_option", "An option has one place.")
    if any(option not in shown.regular for option in ids):
        raise _Wrong("unknown_option", "There is no such option in this question.")
    if not question.equal_ranks and (shared := next((tier for tier in tiers if len(tier) > 1), None)):
        raise _Wrong("equal_ranks", "Each option needs a place of its own.", options=sorted(shared))
    least = min(question.min_ranked, len(shown.regular))  # a style may show fewer options than the question has
    if len(ids) < least:
        raise _Wrong("too_few", f"Rank at least {least}.", at_least=least, chosen=len(ids))
    if question.max_ranked is not None and len(ids) > question.max_ranked:
        raise _Wrong("too_many", f"Rank at most {question.max_ranked}.", at_most=question.max_ranked, chosen=len(ids))
    return _canonical([sorted(tier) for tier in tiers])


def _tiers(shown: _Shown, answer: Any) -> list[list[int]]:
    """Tiers, best first, of any of the three forms; gaps between places are closed."""
    if isinstance(answer, Mapping):
        places = shown.pairs(answer, "A ranking maps options to places.")
        if any(place < 1 for place in places.values()):
            raise _Wrong("bad_place", "Places are whole numbers from 1.")
        return [[o for o, place in places.items() if place == at] for at in sorted(set(places.values()))]
    if not isinstance(answer, list) or len(answer) > MAX_TIERS:
        raise _Wrong("malformed", "A ranking is a list of option ids, best first.")
    tiers: list[list[int]] = []
    for item in answer:
        ids = [_whole(i) for i in item[:MAX_TIERS]] if isinstance(item, list) else [_whole(item)]
        known = [i for i in ids if i is not None]
        if not known or len(known) != len(ids) or (isinstance(item, list) and len(item) > MAX_TIERS):
            raise _Wrong("malformed", "A ranking is a list of option ids, best first.")
        tiers.append(known)
    return tiers


MAX_TIERS = 300


def _part_words(question: AnyQuestion, answer: Any) -> tuple[Any, str | None]:
    """The answer without the resident's own words, and the words; spaces alone are no words."""
    words: Any = None
    if answer.__class__ is int:  # nearly every answer: nothing to look for
        return answer, None
    if isinstance(question, FreeText) and isinstance(answer, str):
        answer, words = None, answer
    elif isinstance(answer, Mapping) and set(answer) == {"own"}:
        answer, words = None, answer["own"]
    elif isinstance(answer, list):
        own = [item for item in answer if isinstance(item, Mapping) and set(item) == {"own"}]
        if len(own) > 1:
            raise _Wrong("repeated_option", "There is one own answer.")
        if own:
            answer, words = [item for item in answer if item is not own[0]], own[0]["own"]
    if words is None:
        return answer, None
    most = takes_words(question)
    if not most:
        raise _Wrong("no_own_answer", "This question takes no answer in your own words.")
    if not isinstance(words, str):
        raise _Wrong("malformed", "Own words are text.")
    kept = _clean(words)
    if len(kept) > most:
        raise _Wrong("too_long", f"At most {most} characters.", at_most=most, length=len(kept))
    return answer, kept or None


def _clean(words: str) -> str:
    """Words as they are kept: NFC, no control or direction characters, one kind of line break, trimmed."""
    text = unicodedata.normalize("NFC", words[:20_000].replace("\r\n", "\n").replace("\r", "\n"))
    return "".join(ch for ch in text if ch == "\n" or not _unseen(ch)).strip()


_UNSEEN = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def _unseen(ch: str) -> bool:
    return ch in _UNSEEN or unicodedata.category(ch) in ("Cc", "Cs", "Co", "Cn")


def named_options(question: AnyQuestion, canonical: str) -> frozenset[int]:
    """The ids an answer names: chosen, rated, ranked, given points, or neutral; 0 where it holds words."""
    ids: set[int] = set()
    for item in json.loads(canonical):
        if not isinstance(item, list):
            ids.add(item)
        elif isinstance(question, Ranking):
            ids.update(item)
        else:
            ids.add(item[0])
    return frozenset(ids)


def levels_of(canonical: str) -> Mapping[int, int]:
    """Option → level or points, of a rating or of points; empty for a neutral or blank answer."""
    return {item[0]: item[1] for item in json.loads(canonical) if isinstance(item, list)}


def _whole(value: Any) -> int | None:
    """A whole number from JSON or from a form field; bool is not a number here."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.isascii() and value.removeprefix("-").isdigit() and len(value) <= 8:
        return int(value)
    return None


def _canonical(value: Sequence[Any]) -> str:
    """RFC 8785 of arrays of small integers: no spaces."""
    return _WITHOUT_SPACES.encode(value)


_WITHOUT_SPACES = json.JSONEncoder(separators=(",", ":"))  # made once: `json.dumps` makes one for each answer
