"""Pabulib files: hostile ones made here, and nine real ones where they are at hand (``../shared/data``)."""

import json
import time
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from polls.definition import Budget, BudgetRule, Option
from polls.errors import BadFile
from polls.pabulib import Ballot, Instance, Project, count_file, parse, write
from polls.tally import Profile, tally
from voting.commands.tally import tally as tally_command

DATA = Path(__file__).parents[3] / "shared" / "data" / "pabulib"
REASON = f"THE REAL PABULIB FILES ARE NOT AT {DATA}: the recount of nine cities was NOT run"

SMALL = '''META
key;value
description;A town
budget;100.50
vote_type;approval
rule;greedy
num_projects;3
num_votes;4
PROJECTS
project_id;cost;votes;name;selected
a;60;3;"Trees; and ""grass""";1
b;50.5;2;Benches;0
c;40.50;2;;1
VOTES
voter_id;vote;age
1;a,b;30
2;a;
3;c,a;40
4;b,c;50
'''


def edited(*changes):
    text = SMALL
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


# ---- reading


def test_a_small_file_is_read_exactly():
    instance = parse(SMALL)
    assert instance.budget == 10050
    assert [p.cost for p in instance.projects] == [6000, 5050, 4050]
    assert instance.projects[0].name == 'Trees; and "grass"'
    assert instance.projects[0].votes == Fraction(3)
    assert instance.ballots[2].projects == ("c", "a")
    assert instance.ballots[0].extra == {"age": "30"}
    assert (instance.projects[1].line, instance.ballots[3].line) == (12, 19)


@pytest.mark.parametrize(
    "data",
    [
        SMALL.encode(),
        b"\xef\xbb\xbf" + SMALL.encode(),
        SMALL.replace("\n", "\r\n").encode(),
        SMALL.replace("\n", "\r\n", 7),
        SMALL.replace("\n", "\r"),
        SMALL.replace("PROJECTS\n", "\n\nPROJECTS;;\n\n"),
        SMALL.rstrip("\n"),
        edited(("c;40.50;2;;1", "c;40.50;2;;1;;;")),
        edited(("2;a;\n", "2;a\n")),
        edited(("c;40.50", " c ;40,50"), ("3;c,a", "3; c , a ")),
        edited(("votes;name", "votes ;name"), ("a;60;3", "a;60.0000;3.0")),
        edited(("key;value\n", "")),
    ],
)
def test_irregularities_of_real_files_change_nothing(data):
    assert count_file(parse(data)).as_json() == count_file(parse(SMALL)).as_json()


def test_semicolons_in_a_comment_and_unknown_columns_are_kept():
    instance = parse(edited(("rule;greedy", "rule;greedy\ncomment;one; two;three"), ("name;selected", "what;selected")))
    assert instance.meta["comment"] == "one; two;three"
    assert instance.projects[1].extra == {"what": "Benches"}


def test_quoted_cells_may_hold_line_ends_and_lines_are_still_counted():
    instance = parse(edited(("Benches", '"Ben\n\nches"')))
    assert instance.projects[1].name == "Ben\n\nches"
    assert instance.projects[2].line == 15


@pytest.mark.parametrize(
    ("text", "line", "named"),
    [
        ("", None, "META"),
        ("hello", 1, "META"),
        ("\0" * 1000, 1, "text"),
        (edited(("Benches", "Ben\0ches")), 12, "text"),
        (b"META\nkey;value\nname;\xff\xfe", 3, "text"),
        (SMALL.encode("utf-16"), 1, "text"),
        (SMALL[: SMALL.index("VOTES")], None, "VOTES"),
        (SMALL[: SMALL.index("PROJECTS")], None, "PROJECTS"),
        (SMALL.replace("VOTES\nvoter_id;vote;age\n", "VOTES\n").split("1;a,b")[0], 14, "VOTES"),
        (SMALL + "META\nkey;value\n", 20, "META"),
        (edited(("budget;100.50\n", "")), None, "META budget"),
        (edited(("budget;100.50", "budget;")), 4, "META budget"),
        (edited(("budget;100.50", "budget;a lot")), 4, "META budget"),
        (edited(("budget;100.50", "budget;-1")), 4, "META budget"),
        (edited(("budget;100.50", "budget;1e6")), 4, "META budget"),
        (edited(("budget;100.50", "budget;NaN")), 4, "META budget"),
        (edited(("budget;100.50", "budget;1,000")), 4, "META budget"),
        (edited(("budget;100.50", "budget;1.000")), 4, "META budget"),
        (edited(("2;Benches", "1,000;Benches")), 12, "PROJECTS votes"),
        (edited(("budget;100.50", "budget;١٠٠")), 4, "META budget"),
        (edited(("budget;100.50", "budget;" + "9" * 5000)), 4, "META budget"),
        (edited(("budget;100.50", "budget;1\nbudget;2")), 5, "META budget"),
        (edited(("rule;greedy\n", "")), None, "META rule"),
        (edited(("vote_type;approval\n", "")), None, "META vote_type"),
        (edited(("vote_type;approval", "vote_type;telepathy")), 5, "META vote_type"),
        (edited(("project_id;cost", "project_id;price")), 10, "PROJECTS cost"),
        (edited(("votes;name", "cost;name")), 10, "PROJECTS"),
        (edited(("b;50.5", "b;50.555")), 12, "PROJECTS cost"),
        (edited(("b;50.5", "b;")), 12, "PROJECTS cost"),
        (edited(("b;50.5;2", "b;50.5;two")), 12, "PROJECTS votes"),
        (edited(("b;50.5", "a;50.5")), 12, "PROJECTS project_id"),
        (edited(("b;50.5", ";50.5")), 12, "PROJECTS project_id"),
        (edited(("b;50.5", '"b,c";50.5')), 12, "PROJECTS project_id"),
        (edited(("Benches", "Ben;ches")), 12, "PROJECTS"),
        (edited(("Benches", '"Benches')), 12, "text"),
        (edited(("Benches", '"Benches" and')), 12, "text"),
        (edited(("Benches", "x" * 10**6)), 12, "text"),
        (edited(("Benches", '"' + "x" * 10**6 + '"')), 12, "text"),
        (edited(("Benches", '"' + "x\n" * 10**6 + '"')), 12, "text"),
        (edited(("voter_id;vote", "voter_id;ballot")), 15, "VOTES vote"),
        (edited(("3;c,a", "3;c,z")), 18, "VOTES vote"),
        (edited(("3;c,a", "3;c,,a")), 18, "VOTES vote"),
        (edited(("3;c,a", "3;c,c")), 18, "VOTES vote"),
        (edited(("3;c,a", "2;c,a")), 18, "VOTES voter_id"),
        (edited(("3;c,a", ";c,a")), 18, "VOTES voter_id"),
        (edited(("approval", "choose-1")), 16, "VOTES vote"),
        (edited(("approval", "ordinal")), None, "META max_length"),
        (edited(("approval", "ordinal\nmax_length;1")), 17, "VOTES vote"),
        (edited(("approval", "cumulative")), 15, "VOTES points"),
        (edited(("approval", "cumulative"), ("vote;age", "vote;points")), 16, "VOTES points"),
        (edited(("approval", "cumulative"), ("vote;age", "vote;points"), ("b;30", "b;-1,2")), 16, "VOTES points"),
    ],
)
def test_a_bad_file_is_refused_with_its_line_and_field(text, line, named):
    with pytest.raises(BadFile) as caught:
        parse(text)
    assert (caught.value.facts["line"], caught.value.facts["field"]) == (line, named)
    assert len(caught.value.facts["reason"]) < 200


@given(st.binary(max_size=300) | st.text(alphabet='METAPROJCSV;",\n\r\0a1.- ', max_size=300))
@settings(deadline=None)
def test_any_bytes_are_read_or_refused(data):
    with pytest.raises(BadFile):
        parse(data)


@given(st.integers(0, len(SMALL)), st.text(alphabet=';",\n\0a1.', max_size=4), st.integers(0, 4))
@settings(deadline=None)
def test_a_damaged_file_is_counted_or_refused(at, put, cut):
    damaged = SMALL[:at] + put + SMALL[at + cut :]
    try:
        count = count_file(parse(damaged))
    except BadFile:
        return
    json.dumps(count.as_json())


# ---- counting


def kinds(count):
    return [d["kind"] for d in count.differences]


def test_a_file_is_counted_by_its_rule():
    count = count_file(parse(SMALL))
    assert count.as_json() == {
        "rule": "greedy",
        "votes": {"a": 3, "b": 2, "c": 2},
        "selected": ["a", "c"],
        "source_selected": ["a", "c"],
        "matches": True,
        "differences": [{"kind": "equal_score", "projects": ["c", "b"], "score": 2, "matters": False}],
        "decisions": [],
        "steps": [],
    }


def test_a_city_that_left_its_rule_is_told_how():
    # The city funds b (50.50) instead of a, and then c would not fit.
    count = count_file(parse(edited(('""";1', '""";0'), ("Benches;0", "Benches;1"), (";;1", ";;0"))))
    assert count.matches is False
    told = [d for d in count.differences if d["kind"] == "selection"]
    assert [(d["project"], d["expected"], d["actual"], d["follows"]) for d in told] == [
        ("a", True, False, False),
        ("c", True, False, False),
        ("b", False, True, True),
    ]
    assert (told[0]["remaining"], told[0]["source_remaining"]) == ("100.50", "100.50")
    assert (told[2]["remaining"], told[2]["source_remaining"]) == ("0", "100.50")


def test_equal_scores_and_costs_at_the_line_are_a_tie():
    count = count_file(parse(edited(("b;50.5", "b;40.5"), ("Benches;0", "Benches;1"), (";;1", ";;0"))))
    assert count.selected == ("a", "b")
    assert {"kind": "tie", "projects": ["b", "c"], "seats": 1, "resolution": "file_order"} in count.differences


def test_figures_that_deviate_are_differences():
    count = count_file(
        parse(
            edited(
                ("num_votes;4", "num_votes;5\nmax_length;1\nmin_length;lots"),
                ("a;60;3", "a;60;4"),
                ("Benches;0", "Benches;2"),
            )
        )
    )
    assert {"kind": "number", "field": "num_votes", "source": 5, "counted": 4} in count.differences
    assert {"kind": "number", "field": "min_length", "source": "lots", "counted": None} in count.differences
    assert {"kind": "votes", "project": "a", "source": 4, "counted": 3} in count.differences
    assert {"kind": "selected_value", "project": "b", "source": "2"} in count.differences
    (length,) = [d for d in count.differences if d["kind"] == "ballot_length"]
    assert (length["ballots"], length["first_line"]) == (3, 18)
    assert count.matches is True


def test_scores_of_the_four_kinds_of_ballots():
    ordinal = count_file(parse(edited(("approval", "ordinal\nmax_length;3"))))
    assert ordinal.votes == {"a": 3 + 3 + 2, "b": 2 + 3, "c": 3 + 2}
    points = edited(("approval", "cumulative\nmax_sum_points;9"), ("vote;age", "vote;points"))
    for old, new in (("a,b;30", "a,b;7,3"), ("2;a;", "2;a;4"), ("c,a;40", "c,a;1,2"), ("b,c;50", "b,c;0,9")):
        points = points.replace(old, new)
    count = count_file(parse(points))
    assert count.votes == {"a": 13, "b": 3, "c": 10}
    assert kinds(count)[0] == "ballot_points"
    single = edited(("approval", "choose-1"), ("a,b", "a"), ("c,a", "c"), ("b,c", ""))
    assert count_file(parse(single)).votes == {"a": 2, "b": 0, "c": 1}


def test_a_threshold_rule_needs_its_threshold():
    with pytest.raises(BadFile) as caught:
        count_file(parse(edited(("rule;greedy", "rule;greedy-threshold"))))
    assert caught.value.facts["field"] == "META min_project_score_threshold"
    text = edited(("rule;greedy", "rule;greedy-threshold\nmin_project_score_threshold;3"))
    assert count_file(parse(text)).selected == ("a",)


def test_no_skip_stops():
    count = count_file(parse(edited(("rule;greedy", "rule;greedy-no-skip"), ("c;40.50", "c;40.51"))))
    assert count.selected == ("a",)
    (told,) = [d for d in count.differences if d["kind"] == "selection"]
    assert (told["project"], told["why"], told["remaining"]) == ("c", "over_budget", "40.50")


@pytest.mark.parametrize("rule", ["equalshares/add2", "greedy-exclusive", "Greedy", "unknown"])
def test_a_rule_that_is_not_counted_is_named_and_not_guessed(rule):
    count = count_file(parse(edited(("rule;greedy", f"rule;{rule}"))))
    assert count.differences[0] == {"kind": "rule_not_counted", "rule": rule, "source_comment": None}
    assert (count.selected, count.matches, count.counted) == ((), None, False)
    assert count.votes == {"a": 3, "b": 2, "c": 2}


def test_projects_that_exclude_each_other():
    text = edited(("budget;100.50", "budget;200"), ("rule;greedy", "rule;greedy-exclusive"))
    instance = parse(text)
    assert count_file(instance, exclude=[("b", "c")]).selected == ("a", "c")
    assert count_file(instance, exclude=[("b", "c")], keep=["b"]).selected == ("a", "b")
    assert count_file(instance, exclude=[("a", "b")]).selected == ("a", "c")
    equal = parse(edited(("budget;100.50", "budget;200"), ("b;50.5", "b;40.5")))
    count = count_file(equal, exclude=[("b", "c")])
    assert count.selected == ("a", "b")
    assert {"kind": "tie", "projects": ["b", "c"], "seats": 1, "resolution": "file_order"} in count.differences
    for exclude, keep in (([("a", "z")], ()), ([("a", "b"), ("b", "c")], ()), ([("a", "b")], ("a", "b")), ([], ("a",))):
        with pytest.raises(ValueError, match="project"):
            count_file(instance, exclude=exclude, keep=keep)


def test_equal_shares_are_of_approvals_only():
    with pytest.raises(BadFile) as caught:
        count_file(parse(edited(("approval", "ordinal\nmax_length;3"))), "equalshares/add1")
    assert caught.value.facts["field"] == "META vote_type"


def test_a_file_that_does_not_say_what_was_selected_is_counted_and_not_compared():
    count = count_file(parse(edited((";selected", ""), ('""";1', '"""'), ("Benches;0", "Benches"), (";;1", ";"))))
    assert (count.selected, count.source_selected, count.matches) == (("a", "c"), None, None)
    assert "not_compared" in kinds(count)


# ---- writing

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12)
IDS = st.text(alphabet="abcXYZ019./-", min_size=1, max_size=6)


@st.composite
def instances(draw):
    vote_type = draw(st.sampled_from(["approval", "choose-1", "cumulative", "ordinal"]))
    ids = draw(st.lists(IDS, min_size=1, max_size=5, unique=True))
    projects = tuple(
        Project(
            project_id,
            draw(st.integers(0, 10**15 - 1)),
            votes=draw(st.none() | st.integers(0, 99).map(Fraction)),
            score=draw(st.none() | st.integers(-99, 9999).map(lambda n: Fraction(n, 100))),
            selected=draw(st.sampled_from([None, "0", "1", "2"])),
            extra={"name": draw(WORDS)},
        )
        for project_id in ids
    )
    ballots = []
    for voter_id in draw(st.lists(IDS, max_size=5, unique=True)):
        marked = draw(st.lists(st.sampled_from(ids), unique=True, max_size=1 if vote_type == "choose-1" else 5))
        points = tuple(draw(st.integers(0, 9)) for _ in marked) if vote_type == "cumulative" else ()
        ballots.append(Ballot(voter_id, tuple(marked), points, {"age": draw(WORDS)}))
    meta = {"description": draw(WORDS).strip(), "budget": "12.34", "vote_type": vote_type, "rule": "greedy"}
    meta |= {"max_length": "5", "num_projects": str(len(projects)), "num_votes": str(len(ballots))}
    return Instance(meta, projects, tuple(ballots))


@given(instances())
@settings(deadline=None)
def test_what_is_written_is_read_back(instance):
    assert parse(write(instance)) == instance
    assert parse(write(instance).replace("\n", "\r\n").encode()) == instance


@pytest.mark.parametrize("wrong", ["", "a,b", "a;b", 'a"', " a", "a\n", "META"])
def test_an_id_that_would_break_the_file_is_not_written(wrong):
    meta = {"budget": "1", "vote_type": "approval", "rule": "greedy"}
    with pytest.raises(ValueError, match="cannot be an id"):
        write(Instance(meta, (Project(wrong, 1),), ()))


# ---- the command


def run(tmp_path, text, *options):
    path = tmp_path / "town.pb"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return CliRunner().invoke(tally_command, ["pabulib", str(path), *options])


def test_the_command_prints_one_json_object(tmp_path):
    result = run(tmp_path, SMALL, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == count_file(parse(SMALL)).as_json()


def test_the_command_prints_a_table(tmp_path):
    result = run(tmp_path, edited(("Benches", "Ben\x1b[31mches"), ("A town", "A \x1b]0;town")))
    assert result.exit_code == 0
    assert "budget: 100.50" in result.stdout
    assert "The same projects as the file says were selected. Differences: 1" in result.stdout
    assert "\x1b" not in result.stdout


def test_the_command_says_when_it_does_not_count_the_rule(tmp_path):
    for option in ([], ["--json"]):
        result = run(tmp_path, edited(("rule;greedy", "rule;greedy-exclusive"), ("Benches;0", "Benches;1")), *option)
        assert result.exit_code == 2
        assert "not counted" in result.stderr
    assert json.loads(result.stdout)["selected"] == []


def test_the_command_takes_a_rule_and_a_decision(tmp_path):
    result = run(tmp_path, SMALL, "--rule", "equalshares/add1-comparison")
    assert result.exit_code == 0
    assert "Each voter's share" in result.stdout
    assert "taken: " in result.stdout
    exclusive = edited(("rule;greedy", "rule;greedy-exclusive"))
    result = run(tmp_path, exclusive, "--exclude-group", "a, b", "--keep", "b")
    assert "At most one of: a, b; the city kept b" in result.stdout
    assert run(tmp_path, exclusive, "--exclude-group", "a,z").exit_code == 2
    assert run(tmp_path, SMALL, "--rule", "equalshares/add1", "--json").exit_code == 0


def test_the_command_says_what_is_wrong_with_a_file(tmp_path):
    result = run(tmp_path, edited(("b;50.5", "b;fifty")))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "line 12, PROJECTS cost: 'fifty' is not an amount of money" in result.stderr
    assert "Correct the line named" in result.stderr
    missing = CliRunner().invoke(tally_command, ["pabulib", str(tmp_path / "none.pb")])
    assert missing.exit_code == 1
    assert "No such file" in missing.stderr


LONG = "x" * 10_000_000
HOSTILE = {
    "a vote of ten megabytes": SMALL + "5;" + "a," * 5_000_000 + "\n",
    "a name of ten megabytes": edited(("Benches", LONG)),
    "a quote that is never closed": edited(("Benches", '"' + "x\n" * 5_000_000)),
    "a cost of five thousand digits": edited(("a;60", "a;" + "9" * 5000)),
    "a cost of ten megabytes": edited(("a;60", "a;" + "9" * 10_000_000)),
    "a negative cost": edited(("a;60", "a;-60")),
    "a cost that is no number": edited(("a;60", "a;nan")),
    "a cost with an exponent": edited(("a;60", "a;1e999999999")),
    "votes with an exponent": edited(("a;60;3", "a;60;1e9999999")),
    "votes that divide by zero": edited(("a;60;3", "a;60;1/0")),
    "votes of six thousand digits": edited(("a;60;3", "a;60;" + "9" * 6000)),
    "a negative budget": edited(("budget;100.50", "budget;-100")),
    "a project twice": edited(("b;50.5", "a;50.5")),
    "a voter twice": edited(("2;a", "1;a")),
    "Latin-1": SMALL.encode() + b"\xe9\n",
    "UTF-16": SMALL.encode("utf-16"),
    "a NUL": edited(("Benches", "\0")),
    "nothing": b"",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_the_command_refuses_hostile_files_at_once(tmp_path, data):
    started = time.perf_counter()
    refused = run(tmp_path, data, "--json")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert len(refused.stderr) < 1000
    assert "Traceback" not in refused.stderr
    assert time.perf_counter() - started < 30


def test_the_command_counts_a_line_of_ten_megabytes_of_separators(tmp_path):
    counted = run(tmp_path, edited(("c;40.50;2;;1", "c;40.50;2;;1" + ";" * 10_000_000)), "--json")
    assert (counted.exit_code, json.loads(counted.stdout)["matches"]) == (0, True)


# ---- nine real cities

NINE = {
    "Poland_Czestochowa_2024_Bleszno": True,
    "Poland_Gdansk_2020": None,
    "Poland_Krakow_2025_Stare_Miasto": True,
    "Poland_Lodz_2022": True,
    "Poland_Swiecie_2023": True,
    "Poland_Warszawa_2021_Ursynow": None,
    "Poland_Warszawa_2023_Mokotow": True,
    "Poland_Wieliczka_2023_Green_Budget": True,
    "Poland_Wroclaw_2017": True,
}


@pytest.fixture(scope="module")
def real():
    if not DATA.is_dir():
        pytest.skip(REASON)
    read = {}

    def get(name):
        if name not in read:
            started = time.perf_counter()
            instance = parse((DATA / f"{name}.pb").read_bytes())
            read[name] = (instance, count_file(instance), time.perf_counter() - started)
        return read[name]

    return get


@pytest.mark.parametrize("name", NINE)
def test_a_real_city(real, name):
    instance, count, seconds = real(name)
    assert count.matches is NINE[name]
    # Every votes and score column is reproduced, and nothing else deviates silently.
    assert not {"votes", "score", "number", "ballot_points"} & set(kinds(count))
    assert all(p.score is None or p.score == count.votes[p.id] for p in instance.projects)
    assert all(p.votes is not None for p in instance.projects)
    if count.matches:
        assert list(count.selected) == [p.id for p in instance.projects if p.selected == "1"]
        assert "selection" not in kinds(count)
        assert not any(d["matters"] for d in count.differences if d["kind"] == "equal_score")
    assert parse(write(instance)) == instance
    assert seconds < 30


def test_gdansk_does_not_say_what_was_selected_and_is_counted(real):
    _, count, _ = real("Poland_Gdansk_2020")
    assert (count.source_selected, kinds(count)) == (None, ["not_compared"])
    assert count.selected == ("1", "18", "7", "27", "13")


def test_ursynow_left_plain_greedy_over_a_group_told_in_a_comment(real):
    _, count, _ = real("Poland_Warszawa_2021_Ursynow")
    assert count.differences[0]["kind"] == "rule_not_counted"
    assert "459, 1687, and 2150" in count.differences[0]["source_comment"]
    told = {d["project"]: d for d in count.differences if d["kind"] == "selection"}
    assert {p for p, d in told.items() if d["expected"] and not d["actual"]} == {"1687", "459", "1471", "2136"}
    assert {p for p, d in told.items() if d["actual"] and not d["expected"]} == {"2150", "976"}
    # Two projects of the group were passed over although there was money; all that changed hands follows from that.
    assert [p for p, d in told.items() if d["expected"] != d["actual"] and not d["follows"]] == ["1687", "459"]
    assert {d["against"] for d in told.values()} == {"greedy"}


GROUP = ("459", "1687", "2150")


def test_ursynow_with_the_city_s_decision_about_the_group(real):
    instance, _, _ = real("Poland_Warszawa_2021_Ursynow")
    count = count_file(instance, exclude=[GROUP], keep=["2150"])
    assert (count.matches, count.decisions) == (True, ((GROUP, "2150"),))
    # The city's decision is also the answer to a tie: the cheaper 1821 had as many votes as 2150.
    assert {"kind": "equal_score", "projects": ["2150", "1821"], "score": 1923, "matters": True} in count.differences
    assert "selection" not in kinds(count)
    # Without it the first of the group by votes is built, which is not the one the city kept.
    undecided = count_file(instance, exclude=[GROUP])
    assert undecided.matches is False
    assert [p for p in GROUP if p in undecided.selected] == ["1687"]


def test_wieliczka_s_shares_and_comparison(real):
    # equalshares.net, "Wieliczka Zielony Milion": 30 projects of 64, 995,079 zł.
    _, count, _ = real("Poland_Wieliczka_2023_Green_Budget")
    assert len(count.selected) == 30
    assert count.shares.remaining == 1_000_000_00 - 995_079_00
    assert (count.shares.preferred, count.shares.greedy_taken) == ((1615, 873), False)


def test_another_rule_may_be_asked_for(real):
    instance, _, _ = real("Poland_Swiecie_2023")
    greedy = count_file(instance, "greedy")
    assert (greedy.rule, greedy.matches) == ("greedy", False)
    lodz, _, _ = real("Poland_Lodz_2022")
    started = time.perf_counter()
    assert len(count_file(lodz, "equalshares/add1").selected) == 44
    assert time.perf_counter() - started < 30


@pytest.mark.parametrize("name", ["Poland_Lodz_2022", "Poland_Warszawa_2023_Mokotow", "Poland_Wroclaw_2017"])
def test_a_poll_with_the_same_projects_and_ballots_funds_the_same(real, name):
    instance, count, _ = real(name)
    ids = {project.id: n for n, project in enumerate(instance.projects, start=1)}
    question = Budget(
        id=1,
        options=tuple(Option(id=ids[p.id], cost=p.cost) for p in instance.projects),
        rule=BudgetRule(
            method=instance.rule.replace("-", "_"),
            budget=instance.budget,
            min_score=instance.number("min_project_score_threshold") or 0,
        ),
    )
    answers = Counter(json.dumps(sorted(ids[p] for p in b.projects), separators=(",", ":")) for b in instance.ballots)
    outcome = tally(question, Profile(answers))
    assert {ids[project_id] for project_id in count.selected} == set(outcome.winners)
    assert outcome.cast == len(instance.ballots)
