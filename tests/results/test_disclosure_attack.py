"""On random sets of three linked tables of 30 × 7 × 2 and more, the attacker bounds no hidden cell under ten."""

import itertools
import os

import numpy as np
import pytest
from tests.results.disclosure_attacker import Attacker, Figure

from results.disclosure import CAST, ROOT, Block, NarrowCells, Protection, audit, protect
from results.disclosure_tables import Axis, Form, linked_block

SETS = 1000 if os.environ.get("VECHE_FULL_COUNTS") == "1" else 50
KINDS: dict[str, list[tuple[str, ...]]] = {
    # Three two-way tables of one city, each by answer.
    "pairs": [("district", "age"), ("district", "sex"), ("age", "sex")],
    # Three tables over the whole 30 × 7 × 2: one answer, the other, and the ballots cast.
    "cubes": [("district", "age", "sex")],
    # Districts in okrugs, so that tables share figures at two heights.
    "nested": [("district", "age"), ("okrug", "age", "sex"), ("district", "sex")],
}


class City:
    """A random electorate and its tables; names of groups are made here anew."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.kind = list(KINDS)[seed % 3]
        self.shape = (int(rng.integers(30, 35)), 7, 2, int(rng.integers(2, 4)) if self.kind != "cubes" else 2)
        even = [rng.dirichlet(np.full(n, a)) for n, a in zip(self.shape[:3], (4, 6, 20), strict=True)]
        groups = np.einsum("i,j,k->ijk", *even) * rng.lognormal(0, 0.3, self.shape[:3])
        answers = rng.dirichlet(np.full(self.shape[3], 4.0)) * 12
        chances = groups[..., None] * rng.dirichlet(answers, self.shape[:3])
        # Ever fewer ballots, until so many cells are small that there is something to attack.
        wanted, ballots, small = rng.uniform(0.01, 0.06), 400_000, 0.0
        while small < wanted:
            ballots = ballots * 5 // 6
            self.people = rng.multinomial(ballots, (chances / chances.sum()).ravel()).reshape(self.shape)
            small = float(np.mean([figure.true < 10 for figure in self.figures(frozenset()).values()]))

    def block(self) -> Block:
        districts, ages, sexes, options = self.shape
        axes = (
            Axis(("okrug", "district"), {f"{d}": (f"{d % 5}", f"{d}") for d in range(districts)}),
            Axis(("age",), {f"{a}": (f"{a}",) for a in range(ages)}),
            Axis(("sex",), {f"{s}": (f"{s}",) for s in range(sexes)}),
        )
        if self.kind != "nested":
            axes = (Axis(("district",), {f"{d}": (f"{d}",) for d in range(districts)}), *axes[1:])
        counts: dict[tuple[str, ...], dict[str, int]] = {
            (f"{d}", f"{a}", f"{s}"): {str(o + 1): int(n) for o, n in enumerate(row)} | {CAST: int(row.sum())}
            for d, a, s in itertools.product(range(districts), range(ages), range(sexes))
            for row in [self.people[d, a, s]]
        }
        sums = [dict.fromkeys((str(o + 1) for o in range(options)), 1) | {CAST: -1}]
        return linked_block(counts, Form(axes, KINDS[self.kind]), sums)

    def figures(self, hidden: frozenset[tuple[str, str]]) -> dict[object, Figure]:
        """Every published figure as the finest groups it is the sum of, worked out from its name alone."""
        numbers = np.arange(self.people.size).reshape(self.shape)
        found: dict[object, Figure] = {}
        for group, column in self.places():
            chosen = numbers
            for part in filter(None, group.split("|")):
                level, _, value = part.partition(":")
                index = [d for d in range(self.shape[0]) if d % 5 == int(value)] if level == "okrug" else [int(value)]
                chosen = chosen.take(index, axis={"okrug": 0, "district": 0, "age": 1, "sex": 2}[level])
            if column != CAST:
                chosen = chosen.take([int(column) - 1], axis=3)
            people = chosen.ravel()
            found[group, column] = Figure(people, int(self.people.ravel()[people].sum()), (group, column) not in hidden)
        return found

    def places(self) -> set[tuple[str, str]]:
        """The cells of the tables and of their margins."""
        values = {"district": range(self.shape[0]), "okrug": range(5), "age": range(7), "sex": range(2)}
        found = set()
        for table in KINDS[self.kind]:
            choices: list[list[str]] = []
            for level in table:
                names = ["", *(f"{level}:{v}" for v in values[level])]
                if level == "district" and self.kind == "nested":
                    names += [f"okrug:{v}" for v in values["okrug"]]
                choices.append(names)
            for parts in itertools.product(*choices):
                group = "|".join(filter(None, parts))
                found |= {(group, column) for column in (CAST, *(str(o + 1) for o in range(self.shape[3])))}
        return found


def narrow(city: City, hidden: frozenset[tuple[str, str]]) -> dict[object, tuple[float, float]]:
    """Hidden cells the attacker bounds more narrowly than ten, though the totals of the poll alone would not."""
    attacker = Attacker(city.figures(hidden), city.people.size)
    found = {key: span for key, span in attacker.ranges().items() if span[1] - span[0] < 10 - 1e-6}
    found |= {key: span for key, span in attacker.propagated().items() if span[1] - span[0] < 10}
    if found:
        everything = frozenset(place for place in city.places() if place[0] != ROOT)
        alone = Attacker(city.figures(everything), city.people.size).ranges()
        found = {key: span for key, span in found.items() if alone[key][1] - alone[key][0] >= 10 - 1e-6}
    return found


def checked(city: City, protection: Protection) -> float:
    """The share of published cells hidden, once it is seen that no disclosing one is shown."""
    places = {place for place in city.places() if place[0] != ROOT}
    assert protection.hidden <= places
    true = city.figures(frozenset())
    for group, column in places - protection.hidden:
        assert true[group, column].true >= 10
        assert column == CAST or true[group, column].true < true[group, CAST].true
    return len(protection.hidden) / len(places)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SETS))
def test_the_attacker_finds_no_hidden_cell(seed: int) -> None:
    city = City(seed)
    protection = protect(city.block())
    assert checked(city, protection) <= 0.35
    assert not narrow(city, protection.hidden)


@pytest.mark.parametrize("seed", range(3))
def test_the_attacker_wins_where_primary_cells_alone_are_hidden(seed: int) -> None:
    """He is not harmless: without complementary cells he bounds many."""
    city = City(seed)
    primary = protect(city.block()).primary
    assert primary
    assert len(narrow(city, primary)) > len(primary) / 2


@pytest.mark.parametrize("seed", range(3))
def test_showing_one_hidden_cell_more_is_refused_whenever_the_attacker_gains_by_it(seed: int) -> None:
    """The audit lets nothing pass that the attacker would read; it may not refuse what he cannot."""
    city = City(seed)
    protection = protect(city.block())
    rng = np.random.default_rng(seed)
    extra = sorted(protection.hidden - protection.primary)
    for number in rng.choice(len(extra), 3, replace=False):
        hidden = protection.hidden - {extra[number]}
        found = narrow(city, hidden)
        refused = False
        try:
            audit(city.block(), hidden)
        except NarrowCells:
            refused = True
        assert refused or not found
