"""Geometry of the flow diagram between rounds: a column of blocks a round, bands where votes move. Pure.

A block is as high as its votes. Votes an option keeps run straight on as a band of its own; votes that move run from
the options that lost them to those that gained them. Where one option alone gives, each band is exactly what went to
whom. Where several give at once the count does not say whose votes went where, so all that is given runs through one
junction between the columns, and no band claims more than is known.

Coordinates are in the units of the viewBox. Colours are classes (`c1`…`c5` over and over); every block carries its
name and its number, so that the picture is read without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from results.charts import STEPS
from results.rounds import Round, Rounds

COLUMN, BLOCK, GAP, TOP, LABEL = 152.0, 12.0, 14.0, 30.0, 15.0
SCALE = 300.0
"""The height of all votes together, without the gaps."""
MOST_ROUNDS, MOST_OPTIONS = 40, 20
"""Beyond these a picture is not readable and the table stands alone."""
NOBODY = 0
"""Stands for the ballots that count for nobody any more."""


@dataclass(frozen=True, slots=True)
class Block:
    """The votes of an option (or of nobody: 0) in a round."""

    option: int
    round: int
    x: float
    y: float
    height: float
    votes: Fraction
    klass: str
    elected: bool
    leaving: bool


@dataclass(frozen=True, slots=True)
class Band:
    """Votes on their way: an SVG path, closed. `source` or `target` None: the junction of a round."""

    path: str
    klass: str
    votes: Fraction
    source: int | None
    target: int | None
    kept: bool


@dataclass(frozen=True, slots=True)
class Flow:
    """The diagram in a viewBox of `width` × `height`; `heads` are the places of the rounds' numbers."""

    width: float
    height: float
    blocks: tuple[Block, ...]
    bands: tuple[Band, ...]
    heads: tuple[tuple[int, float], ...]


def flow_of(rounds: Rounds) -> Flow | None:
    """The diagram; None for a single round, and where there are too many rounds or options to draw."""
    if not 2 <= len(rounds.rounds) <= MOST_ROUNDS or len(rounds.options) > MOST_OPTIONS or not rounds.total:
        return None
    unit = Fraction(int(SCALE)) / rounds.total
    classes = {option: f"c{place % STEPS + 1}" for place, option in enumerate(rounds.options)} | {NOBODY: "cx"}
    columns = [_column(rounds, at, unit, classes) for at in range(len(rounds.rounds))]
    bands: list[Band] = []
    for at in range(1, len(columns)):
        bands += _between(columns[at - 1], columns[at], rounds.rounds[at], unit, classes)
    blocks = tuple(block for column in columns for block in column.values())
    height = max(block.y + block.height for block in blocks) + LABEL + 6
    heads = tuple((found.number, 4 + COLUMN * at) for at, found in enumerate(rounds.rounds))
    return Flow(COLUMN * len(columns) + 10, height, blocks, tuple(bands), heads)


def _column(rounds: Rounds, at: int, unit: Fraction, classes: Mapping[int, str]) -> dict[int, Block]:
    found = rounds.rounds[at]
    y = TOP + LABEL
    column: dict[int, Block] = {}
    shown = [(o, found.votes[o]) for o in rounds.options if o in found.votes]
    if any(one.exhausted for one in rounds.rounds[: at + 1]):
        shown.append((NOBODY, found.exhausted))
    for option, votes in shown:
        height = float(votes * unit)
        column[option] = Block(option, found.number, 4 + COLUMN * at, y, max(height, 1.0), votes, classes[option],
                               option in found.elected, option in found.leaving)  # fmt: skip
        y += max(height, 1.0) + GAP + LABEL
    return column


def _between(
    left: Mapping[int, Block], right: Mapping[int, Block], now: Round, unit: Fraction, classes: Mapping[int, str]
) -> list[Band]:
    changes = dict(now.changes)
    if now.exhausted_change:
        changes[NOBODY] = now.exhausted_change
    bands: list[Band] = []
    for option, block in right.items():
        before = left.get(option)
        kept = min(before.votes, block.votes) if before else Fraction(0)
        if before and kept:
            path = _ribbon(before.x + BLOCK, before.y, block.x, block.y, float(kept * unit))
            bands.append(Band(path, classes[option], kept, option, option, True))
    givers = {option: -n for option, n in changes.items() if n < 0}
    takers = {option: n for option, n in changes.items() if n > 0}
    if not givers or not takers:
        return bands
    if len(givers) == 1:
        [(giver, _)] = givers.items()
        y = _after(left[giver], givers[giver], unit)
        for taker, n in takers.items():
            end = right[taker]
            path = _ribbon(left[giver].x + BLOCK, y, end.x, _after(end, n, unit), float(n * unit))
            bands.append(Band(path, classes[giver], n, giver, taker, False))
            y += float(n * unit)
        return bands
    return bands + _through_junction(left, right, givers, takers, unit, classes)


def _through_junction(
    left: Mapping[int, Block], right: Mapping[int, Block], givers: Mapping[int, Fraction],
    takers: Mapping[int, Fraction], unit: Fraction, classes: Mapping[int, str],
) -> list[Band]:  # fmt: skip
    """Bands from each giver to the junction, and from it to each taker. Rounding may make the sums differ a little."""
    start = next(iter(left.values())).x + BLOCK
    end = next(iter(right.values())).x
    middle = (start + end) / 2
    places = [_after(left[option], n, unit) for option, n in givers.items()]
    y = sum(places) / len(places)
    bands: list[Band] = []
    running = y
    for (option, n), place in zip(givers.items(), places, strict=True):
        path = _ribbon(start, place, middle, running, float(n * unit))
        bands.append(Band(path, classes[option], n, option, None, False))
        running += float(n * unit)
    running = y
    for option, n in takers.items():
        path = _ribbon(middle, running, end, _after(right[option], n, unit), float(n * unit))
        bands.append(Band(path, "cx", n, None, option, False))
        running += float(n * unit)
    return bands


def _after(block: Block, moved: Fraction, unit: Fraction) -> float:
    """Where the part of a block that moves begins: below what was kept."""
    return block.y + float((block.votes - moved) * unit)


def _ribbon(x1: float, y1: float, x2: float, y2: float, height: float) -> str:
    """A band of one height from the left to the right, bent like an S."""
    height = max(height, 0.75)
    bend = (x1 + x2) / 2
    return (
        f"M{x1:.1f},{y1:.1f}C{bend:.1f},{y1:.1f} {bend:.1f},{y2:.1f} {x2:.1f},{y2:.1f}V{y2 + height:.1f}"
        f"C{bend:.1f},{y2 + height:.1f} {bend:.1f},{y1 + height:.1f} {x1:.1f},{y1 + height:.1f}Z"
    )
