"""What a ranked count does with a tie: all together, the chair, or a lot; never the order of a list. Pure.

A count that eliminates meets ties in the middle. :class:`TieRule` says what was declared:

``joint``  all tied options share the same fate: they are eliminated together, or all win;
``chair``  the count stops and the tie is open, until the chair's order is given and the count is run again;
``lot``    the order drawn by lot, given as a function; while it is not given, the tie is open like the chair's.

The order is a function of the round and of the tied options, since a lot is drawn for each tie anew: it returns the
same ids, the one that fares best first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Order = Callable[[int, tuple[int, ...]], Sequence[int] | None]
"""Round (from 1) and tied option ids (rising) → the same ids, best first, or None where nobody has decided yet."""


@dataclass(frozen=True)
class TieRule:
    """The declared rule for ties, and the order it has produced, if it has. Raises ValueError for a joint order."""

    kind: Literal["joint", "chair", "lot"] = "joint"
    order: Order | None = None

    def __post_init__(self) -> None:
        if self.kind == "joint" and self.order is not None:
            raise ValueError("tied options that share one fate need no order")

    def ordered(self, stage: int, tied: Iterable[int]) -> tuple[int, ...] | None:
        """The tied options best first, or None where nobody has decided.

        Raises ValueError when the order supplied is not one of the same options.
        """
        if self.order is None:
            return None
        ids = tuple(sorted(tied))
        given = self.order(stage, ids)
        if given is None:
            return None
        order = tuple(given)
        if sorted(order) != list(ids):
            raise ValueError(f"the order {order} of the tied options {ids} is not one of them")
        return order


JOINT = TieRule()
