"""Values of the poll document as an official reads them: choices in words, sums, times, texts. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from voting.web.i18n import money, when

Translate = Callable[[str], str]
MONEY: Final = frozenset({"cost", "budget", "ballot_limit", "increment"})
TIMES: Final = frozenset({"opens_at", "closes_at"})

CHOICES: Final[Mapping[str, str]] = {
    # kinds of questions and options
    "single_choice": "One answer", "multiple_choice": "Several answers", "rating": "Rating on a scale",
    "ranking": "Ranking: options in order", "points": "Points to spread", "budget": "Budget: projects with costs",
    "text": "Free text", "regular": "an option that can win", "neutral": "Neutral option",
    # the poll
    "separated": "Separated: the vote is kept apart from the person",
    "named": "Named: the name is kept with the answers", "after_close": "After the poll closes",
    "live": "While it runs, in steps of at least 1,000 ballots", "inclusion": "Proves that the ballot was counted",
    "acceptance_only": "Proves only that a vote was taken", "district": "District", "age_band": "Age", "sex": "Sex",
    # counting
    "valid": "valid answers: without blank and neutral ones", "cast": "all ballots cast",
    "entitled": "all residents entitled to vote", "joint": "all share one fate", "lot": "a lot decides",
    "chair": "the chair decides, publicly", "mean": "the mean of their ratings", "trimmed_mean": "the trimmed mean",
    "median": "the median of their ratings", "majority_judgment": "majority judgment",
    "plurality": "Residents: the most votes win", "units": "Flats of a house", "schulze": "Schulze",
    "instant_runoff": "Instant run-off", "stv_scottish": "Transferable vote (Scottish)",
    "stv_meek": "Transferable vote (Meek)", "ranked_pairs": "Ranked pairs", "borda": "Borda",
    "greedy": "By votes, passing over what does not fit",
    "greedy_threshold": "The same, for projects with enough votes",
    "greedy_no_skip": "By votes, up to the first that does not fit", "equal_shares": "Equal shares",
    "blank": "blank answers", "proportional": "are split as those that voted", "dropped": "do not count",
    "for": "count as for", "against": "count as against",
}  # fmt: skip
_CHOSEN: Final = frozenset(
    {"kind", "privacy", "visibility", "receipt", "strata", "denominator", "tie", "order_by", "method", "also_valid",
     "silent"}
)  # fmt: skip


def value_words(path: str, value: Any, translate: Translate, zone: ZoneInfo) -> str:
    """A value found at a path of the document, as a few lines of text; empty for nothing."""
    field = next((part for part in reversed(path.split("/")) if not part.isdigit() and part not in ("ru", "en")), "")
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, bool):
        return translate("yes") if value else translate("no")
    if isinstance(value, int):
        return money(value) if field in MONEY else str(value)
    if isinstance(value, str):
        return _text(field, value, translate, zone)
    if isinstance(value, list):
        return "\n".join(
            f"{place}. {value_words(path, item, translate, zone)}" if isinstance(item, dict)
            else value_words(path, item, translate, zone)
            for place, item in enumerate(value, 1)
        )  # fmt: skip
    if isinstance(value, Mapping):
        return _object(path, value, translate, zone)
    return str(value)


def _text(field: str, value: str, translate: Translate, zone: ZoneInfo) -> str:
    if field in TIMES:
        try:
            return when(datetime.fromisoformat(value), zone)
        except ValueError:
            return value
    return translate(CHOICES[value]) if field in _CHOSEN and value in CHOICES else value


def _object(path: str, value: Mapping[str, Any], translate: Translate, zone: ZoneInfo) -> str:
    """A text in two languages as two lines; a question, an option or a rule by what it holds."""
    if set(value) == {"ru", "en"}:
        return "\n".join(text for text in (value["ru"], value["en"]) if text)
    lines = []
    for name in ("text", "title"):
        if isinstance(value.get(name), Mapping):
            lines.append(_object(path, value[name], translate, zone))
    for name, inner in value.items():
        if name in ("id", "text", "title") or inner in (None, "", [], {}, False):
            continue
        told = value_words(f"{path}/{name}", inner, translate, zone)
        if told:
            indented = told.replace("\n", "\n  ")
            label = FIELD_NAMES.get(name, "")
            lines.append(f"{translate(label)}: {indented}" if label else indented)
    return "\n".join(line for line in lines if line)


FIELD_NAMES: Final[Mapping[str, str]] = {
    "title": "Title", "summary": "In short", "description": "Description", "slug": "Address of the page",
    "topic": "Topic", "territory": "Territory", "department": "Department", "binding": "What the result means",
    "register": "Register", "time_zone": "Time zone", "sources": "Sources", "questions": "Questions",
    "audience": "Who may vote", "age_from": "Age from", "age_to": "Age to", "territories": "Territories",
    "groups": "Groups", "level": "Verification level", "registered_before": "In the register before",
    "json": "The rule in full", "late_registration": "Late registration", "opens_at": "Opens", "closes_at": "Closes",
    "strata": "Groups in breakdowns", "age_bands": "Age bands", "privacy": "Privacy", "may_change": "Changing a vote",
    "names_seen_by": "Who sees names", "visibility": "When results are shown", "receipt": "Receipt",
    "quorum": "Quorum", "share": "Share of those entitled", "ballots": "Number of ballots", "text": "Text",
    "hint": "Hint", "kind": "How people answer", "required": "Required", "shuffle": "Order of options",
    "min_choices": "At least", "max_choices": "At most", "low_label": "What the lowest level means",
    "high_label": "What the highest level means", "currency": "Currency", "ballot_limit": "Limit of one ballot",
    "rule": "Counting rule", "denominator": "What a share is of", "winners": "Number of winners",
    "threshold": "Threshold", "tie": "Ties", "order_by": "Order by", "method": "Method", "budget": "Budget",
    "min_score": "Least votes", "cost": "Cost", "picture": "Picture", "alt": "Picture in words", "sha256": "Picture",
    "reference": "Number in the city's papers", "url": "Address", "options": "Options", "id": "Number",
    "roll_known": "Number of those entitled known", "own_answer": "Own answers", "scale_min": "Lowest level",
    "scale_max": "Highest level", "levels": "Names of levels", "declared": "Declared", "trim": "Left out at each end",
    "ungraded": "An option left without a rating", "min_ranked": "Least places", "max_ranked": "Most places",
    "equal_ranks": "Equal places", "equal": "Options held equal", "truncated": "Options left out",
    "strength": "Strength of majorities", "total": "Points to give", "most_per_option": "At most to one option",
    "spend_all": "All points must be spent", "max_length": "Longest answer, in characters",
    "exclusive": "Excludes others: mark", "exclusive_groups": "Projects that exclude each other",
    "exclusive_on_ballot": "Exclusion on the ballot", "satisfaction": "What a voter gets from a project",
    "completion": "Money left over", "increment": "Step of raising, for each voter",
    "compare_with_greedy": "Comparison with «by votes»", "also_valid": "Also valid",
    "min_votes": "Least votes of a winner",
    "speaks": "How a flat speaks", "weigh_by": "What a flat weighs", "silent": "Flats whose owners did not vote",
    "for_option": "The option that means «for»", "against_option": "The option that means «against»",
    "inclusive": "Exactly the threshold is enough", "law": "The law that asks for it", "shown_if": "Who is asked",
    "question": "After question", "at_least": "At least", "at_most": "At most", "styles": "Ballots",
    "place": "Where it is", "address": "Place in words", "latitude": "Latitude", "longitude": "Longitude",
    "units": "Houses of owners", "buildings": "Houses", "quorum_of_area": "Quorum of the area",
    "chair": "Chair of the meeting", "secretary": "Secretary of the meeting", "not": "Exception", "op": "Condition",
    "codes": "Chosen", "moment": "Moment", "list_code": "List", "invited": "Only those on a list",
    "parts": "Conditions", "order": "Order", "cross_tabs": "Questions counted together", "rows": "In the rows",
    "columns": "In the columns",
}  # fmt: skip
"""What a field is called, by the last part of its name."""
