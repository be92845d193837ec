"""The browser's verifier on figures that a service could bend with good signatures: each lie is seen, no truth is."""

import hashlib
import json
from copy import deepcopy

import pytest
import rfc8785
from tests.builders import a_multiple_choice, a_rating, a_single_choice, an_option, both
from tests.verifiers import boards
from tests.verifiers.browser_core import run_core

from polls.ballot import is_shown
from polls.tally.profile import NOT_SHOWN

STYLES = [{"id": 1, "territories": ["msk-cao"]}, {"id": 2, "territories": ["x"]}]


def verdicts(tmp_path, *boards_of_files, **more):
    """What the browser says of each board."""
    commands = [
        {"do": "board", "dir": str(boards.write(files, tmp_path / str(number))), **more}
        for number, files in enumerate(boards_of_files)
    ]
    return list(run_core(commands))


def verdict(tmp_path, files, **more):
    (reply,) = verdicts(tmp_path, files, **more)
    return reply


def failing(reply, check):
    return reply["verdict"] == "invalid" and {one["check"] for one in reply["failed"]} == {check}


def why(reply):
    return reply["verdict"], [(skip["check"], skip["why"]) for skip in reply["skips"]]


# ---- who is shown what


def a_poll(*questions, answers, n=120, seed=5, styles=(0,), **more):
    """Votes answered as the ballot page lets them: what a voter is not shown has no record."""
    definition = boards.define(*questions, **more)
    votes = boards.votes(n, seed, answers, styles)
    for vote in votes:
        for question in definition.questions:
            if not is_shown(definition, question, vote.style, vote.answers):
                vote.answers[question.id] = NOT_SHOWN
    return boards.Service(definition, votes)


def stuffed(service, question, records):
    """The same board with this question's tree holding more records, and the manifest agreeing."""
    service = deepcopy(service)
    extra = [
        boards.Vote(hashlib.sha256(bytes([n])).digest()[:16], {question: "[2]"}, style)
        for n, style in enumerate(records)
    ]
    for vote in extra:
        for other in service.definition.questions:
            vote.answers.setdefault(other.id, NOT_SHOWN)
    ballots = len(service.votes)
    service.votes = service.votes + extra
    return service.files(lambda manifest: manifest.update(ballots=ballots, participations=ballots))


FOLLOWED = [
    (a_single_choice(1, required=False), lambda chance, style: chance.choice(["[1]", "[2]", "[]"]), {"options": [1]}),
    (a_single_choice(1, required=False), lambda chance, style: chance.choice(["[90]", "[2]", "[]"]), {}),
    (a_multiple_choice(1, required=False), lambda chance, style: chance.choice(["[1,2]", "[3]", "[]"]),
     {"options": [2]}),
    (a_rating(1, required=False), lambda chance, style: chance.choice(["[[1,5],[2,1]]", "[[1,1]]", "[]"]),
     {"options": [1], "at_least": 4}),
    (a_rating(1, required=False), lambda chance, style: chance.choice(["[[2,1]]", "[[1,1]]", "[]"]),
     {"options": [2]}),
    ({"kind": "ranking", "id": 1, "text": both("Что", "What"), "options": [an_option(i) for i in range(1, 4)],
      "rule": {"method": "borda"}, "required": False},
     lambda chance, style: chance.choice(["[[1],[3]]", "[[3],[2]]", "[]"]), {"options": [2]}),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(FOLLOWED)))
def test_a_follow_up_is_on_the_ballots_that_led_to_it_and_no_others(case, tmp_path):
    parent, answer, condition = FOLLOWED[case]
    follow_up = a_single_choice(2, shown_if={"question": 1, **condition})
    service = a_poll(parent, follow_up, answers={1: answer, 2: lambda chance, style: "[1]"})
    led = sum(vote.answers[2] != NOT_SHOWN for vote in service.votes)
    assert 0 < led < 120
    honest, one_more = verdicts(tmp_path, service.files(), stuffed(service, 2, [0]))
    assert honest["verdict"] == "valid", honest
    assert failing(one_more, "counts"), one_more


def test_a_follow_up_of_a_single_choice_is_on_every_ballot_that_led_to_it(tmp_path):
    parent, answer, condition = FOLLOWED[0]
    service = a_poll(parent, a_single_choice(2, shown_if={"question": 1, **condition}),
                     answers={1: answer, 2: lambda chance, style: "[1]"})  # fmt: skip
    next(vote for vote in service.votes if vote.answers[2] != NOT_SHOWN).answers[2] = NOT_SHOWN
    assert failing(verdict(tmp_path, service.files()), "counts")


def test_a_follow_up_may_rest_on_withheld_records_and_on_no_more(tmp_path):
    parent, answer, condition = FOLLOWED[0]
    service = a_poll(parent, a_single_choice(2, shown_if={"question": 1, **condition}),
                     answers={1: answer, 2: lambda chance, style: "[1]"})  # fmt: skip
    service.definition = service.definition.model_copy(update={"styles": boards.define(parent, styles=STYLES).styles})
    for number, vote in enumerate(service.votes):
        vote.style = number % 3
    service.withheld_styles = (1,)
    hidden = sum(vote.style == 1 and vote.answers[1] != "[1]" for vote in service.votes)
    honest, within, beyond = verdicts(
        tmp_path, service.files(), stuffed(service, 2, [1] * hidden), stuffed(service, 2, [1] * (hidden + 1))
    )
    assert [honest["verdict"], within["verdict"]] == ["incomplete", "incomplete"], (honest, within)
    assert failing(beyond, "counts")


def styled(entitled=900):
    """Question 2 is on ballots of style 1 alone, of which there are few."""
    rule = {"method": "plurality", "threshold": "1/2", "denominator": "entitled"}
    definition = boards.define(a_single_choice(1), a_single_choice(2, styles=[1], rule=rule), styles=STYLES)
    votes = boards.votes(200, 9, {1: lambda c, s: "[1]", 2: lambda c, s: "[1]"})
    for number, vote in enumerate(votes):
        vote.style = 1 if number < 20 else 2
        if vote.style == 2:
            vote.answers[2] = NOT_SHOWN
    return boards.Service(definition, votes, entitled=entitled)


def test_a_question_of_one_style_is_on_its_ballots_and_no_others(tmp_path):
    service = styled()
    honest, more, fewer = verdicts(tmp_path, service.files(), stuffed(service, 2, [1] * 180), dropped(service))
    assert honest["verdict"] == "valid", honest
    assert failing(more, "counts")
    assert failing(fewer, "counts")


def dropped(service):
    service = deepcopy(service)
    service.votes[0].answers[2] = NOT_SHOWN
    return service.files()


def test_ballots_of_all_styles_together_are_no_more_than_there_are(tmp_path):
    definition = boards.define(*(a_single_choice(n, styles=[n]) for n in (1, 2)), styles=STYLES)
    votes = boards.votes(60, 9, {1: lambda c, s: "[1]", 2: lambda c, s: "[1]"}, styles=(1, 2))
    for vote in votes:
        vote.answers[3 - vote.style] = NOT_SHOWN
    service = boards.Service(definition, votes)
    fewer = put(ballots=59)
    honest, lie = verdicts(tmp_path, service.files(), service.files(fewer))
    assert honest["verdict"] == "valid", honest
    assert failing(lie, "counts")


# ---- who is entitled


def question(number, **changes):
    return lambda manifest: manifest["questions"][number].update(changes)


def roll(**changes):
    return lambda manifest: manifest["roll"].update(changes)


@pytest.mark.parametrize(
    "change",
    [question(1, entitled=60), question(1, entitled=None), question(0, entitled=None), question(0, entitled=899),
     roll(styles=[]), roll(styles=[[0, 300], [1, 300]]), roll(styles=[[0, 300], [1, 300], [2, 300], [3, 0]]),
     roll(styles=[[0, 300], [1, 300], [1, 300]]), roll(styles=[[0, 600], [1, 300], [2, 600]]), roll(total=None)],
)  # fmt: skip
def test_who_is_entitled_follows_from_the_roll(change, tmp_path):
    reply = verdict(tmp_path, styled().files(change))
    assert reply["verdict"] == "invalid"
    assert "counts" in {one["check"] for one in reply["failed"]}


def test_a_roll_that_is_known_has_a_total(tmp_path):
    service = boards.one_choice(20)

    def unknown(manifest):
        manifest["roll"]["total"] = None
        manifest["participations"] = 10**9
        manifest["questions"][0]["entitled"] = None

    assert failing(verdict(tmp_path, service.files(unknown)), "counts")


def test_a_roll_that_is_not_known_gives_nobodys_number(tmp_path):
    service = styled(entitled=None)
    service.definition = service.definition.model_copy(update={"roll_known": False})
    honest, lie = verdicts(tmp_path, service.files(), service.files(question(0, entitled=60)))
    assert honest["verdict"] == "valid", honest
    assert "counts" in {one["check"] for one in lie["failed"]}


# ---- replaced votes


@pytest.mark.parametrize(
    ("privacy", "may_change", "good"), [("separated", False, False), ("named", False, False), ("named", True, True)]
)
def test_votes_are_replaced_only_where_they_can_be_changed(privacy, may_change, good, tmp_path):
    service = boards.one_choice(20)
    service.definition = boards.define(a_single_choice(1, required=False), privacy=privacy, may_change=may_change)
    service.superseded = tuple(bytes([n]) * 32 for n in range(1, 50))
    reply = verdict(tmp_path, service.files())
    assert reply["verdict"] == "valid" if good else failing(reply, "counts")


def test_a_published_record_is_not_a_replaced_one(tmp_path):
    service = boards.one_choice(20)
    service.definition = boards.define(a_single_choice(1, required=False), privacy="named", may_change=True)
    service.superseded = (boards.board.leaf_hash(service.entries(1)[3]),)
    assert failing(verdict(tmp_path, service.files()), "records")


# ---- versions


def versions(service, *changes):
    """A board of several versions, each with its changes after those before."""
    files = service.files()
    made = json.loads(files["manifest.json"])
    for change in changes:
        previous = hashlib.sha256(rfc8785.dumps(made)).hexdigest()
        made = deepcopy(made) | {"version": made["version"] + 1, "previous": previous}
        change(made)
        service.seal(files, made)
    return files


def put(**changes):
    return lambda manifest: manifest.update(changes)


@pytest.mark.parametrize(
    "change",
    [put(closes_at="2026-11-14T09:00:00Z"), put(participations=301), put(superseded=["00" * 32]),
     roll(total=2_000), question(0, entitled=999), question(0, shown=299), put(time_zone="Asia/Tokyo"),
     put(privacy="named"), put(lot={"official": None, "observer": None})],
)  # fmt: skip
def test_a_later_version_changes_nothing_of_what_was_counted(change, tmp_path):
    service = boards.one_choice()
    honest = versions(service, put(reason="Again.", counted_at="2026-11-16T09:00:00Z", software="veche 0.2.0"))
    good, bad = verdicts(tmp_path, honest, versions(service, change))
    assert good["verdict"] == "valid", good
    assert failing(bad, "manifest")


def lot(party, **changes):
    return lambda manifest: manifest["lot"][party].update(changes)


def test_commitments_and_secrets_stay_once_they_are_given(tmp_path):
    service = boards.tied_by_lot()
    replies = verdicts(
        tmp_path, versions(service, put(reason="Again.")), versions(service, lot("official", commitment="00" * 32)),
        versions(service, lot("official", secret=None)), versions(service, lot("observer", secret="00" * 32)),
    )  # fmt: skip
    assert replies[0]["verdict"] == "valid"
    assert all(failing(reply, "manifest") for reply in replies[1:])


def test_every_version_is_there(tmp_path):
    service = boards.one_choice(20)
    alone = service.files(put(version=7))
    cut = versions(service, put(reason="2"), put(reason="3"))
    del cut["manifest-2.json"]
    assert all(failing(reply, "manifest") for reply in verdicts(tmp_path, alone, cut))


# ---- ties


def test_a_chair_in_place_of_a_lot_leaves_the_check_open_and_says_how_the_lot_falls(tmp_path):
    service = boards.tied_by_lot()
    decided = []
    service.files(lambda manifest: decided.extend(tie["decided"] for tie in manifest["ties"]))

    def other(question, roots, ties):
        def order(stage, tied):
            turned = decided[-1][::-1]
            ties.append({"question": 1, "stage": stage, "options": sorted(tied), "decided": turned,
                         "method": "chair", "reason": "Так."})  # fmt: skip
            return tuple(turned)

        return order

    service.order = other
    reply = verdict(tmp_path, service.files())
    assert why(reply) == ("incomplete", [("ties", "chair_over_lot")])
    assert reply["skips"][0]["detail"] == str(decided[-1]).replace(" ", "")


@pytest.mark.parametrize("reason", ["", " "])
def test_a_chair_gives_a_reason(reason, tmp_path):
    service = boards.tied_for_the_chair()
    reply = verdict(tmp_path, service.files(lambda manifest: [tie.update(reason=reason) for tie in manifest["ties"]]))
    assert failing(reply, "ties")


def test_a_tie_is_decided_once(tmp_path):
    service = boards.tied_for_the_chair()

    def twice(manifest):
        manifest["ties"] += [tie | {"decided": tie["decided"][::-1]} for tie in manifest["ties"]]

    reply = verdict(tmp_path, service.files(twice))
    assert reply["verdict"] == "invalid"
    assert "ties" in {one["check"] for one in reply["failed"]}


# ---- times


@pytest.mark.parametrize(
    ("changes", "good"),
    [({"counted_at": "2026-11-15T09:00:00Z"}, True), ({"counted_at": "2026-11-15T08:59:59.999999Z"}, False),
     ({"counted_at": "2026-11-15T08:55:00Z"}, False), ({"opens_at": "2026-11-01T12:00:00+03:00"}, True),
     ({"opens_at": "2026-11-01T09:00:00.000300Z"}, False), ({"closes_at": "2026-11-15T09:00:05.000001Z"}, False),
     ({"closes_at": "15 November 2026"}, False), ({"closes_at": "2026-11-15T09:00:00"}, False)],
)  # fmt: skip
def test_times_are_compared_exactly(changes, good, tmp_path):
    reply = verdict(tmp_path, boards.one_choice(20).files(put(**changes)))
    assert (reply["verdict"] == "valid") is good, reply


# ---- records and fields


@pytest.mark.parametrize("answer", ["[[1,[2]]]", "[[[1],2]]", "[[1,null]]", '[[1,"2"]]', "[[1,true]]", "[[1,2.5]]"])
@pytest.mark.parametrize("kind", ["points", "rating", "ranking"])
def test_levels_and_points_are_whole_numbers(kind, answer, tmp_path):
    rule = {"rule": {"method": "borda"}} if kind == "ranking" else {}
    asked = {"kind": kind, "id": 1, "text": both("Что", "What"), "options": [an_option(1), an_option(2)], **rule}
    definition = boards.define(asked | {"required": False})
    service = boards.Service(definition, [boards.Vote(bytes([n]) * 16, {1: "[]"}) for n in range(9)])
    odd = boards.board.entry(service.poll_hash, 1, 0, answer, b"1" * 16)
    records = sorted([*service.entries(1)[1:], odd], key=boards.board.leaf_hash)
    assert failing(verdict(tmp_path, service.files(entries={1: records})), "records")


@pytest.mark.parametrize(
    ("change", "check", "named"),
    [(put(more=1), "manifest", "more"), (roll(more=[]), "manifest", "roll/more"),
     (lambda manifest: manifest["questions"][0]["withheld"].update(x=1), "manifest", "questions/withheld/x"),
     (lambda manifest: manifest["questions"][0]["outcome"].update(x=1), "tally", "outcome/x"),
     (lambda manifest: manifest["questions"][0]["outcome"]["options"][0].update(x=1), "tally", "outcome/options/0/x")],
)  # fmt: skip
def test_a_field_that_is_not_known_leaves_the_check_open(change, check, named, tmp_path):
    reply = verdict(tmp_path, boards.one_choice(20).files(change))
    assert why(reply) == ("incomplete", [(check, "unknown")])
    assert reply["skips"][0]["detail"] == named


def test_votes_for_an_option_that_is_not_there_are_no_new_field(tmp_path):
    change = lambda manifest: manifest["questions"][0]["outcome"]["neutral"].update({"91": 5})  # noqa: E731
    assert failing(verdict(tmp_path, boards.one_choice(20).files(change)), "tally")
