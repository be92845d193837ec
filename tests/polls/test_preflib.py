"""PrefLib files: small ones made here, and the mayor of Burlington where it is at hand (``../shared/data``)."""

import json
import random
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from polls.errors import BadFile
from polls.preflib import parse_preflib
from polls.tally.condorcet import count_schulze
from polls.tally.instant_runoff import count_instant_runoff
from polls.tally.positional import count_borda, count_first_preferences
from polls.tally.ranked_pairs import count_ranked_pairs
from voting.commands.tally import tally as tally_command

BURLINGTON = Path(__file__).parents[3] / "shared" / "data" / "preflib" / "burlington-2009-mayor.toi"
REASON = f"THE REAL PREFLIB FILE IS NOT AT {BURLINGTON}: the recount of Burlington 2009 was NOT run"

SMALL = """# FILE NAME: small.toi
# TITLE: Small: a vote
# DATA TYPE: toi
# NUMBER ALTERNATIVES: 4
# NUMBER VOTERS: 9
# NUMBER UNIQUE ORDERS: 3
# ALTERNATIVE NAME 1: Ann
# ALTERNATIVE NAME 2: Bob: the second
# ALTERNATIVE NAME 3: Cy
# ALTERNATIVE NAME 4: Dee
4: 1,{2,3},4
3: {2, 1}
2: 3
"""


def test_a_small_file_is_read():
    election = parse_preflib(SMALL)
    assert (election.title, election.data_type, election.ballots, election.differences) == (
        "Small: a vote",
        "toi",
        9,
        (),
    )
    assert election.names == {1: "Ann", 2: "Bob: the second", 3: "Cy", 4: "Dee"}
    assert election.answers == {"[[1],[2,3],[4]]": 4, "[[1,2]]": 3, "[[3]]": 2}
    assert parse_preflib(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode()) == election
    assert parse_preflib(SMALL.replace("{2, 1}", "{ 2,1 }").replace("1,{2", "1 , {2")) == election


def test_numbers_that_differ_are_told():
    found = parse_preflib(SMALL.replace("VOTERS: 9", "VOTERS: 10").replace("ORDERS: 3", "ORDERS: x")).differences
    assert [dict(d) for d in found] == [
        {"field": "NUMBER VOTERS", "source": 10, "counted": 9},
        {"field": "NUMBER UNIQUE ORDERS", "source": None, "counted": 3},
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "field"),
    [
        ("DATA TYPE: toi", "DATA TYPE: wmd", None, "DATA TYPE"),
        ("DATA TYPE: toi", "DATA TYPE: soi", 11, "ballot"),
        ("DATA TYPE: toi", "DATA TYPE: toc", 12, "ballot"),
        ("ALTERNATIVES: 4", "ALTERNATIVES: 0", None, "NUMBER ALTERNATIVES"),
        ("ALTERNATIVES: 4", "ALTERNATIVES: 9999999", None, "NUMBER ALTERNATIVES"),
        ("# ALTERNATIVE NAME 4: Dee\n", "", None, "ALTERNATIVE NAME"),
        ("NAME 4", "NAME 3", 10, "ALTERNATIVE NAME"),
        ("2: 3", "2: 5", 13, "ballot"),
        ("2: 3", "2: 3,3", 13, "ballot"),
        ("2: 3", "2: 3,", 13, "ballot"),
        ("2: 3", "2: {}", 13, "ballot"),
        ("2: 3", "2: {3", 13, "ballot"),
        ("2: 3", "-2: 3", 13, "ballot"),
        ("2: 3", "2 3", 13, "ballot"),
        ("2: 3", "2: 3.5", 13, "ballot"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(old, new, line, field):
    assert old in SMALL
    with pytest.raises(BadFile) as caught:
        parse_preflib(SMALL.replace(old, new))
    assert (caught.value.facts["line"], caught.value.facts["field"]) == (line, field)


@given(st.binary(max_size=200) | st.text(alphabet="# :1,{}\nDATYPEtoi", max_size=200))
@settings(deadline=None)
def test_any_bytes_are_read_or_refused(data):
    with pytest.raises(BadFile):
        parse_preflib(data)


@given(st.integers(0, len(SMALL)), st.text(alphabet="{}:,1# \n", max_size=3), st.integers(0, 3))
@settings(deadline=None, max_examples=50)
def test_a_damaged_file_is_counted_or_refused(at, put, cut):
    try:
        election = parse_preflib(SMALL[:at] + put + SMALL[at + cut :])
    except BadFile:
        return
    count_schulze(election.profile())


# ---- the command


def run(path, *options):
    return CliRunner().invoke(tally_command, ["preflib", str(path), *options])


@pytest.mark.parametrize("rule", ["irv", "stv", "meek", "schulze", "ranked_pairs", "plurality", "borda", "approval"])
def test_the_command_counts_by_every_rule(tmp_path, rule):
    path = tmp_path / "small.toi"
    path.write_text(SMALL.replace("Dee", "De\x1be"))
    seats = ("--seats", "2") if rule != "irv" else ()
    shown = run(path, "--rule", rule, *seats)
    assert (shown.exit_code, "\x1b" in shown.stdout) == (0, False)
    assert "Winners: " in shown.stdout
    found = json.loads(run(path, "--rule", rule, "--json").stdout)
    assert (found["rule"], found["ballots"], found["names"]["2"]) == (rule, 9, "Bob: the second")


def test_the_command_says_what_is_wrong(tmp_path):
    path = tmp_path / "bad.toi"
    path.write_text(SMALL.replace("2: 3", "2: 9"))
    assert "line 13, ballot: there is no alternative 9" in run(path).stderr
    path.write_text(SMALL)
    refused = run(path, "--equal", "refuse")
    assert (refused.exit_code, "--equal exhaust" in refused.stderr) == (1, True)
    assert run(tmp_path / "none.toi").exit_code == 1


# ---- hostile files


def made(*ballots, size=3, data_type="toi"):
    lines = (f"# DATA TYPE: {data_type}", f"# NUMBER ALTERNATIVES: {size}", *ballots)
    return ("\n".join(lines) + "\n").encode()


TEN_MEGABYTES = 10_000_000
HOSTILE = {
    "a ballot of ten megabytes": made("1: " + "1," * (TEN_MEGABYTES // 2)),
    "braces of ten megabytes": made("1: {" + "1," * (TEN_MEGABYTES // 2) + "}"),
    "a number of ten megabytes": made("9" * TEN_MEGABYTES + ": 1"),
    "ten megabytes of blanks in braces": made("1: {1" + " " * TEN_MEGABYTES + ","),
    "a number beyond 15 digits": made("9" * 16 + ": 1"),
    "a negative number": made("-1: 1"),
    "digits of another script": made("1: {١,2}"),
    "a raised digit": made("1: {²,2}"),
    "Latin-1": made("1: 1") + b"# TITLE: \xe9\n",
    "UTF-16": made("1: 1").decode().encode("utf-16"),
    "a NUL": made("1: 1\0"),
    "nothing": b"",
    "too many alternatives": made("1: 1", size=1001),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_the_command_refuses_hostile_files_at_once(tmp_path, data):
    path = tmp_path / "hostile.toi"
    path.write_bytes(data)
    started = time.perf_counter()
    refused = run(path, "--rule", "schulze", "--json")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert len(refused.stderr) < 1000
    assert "Traceback" not in refused.stderr
    assert time.perf_counter() - started < 30


@pytest.mark.parametrize("rule", ["irv", "stv", "meek", "schulze", "ranked_pairs", "plurality", "borda", "approval"])
@pytest.mark.parametrize(
    "data",
    [
        made(),
        made("0: 1", "0: 2"),
        made("1: 1", "1: 1", "2: 2"),
        made("1: 1", size=1),
        made(*["999999999999999: 1,2", "999999999999999: 2,3,1"] * 20_000),
        b"# A" + b" " * 1_000_000 + b"B\n#" + b"#" * TEN_MEGABYTES + b"\n" + made("1: 1" + " " * 1_000_000),
    ],
    ids=["no ballots", "only zeros", "lines that repeat", "one alternative", "huge numbers", "long comments"],
)
def test_the_command_counts_strange_files(tmp_path, rule, data):
    path = tmp_path / "strange.toi"
    path.write_bytes(data)
    counted = run(path, "--rule", rule, "--seats", "1000000000", "--json")
    assert counted.exit_code == 0, counted.stderr
    assert json.loads(counted.stdout)["pairwise"]


@pytest.mark.parametrize("rule", ["schulze", "ranked_pairs", "irv", "borda"])
def test_three_hundred_alternatives(tmp_path, rule):
    numbers = random.Random(3)
    path = tmp_path / "large.soc"
    ballots = [f"1: {','.join(map(str, numbers.sample(range(1, 301), 300)))}" for _ in range(101)]
    path.write_bytes(made(*ballots, size=300, data_type="soc"))
    started = time.perf_counter()
    assert run(path, "--rule", rule).exit_code == 0
    assert time.perf_counter() - started < 30


def test_a_folder_is_no_file(tmp_path):
    refused = run(tmp_path)
    assert (refused.exit_code, "directory" in refused.stderr) == (1, True)


# ---- Burlington 2009

KISS, MONTROLL, SIMPSON, SMITH, WRIGHT, WRITE_IN = 1, 2, 3, 4, 5, 6


@pytest.fixture(scope="module")
def burlington():
    if not BURLINGTON.is_file():
        pytest.skip(REASON)
    return parse_preflib(BURLINGTON.read_bytes())


def test_burlington_2009_has_three_winners(burlington):
    profile = burlington.profile()
    assert (burlington.ballots, burlington.differences) == (8980, ())
    assert count_first_preferences(profile).winners == (WRIGHT,)
    assert count_instant_runoff(profile, equal="exhaust").winners == (KISS,)
    for count in (count_schulze, count_ranked_pairs, count_borda):
        assert count(profile).order == ((MONTROLL,), (KISS,), (WRIGHT,), (SMITH,), (SIMPSON,), (WRITE_IN,))
    assert count_schulze(profile).pairwise.winner == MONTROLL


def test_burlington_2009_rounds_as_the_city_published_them(burlington):
    # City of Burlington, results of 3 March 2009; Smith, Simpson and the write-ins left together.
    outcome = count_instant_runoff(burlington.profile(), equal="exhaust", batch=True)
    rounds = [(dict(map(tuple, s.facts["votes"])), s.facts["exhausted"]) for s in outcome.steps if s.code == "round"]
    assert rounds == [
        ({WRIGHT: 2951, KISS: 2585, MONTROLL: 2063, SMITH: 1306, SIMPSON: 35, WRITE_IN: 36}, 4),
        ({WRIGHT: 3294, KISS: 2981, MONTROLL: 2554}, 151),
        ({WRIGHT: 4061, KISS: 4313}, 606),
    ]
    assert count_instant_runoff(burlington.profile(), equal="exhaust").winners == (KISS,)


def test_burlington_2009_one_to_one(burlington):
    # Known figures: Montroll 4067 : 3477 Kiss, Montroll 4597 : 3668 Wright, Kiss 4314 : 4064 Wright.
    pairwise = count_schulze(burlington.profile()).pairwise
    assert (pairwise.over(MONTROLL, KISS), pairwise.over(KISS, MONTROLL)) == (4067, 3477)
    assert (pairwise.over(MONTROLL, WRIGHT), pairwise.over(WRIGHT, MONTROLL)) == (4597, 3668)
    assert (pairwise.over(KISS, WRIGHT), pairwise.over(WRIGHT, KISS)) == (4314, 4064)


def test_the_command_recounts_burlington(burlington):
    shown = run(BURLINGTON, "--batch").stdout
    assert "round 3: Bob Kiss 4313, Kurt Wright 4061; not counting: 606" in shown
    assert "Winners: Bob Kiss\nBeats every other one to one: Andy Montroll" in shown
