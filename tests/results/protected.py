"""Tables of counted classes as everybody sees them, for tests that need no database."""

from collections.abc import Iterable, Mapping
from datetime import date

from polls.definition import Definition
from polls.tally.outcome import Outcome
from polls.territories import TerritoryTree
from results.aggregation import ClassCount
from results.protection import Counted, publish, shown
from results.shapes import Table, Turnout


def breakdowns(
    definition: Definition, outcomes: Iterable[Outcome], counts: Iterable[ClassCount], places: TerritoryTree
) -> list[Table]:
    """The tables by one dimension."""
    counted = Counted(definition, tuple(outcomes), tuple(counts), {}, None, places)
    return [table for table in shown(counted, publish(counted, 1))[0] if len(table.dimensions) == 1]


def turnout(
    definition: Definition,
    votes: int,
    by_stratum: Mapping[int, int],
    roll: Mapping[int, int] | None,
    days: Mapping[date, int],
    places: TerritoryTree,
) -> Turnout:
    """Turnout alone, where no question is broken down."""
    counted = Counted(definition, (), (), by_stratum, roll, places)
    _, tables = shown(counted, publish(counted, 1))
    return Turnout(votes, sum(roll.values()) if roll is not None else None, days, tuple(tables))
