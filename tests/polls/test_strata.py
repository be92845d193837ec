"""Strata: codes, age bands, and the merging of small groups."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from polls.strata import AGE_MERGED, LEAST, SEX_MERGED, Stratum, age_index, age_label, coarsen

BANDS = (14, 18, 25, 35, 45, 55, 65)
ON = date(2026, 11, 22)
PARENTS = {1: None, 2: 1, 3: 1, 10: 2, 11: 2, 12: 3, 13: 3}

strata = st.builds(Stratum, st.sampled_from([10, 11, 12, 13]), st.integers(1, 7), st.sampled_from([1, 2, 3]))
counts = st.dictionaries(strata, st.integers(1, 60), min_size=1, max_size=40)


@given(st.builds(Stratum, st.integers(0, 2_000_000), st.integers(0, 99), st.integers(0, 9)))
def test_a_code_reads_back(stratum: Stratum) -> None:
    assert Stratum.of(stratum.code) == stratum


def test_age_bands_count_full_years() -> None:
    assert age_index(date(2008, 11, 22), ON, BANDS) == 2
    assert age_index(date(2008, 11, 23), ON, BANDS) == 1
    assert age_index(date(2020, 1, 1), ON, BANDS) == 97
    assert age_index(None, ON, BANDS) == 98
    assert [age_label(i, BANDS) for i in (1, 7, 97, 98)] == ["14–17", "65+", "0–13", ""]


@given(counts)
def test_no_stratum_stays_small_and_nobody_is_lost(found: dict[Stratum, int]) -> None:
    final = coarsen(found, PARENTS.get)
    assert set(final) == set(found)
    sizes: dict[Stratum, int] = {}
    for old, new in final.items():
        sizes[new] = sizes.get(new, 0) + found[old]
    assert sum(sizes.values()) == sum(found.values())
    if sum(found.values()) >= LEAST:
        assert min(sizes.values()) >= LEAST
    else:
        assert len(sizes) == 1


@given(counts)
def test_the_result_depends_on_the_counts_alone(found: dict[Stratum, int]) -> None:
    assert coarsen(found, PARENTS.get) == coarsen(dict(reversed(found.items())), PARENTS.get)


def test_only_what_is_too_small_is_merged() -> None:
    large, woman, man = Stratum(10, 2, 1), Stratum(10, 3, 1), Stratum(10, 3, 2)
    final = coarsen({large: 500, woman: 4, man: 7}, PARENTS.get)
    assert final == {large: large, woman: Stratum(10, 3, SEX_MERGED), man: Stratum(10, 3, SEX_MERGED)}


def test_sex_goes_first_then_age_then_the_district() -> None:
    few = {Stratum(10, 1, 1): 3, Stratum(10, 2, 2): 4, Stratum(11, 1, 1): 30}
    final = coarsen(few, PARENTS.get)
    assert final[Stratum(10, 1, 1)].territory == 2  # the okrug: the district holds seven ballots in all
    assert final[Stratum(10, 1, 1)] == Stratum(2, AGE_MERGED, SEX_MERGED)
