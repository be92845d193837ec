"""Every kind of question over the pages without scripts and through the API: steps, errors, styles, what is stored."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.builders import a_citizen, a_city, a_multiple_choice, a_single_choice, an_open_poll, an_option, both
from tests.flows.pages import Page, Resident, a_site
from tests.sites import add_account
from tests.voting.web.every_kind import STORED, WORDS, all_kinds, answers

from polls.catalogue import SealedPoll
from polls.document import Text
from polls.errata import add_erratum
from polls.pausing import pause_poll, resume_poll
from voting.db import Database

CHECK = "Your vote has not been sent yet"


class Town:
    """A site with a resident of Arbat and one of Timiryazevsky."""

    def __init__(self, database: Database, tmp_path: Path) -> None:
        self.database = database
        self.app = a_site(database, tmp_path)

    async def settle(self) -> Town:
        async with self.database.open_session() as session:
            await a_city(session)
            people = {"anna": await a_citizen(session),
                      "boris": await a_citizen(session, district="msk-sao-timiryazevsky")}  # fmt: skip
        for name, citizen_id in people.items():
            await add_account(self.database, f"{name}@city.test", "resident", citizen_id=citizen_id)
        return self

    async def poll(self, **more: Any) -> SealedPoll:
        async with self.database.open_session() as session:
            return await an_open_poll(session, **more)

    async def resident(self, name: str = "anna", **headers: str) -> Resident:
        return await Resident(self.app, **headers).sign_in(f"{name}@city.test")

    async def stored(self, poll: SealedPoll) -> list[list[str]]:
        async with self.database.open_session() as session:
            rows = await session.execute(text(f"SELECT answers FROM intake_{poll.id}"))
            return [list(row.answers) for row in rows]

    async def words(self, poll: SealedPoll) -> dict[int, str]:
        async with self.database.open_session() as session:
            rows = await session.execute(
                text("SELECT question_id, text FROM text_answer WHERE poll_id = :poll"), {"poll": poll.id}
            )
            return {row.question_id: row.text for row in rows}


@pytest.fixture
async def town(fresh_database: Database, tmp_path: Path) -> Town:
    return await Town(fresh_database, tmp_path).settle()


async def fill_all(anna: Resident, poll: SealedPoll) -> Page:
    """Answer every question as `STORED` has it, ending on the check page."""
    page = await anna.get(f"/polls/{poll.slug}/vote")
    page = await anna.press(page, q_1="2", q_2_own=WORDS[2])
    page = await anna.press(page, q_3="2", q_3_own=WORDS[3])
    page = await anna.press(page, q_4_1="10", q_4_2="0")
    page = await anna.press(page, q_5_1="3")
    page = await anna.press(page, q_6_1="-7")
    page = await anna.press(page, q_7_3="1", q_7_1="2")
    page = await anna.press(page, q_8_1="1", q_8_2="1", q_8_3="2")
    page = await anna.press(page, q_9_1="6", q_9_2="0", q_9_3="4")
    page = await anna.press(page, q_10=["2", "3"])
    return await anna.press(page, q_11_own=WORDS[11])


async def test_every_kind_without_scripts_is_stored_as_chosen(town: Town) -> None:
    poll = await town.poll(questions=all_kinds())
    anna = await town.resident()
    check = await fill_all(anna, poll)
    assert CHECK in check.words
    for words in ("Sport", "Бадминтон", "A fountain", "Own answer: Скамью <у ворот>", "10 on a scale from 0 to 10",
                  "good", "−7 on a scale", "A café", "From six, From eight", "6 points", "A ferry"):  # fmt: skip
        assert words in check.words, words
    assert "Where is the stage" not in check.words, "a question the answers hide is not read back"
    assert "<у ворот>" not in check.html
    assert (await anna.press(check, "")).status == 200
    assert await town.stored(poll) == [STORED]
    assert await town.words(poll) == WORDS


async def test_the_api_takes_every_kind(town: Town) -> None:
    poll = await town.poll(questions=all_kinds())
    anna = await town.resident()
    token = (await anna.http.get("/api/v1/session")).json()["csrf_token"]
    headers = {"x-csrf-token": token, "idempotency-key": "ab" * 16}
    sent: dict[str, Any] = {"answers": answers()}
    wrong = {"answers": {**answers(), "7": [1], "9": {"1": 7, "2": 3}, "10": [1, 2]}}
    refused = await anna.http.post(f"/api/v1/polls/{poll.slug}/ballots", json=wrong, headers=headers)
    assert refused.status_code == 422
    assert {e["path"]: e["code"] for e in refused.json()["errors"]} == {
        "answers/7": "too_few", "answers/9": "too_many_points", "answers/10": "exclusive_projects",
    }  # fmt: skip
    taken = await anna.http.post(f"/api/v1/polls/{poll.slug}/ballots", json=sent, headers=headers)
    assert taken.status_code == 201, taken.text
    assert await town.stored(poll) == [STORED]
    assert await town.words(poll) == WORDS


async def test_nothing_is_lost_on_the_way_back_and_forth(town: Town) -> None:
    poll = await town.poll(questions=all_kinds())
    anna = await town.resident()
    check = await fill_all(anna, poll)

    def kept(page: Page) -> list[tuple[str, str]]:
        form = next(form for form in page.forms if form.action.endswith(("/vote", "/cast")))
        own = ("q-3", "0")  # words choose the own answer on the page that shows it
        return sorted((n, v) for n, v in form.fields if n.startswith("q-") and v and (n, v) != own)

    before = kept(check)
    page = check
    for _ in range(10):
        page = await anna.press(page, "back")
        assert set(kept(page)) == set(before), page.title
    for _ in range(10):
        page = await anna.press(page)
        assert page.status == 200, page.title
    assert kept(page) == before


@pytest.mark.parametrize(
    ("question", "fields", "said"),
    [
        (1, {"q_1": "2", "q_1_own": "Тишина"}, "not both"),
        (1, {"q_1": "0"}, "Write your own answer"),
        (1, {"q_1": "90", "q_1_own": "Тишина"}, "not both"),
        (1, {"q_1_own": "я" * 301}, "at most 300 characters; you have written 301"),
        (2, {"q_1": "2"}, "Write an answer"),
        (2, {"q_1": "2", "q_2_own": "я" * 101}, "at most 100 characters"),
        (4, {"q_4_1": "11"}, "«The northern walk»: rate from 0 to 10"),
        (4, {"q_4_1": "x"}, "«The northern walk»: a whole number is needed"),
        (4, {"q_4_1": "3", "q_4": "90"}, "not both"),
        (5, {}, "Choose a rating"),
        (7, {"q_7_1": "1"}, "Give places to at least 2 options"),
        (7, {"q_7_1": "1", "q_7_2": "1"}, "These options have the same place: «A boat house», «A rink»"),
        (7, {f"q_7_{n}": str(n) for n in (1, 2, 3, 4)}, "Give places to at most 3 options"),
        (7, {"q_7_1": "0", "q_7_2": "1"}, "Places are whole numbers from 1"),
        (7, {"q_7_1": "first", "q_7_2": "1"}, "a place is a whole number"),
        (7, {"q_7_1": "1", "q_7": "90"}, "not both"),
        (9, {"q_9_1": "6", "q_9_2": "6"}, "You have given 12 of 10 points"),
        (9, {"q_9_1": "6"}, "Give all the points: 6 of 10"),
        (9, {"q_9_1": "7", "q_9_2": "3"}, "«Shade»: at most 6 points for one option"),
        (9, {"q_9_1": "-1"}, "points cannot be less than nothing"),
        (9, {"q_9_1": "1,5"}, "a whole number is needed"),
        (9, {}, "Give points to at least one option"),
        (10, {"q_10": ["1", "2"]}, "These projects exclude each other: «A bridge», «A ferry»"),
        (11, {"q_11_own": "Да", "q_11": "90"}, "not both"),
    ],
)
async def test_what_is_wrong_is_said_at_the_question_and_nothing_is_lost(
    town: Town, question: int, fields: dict[str, Any], said: str
) -> None:
    poll = await town.poll(questions=all_kinds())
    anna = await town.resident()
    check = await fill_all(anna, poll)
    page = await anna.press(check, f"change-{question}")
    mine = rf"q-{1 if question == 2 else question}(-.*)?" if question != 2 else r"q-[12](-.*)?"
    form = page.form("/vote")
    kept = [(name, value) for name, value in form.fields if not re.fullmatch(mine, name)]
    typed = [(name.replace("_", "-"), value) for name, values in fields.items()
             for value in ([values] if isinstance(values, str) else values)]  # fmt: skip
    page = await anna.post(form.action, [*kept, *typed, ("op", "next")])
    assert page.status == 422
    assert page.title.startswith("Error: ")
    assert said in page.words
    assert f'id="q-{question}-error"' in page.html
    assert f"q-{question}-error" in "".join(re.findall(r'aria-describedby="([^"]*)"', page.html))
    target = re.search(r'data-error-summary.*?href="#([^"]+)"', page.html, re.DOTALL)
    assert target, "the summary leads to the field"
    assert f'id="{target[1]}"' in page.html
    shown = dict(page.form("/vote").fields)
    for name, value in typed:
        if value.lstrip("-").isdigit() and re.fullmatch(r"q-(4|7)-\d", name):
            continue  # a level or a place there is no button or line for cannot be shown again
        if re.fullmatch(r"q-(4|7)-\d", name):
            continue
        assert (name, value) in page.form("/vote").fields, (name, shown.get(name))
    russian = await anna.post(form.action + "?lang=ru", [*kept, *typed, ("op", "next")])
    assert said not in russian.words
    assert "Ошибка" in russian.title


async def test_a_follow_up_of_an_earlier_page_comes_and_goes(town: Town) -> None:
    poll = await town.poll(questions=all_kinds())
    anna = await town.resident()
    check = await fill_all(anna, poll)
    page = await anna.press(check, "change-1")
    page = await anna.press(page, q_1="3", q_2_own="")
    assert page.status == 200, "a question that has just come up is asked, not blamed"
    assert "Where is the stage?" in page.words
    check = await anna.press(page, q_12="2")
    assert CHECK in check.words
    assert "On the lawn" in check.words
    page = await anna.press(await anna.press(check, "change-1"), q_1="1", q_2_own="Чего уж там")
    assert CHECK in page.words
    names = {name for name, _ in page.form("/cast").fields}
    assert not names.intersection({"q-12", "q-2-own"}), "what is hidden is dropped"
    assert (await anna.press(page, "")).status == 200
    assert await town.stored(poll) == [["[1]", "null", *STORED[2:11], "null"]]
    assert 2 not in await town.words(poll)


STYLED: dict[str, Any] = {
    "styles": [{"id": 1, "title": both("Север", "North"), "territories": ["msk-sao"]},
               {"id": 2, "title": both("Центр", "Centre"), "territories": ["msk-cao-arbat"]}],
    "questions": [
        a_single_choice(1) | {"options": [an_option(1), an_option(2, styles=[1]), an_option(3, styles=[2])]},
        a_multiple_choice(2) | {"styles": [1], "text": both("Про север", "About the north")},
    ],
}  # fmt: skip


async def test_residents_see_their_own_ballot_style(town: Town) -> None:
    poll = await town.poll(**STYLED)
    anna, boris = await town.resident(), await town.resident("boris")
    page = await anna.get(f"/polls/{poll.slug}/vote")
    assert "Question 1 of 1" in page.title
    assert [value for _, name, value in page.form("/vote").inputs if name == "q-1"] == ["1", "3"]
    check = await anna.press(page, q_1="3")
    assert CHECK in check.words
    assert (await anna.press(page, q_1="2")).status == 422, "an option of another style is refused"
    page = await boris.get(f"/polls/{poll.slug}/vote")
    assert [value for _, name, value in page.form("/vote").inputs if name == "q-1"] == ["1", "2"]
    assert "About the north" in (await boris.press(page, q_1="2")).words
    visitor = Resident(town.app)
    for path in (f"/polls/{poll.slug}", f"/polls/{poll.slug}/sample"):
        shown = await visitor.get(path)
        assert "Only for residents of: Northern Okrug" in " ".join(shown.words.split())
        assert "About the north" in shown.words
        own = await anna.get(path)
        assert "About the north" not in own.words
        assert "Option 2" not in own.words
    assert (await anna.press(check, "")).status == 200
    assert await town.stored(poll) == [["[3]", "null"]]
    you = (await boris.http.get(f"/api/v1/polls/{poll.slug}")).json()["you"]
    assert you["ballot"] == {
        "style": 1,
        "questions": [{"id": 1, "options": [1, 2]}, {"id": 2, "options": [1, 2, 3, 4]}],
    }


async def test_a_pause_is_told_and_keeps_the_ballot(town: Town) -> None:
    poll = await town.poll()
    anna = await town.resident()
    question = await anna.get(f"/polls/{poll.slug}/vote")
    now = datetime.now(UTC)
    async with town.database.open_session() as session:
        await pause_poll(session, poll.public_id, 1, "The register is being repaired.", now)
    check = await anna.press(question, q_1="2")
    assert "The register is being repaired." in check.words, "the ballot goes on and says so"
    again = await anna.press(check, "")
    assert again.status == 409
    assert "Nothing was lost" in again.words
    assert ("q-1", "2") in again.form("/cast").fields
    stranger = await Resident(town.app).get(f"/polls/{poll.slug}")
    assert "Voting is paused" in stranger.words
    boris = await town.resident("boris")
    shown = (await boris.http.get(f"/api/v1/polls/{poll.slug}")).json()
    assert shown["pause"]["reason"] == "The register is being repaired."
    assert shown["you"]["eligible"]
    assert not shown["you"]["may_vote"]
    refused = await boris.get(f"/polls/{poll.slug}/vote")
    assert refused.status == 409
    assert "The register is being repaired." in refused.words
    async with town.database.open_session() as session:
        await resume_poll(session, poll.public_id, 1, now + timedelta(minutes=1))
    assert (await anna.press(again, "")).status == 200
    assert await town.stored(poll) == [["[2]"]]


async def test_errata_stand_on_the_poll_and_on_the_ballot(town: Town) -> None:
    poll = await town.poll()
    async with town.database.open_session() as session:
        words = Text(ru="Сквер <большой>.", en="The square is <large>.")
        await add_erratum(session, poll.public_id, 1, words, datetime.now(UTC))
    anna = await town.resident()
    for path in (f"/polls/{poll.slug}", f"/polls/{poll.slug}/vote"):
        page = await anna.get(path)
        assert "The square is &lt;large&gt;." in page.html
    check = await anna.press(await anna.get(f"/polls/{poll.slug}/vote"), q_1="2")
    assert "The square is" in check.words
    shown = (await Resident(town.app).http.get(f"/api/v1/polls/{poll.slug}")).json()
    assert [one["text"]["en"] for one in shown["errata"]] == ["The square is <large>."]
    assert shown["pause"] is None


async def test_before_the_opening_one_sees_the_ballot_and_where_one_stands(town: Town) -> None:
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    poll = await town.poll(questions=all_kinds(), opens_at=later, closes_at=later + timedelta(days=1))
    anna = await town.resident()
    page = await anna.get(f"/polls/{poll.slug}")
    assert "you will be able to vote" in page.words
    assert f"/polls/{poll.slug}/sample" in page.links
    for who in (anna, Resident(town.app)):
        sample = await who.get(f"/polls/{poll.slug}/sample")
        assert sample.status == 200
        for question in all_kinds():
            assert question["text"]["en"] in sample.words
        assert not any(form.action.endswith(("/vote", "/cast")) for form in sample.forms), "nothing can be sent"


async def test_options_tell_what_they_carry_and_load_nothing_from_elsewhere(town: Town) -> None:
    option = an_option(1) | {
        "description": both("Двадцать лип", "Twenty limes"),
        "place": {"address": both("Тверская, 1", "1 Tverskaya"), "latitude": 55_757_000, "longitude": 37_613_500},
        "sources": [{"title": both("Проект", "The project"), "url": "https://example.org/p"}],
    }
    for question in ({"kind": "single_choice"}, {"kind": "ranking"}, {"kind": "points"}, {"kind": "rating"}):
        poll = await town.poll(
            questions=[{"id": 1, "text": both("Что?", "What?"), "options": [option, an_option(2)], **question}]
        )
        page = await (await town.resident()).get(f"/polls/{poll.slug}/vote")
        for words in ("Twenty limes", "1 Tverskaya", "On the map", "The project"):
            assert words in page.words, (question, words)
        assert any("mlat=55.757000&mlon=37.613500" in link for link in page.links)
        loaded = re.findall(r'(?:src|srcset|action|poster)="([^"]+)"', page.html)
        assert not [address for address in loaded if address.startswith("http")]


async def test_the_order_of_a_ballot_stays_on_every_page(town: Town) -> None:
    poll = await town.poll(questions=[a_single_choice(1, 8, shuffle=True), a_single_choice(2)])
    anna = await town.resident()
    page = await anna.get(f"/polls/{poll.slug}/vote")
    order = [value for _, name, value in page.form("/vote").inputs if name == "q-1"]
    page = await anna.press(await anna.press(page, q_1="3"), "back", q_2="1")
    assert [value for _, name, value in page.form("/vote").inputs if name == "q-1"] == order
    assert order[-1] == "90"


def test_what_the_walk_stores_is_what_the_api_example_says() -> None:
    assert json.loads(json.dumps(answers())) == answers()
    assert len(STORED) == len(all_kinds())
