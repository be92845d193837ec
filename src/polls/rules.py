"""Counting rules as data: what each kind of question declares about how it is counted. Pure.

The meaning is in :mod:`polls.tally`, one family a file; here stands only what is sealed with the poll. Fields that
every rule has are in :class:`Rule`: what a share is of, how many win, what a winner needs, and what a tie does.
"""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from polls.document import Document, Money, OptionId, Share, ShortLine

MAX_OPTIONS = 300


class Denominator(StrEnum):
    """What a share is of: valid answers, ballots cast, or residents entitled (the roll)."""

    VALID = "valid"
    CAST = "cast"
    ENTITLED = "entitled"


class Tie(StrEnum):
    """What happens to a tie that decides something; never silent, never by list order.

    ``joint`` the tied share one fate; ``lot`` a lot that two parties committed to before opening (BALLOTS §21);
    ``chair`` the chair decides, publicly.
    """

    JOINT = "joint"
    LOT = "lot"
    CHAIR = "chair"


class Rule(Document):
    """What every counting rule declares: denominator, winners, what a winner needs, tie rule."""

    denominator: Denominator = Denominator.VALID
    also_valid: tuple[Literal["neutral", "blank"], ...] = ()
    """Classes that join the valid answers in the denominator, though they vote for no option."""
    winners: Annotated[int, Field(ge=1, le=MAX_OPTIONS)] = 1
    threshold: Share | None = None
    """A winner needs strictly more than this share of the denominator."""
    min_votes: Annotated[int, Field(ge=0, le=10**9)] = 0
    """A winner needs at least this many votes (ballots that name it)."""
    tie: Tie = Tie.JOINT


class PluralityRule(Rule):
    """Most votes wins; one answer per ballot."""

    method: Literal["plurality"] = "plurality"


class ApprovalRule(Rule):
    """Most approvals wins; several answers per ballot."""

    method: Literal["approval"] = "approval"


class RatingRule(Rule):
    """Options stand by the mean, the trimmed mean, the median or the majority judgment of their ratings.

    All of them and the distribution are reported whatever the order is by. `trim` is the share left out at each end
    by the trimmed mean. `ungraded`: whether a ballot that leaves an option out grades it worst (as Balinski and Laraki
    have it) or is left out of that option's grades; majority judgment only.
    """

    method: Literal["rating"] = "rating"
    order_by: Literal["mean", "trimmed_mean", "median", "majority_judgment"] = "mean"
    trim: Share = "1/10"
    ungraded: Literal["worst", "left"] = "left"

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        if Fraction(self.trim) >= Fraction(1, 2):
            raise ValueError("less than half is left out at each end")
        return self


class RankingRule(Rule):
    """One of the rules for rankings; the Condorcet winner and the pairwise matrix are reported with each.

    `equal`: what a rule that counts a ballot for one option does at options held equal — ``skip`` that place and go on
    below it, or ``exhaust`` the ballot there. `truncated`: what Borda gives options left out. `strength`: what ranked
    pairs compares majorities by. Rules that ask about something else ignore these.
    """

    method: Literal["instant_runoff", "stv_scottish", "stv_meek", "schulze", "ranked_pairs", "borda"] = "schulze"
    equal: Literal["skip", "exhaust"] = "skip"
    truncated: Literal["average", "zero", "modified"] = "average"
    strength: Literal["margins", "winning_votes"] = "margins"

    @model_validator(mode="after")
    def _one_winner_by_runoff(self) -> Self:
        if self.method == "instant_runoff" and self.winners > 1:
            raise ValueError("instant run-off has one winner; a transferable vote has several")
        return self


class PointsRule(Rule):
    """Most points wins; `votes` of an option are the ballots that gave it any."""

    method: Literal["points"] = "points"


class BudgetRule(Rule):
    """Which projects `budget` (hundredths) funds.

    ``greedy`` by votes, passing over what does not fit; ``greedy_no_skip`` stops at the first that does not fit;
    ``greedy_threshold`` is greedy over projects with at least `min_score` votes. Of equal votes the cheaper goes first.
    ``equal_shares`` splits the budget among voters: `satisfaction` is what a voter gets from a project, `completion`
    how the money left over is spent (`increment` hundredths more to each voter at a time; None is a thousandth of a
    voter's part, and at least one unit of money), and with
    `compare_with_greedy` the greedy result stands where more voters have more of their projects by it.
    `winners` does not apply.
    """

    method: Literal["greedy", "greedy_threshold", "greedy_no_skip", "equal_shares"] = "greedy"
    budget: Money = 0
    min_score: Annotated[int, Field(ge=0, le=10**9)] = 0
    satisfaction: Literal["cost", "cardinality"] = "cost"
    completion: Literal["none", "add1", "add1u"] = "add1u"
    increment: Annotated[int, Field(ge=1, le=10**9)] | None = None
    compare_with_greedy: bool = False


class UnitRule(Rule):
    """Owners decide for a house: residents → flat → house (named polls; BALLOTS §12).

    `speaks`: whether each flat first decides by the shares of its owners and then speaks with one voice (``unit``; a
    flat whose owners are tied is dropped), or each owner's share counts on its own (``owner``). `weigh_by`: what a flat
    weighs in the house. `silent`: what flats none of whose owners voted do — ``dropped``, ``proportional`` to those
    that voted, all ``for`` or all ``against``. The house is *for* when `for_option` has more than `threshold` of the
    denominator (``valid``: for and against; ``cast``: all that took part; ``entitled``: the whole house), or at least
    that much with `inclusive`, as laws put it now one way and now the other. `law` names it.
    """

    method: Literal["units"] = "units"
    speaks: Literal["unit", "owner"] = "unit"
    weigh_by: Literal["units", "area"] = "units"
    silent: Literal["dropped", "proportional", "for", "against"] = "dropped"
    for_option: OptionId = 1
    against_option: OptionId = 2
    threshold: Share | None = "1/2"
    inclusive: bool = False
    law: ShortLine = ""


class TextRule(Rule):
    """Free texts are read, not counted: only how many there are."""

    method: Literal["text"] = "text"
