"""The residents' pages over HTTP: the list, a poll, one's own votes, results in every state, help, both languages."""

import hashlib
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.builders import (
    SEALER,
    a_budget,
    a_citizen,
    a_city,
    a_key,
    a_multiple_choice,
    a_rating,
    a_single_choice,
    an_open_poll,
    both,
    close_now,
    copies_of,
)
from tests.flows.pages import Page, Resident, a_site
from tests.sites import add_account, site_settings

from polls.authoring import cancel_poll, extend_poll
from polls.casting import cast_ballot
from polls.catalogue import SealedPoll
from polls.counting import LIVE_STEP, count_poll, take_live_step
from polls.definition import Text
from polls.own_answers import Status as Reviewed
from polls.own_answers import review
from results.decisions import Status, record_decision
from voting.db import Database
from voting.secrets import receipt_signer

EVERY = [a_single_choice(1, 4), a_multiple_choice(2, required=False), a_rating(3), a_budget(4)]


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class Town:
    """A site with as many residents as a test needs to vote."""

    def __init__(self, database: Database, tmp_path: Path) -> None:
        self.database, self.tmp_path = database, tmp_path
        self.app = a_site(database, tmp_path)
        self.signer = receipt_signer(site_settings(tmp_path))
        self.citizens: list[int] = []

    async def settle(self, residents: int = 0) -> "Town":
        async with self.database.open_session() as session:
            await a_city(session)
            self.anna = await a_citizen(session)
            for number in range(residents):
                district = ("msk-cao-arbat", "msk-cao-basmanny", "msk-sao-timiryazevsky")[number % 3]
                born = date(1950 + number % 50, 3, 1)
                self.citizens.append(await a_citizen(session, district=district, born=born, sex="fm"[number % 2]))
        await add_account(self.database, "anna@city.test", "resident", citizen_id=self.anna)
        return self

    async def poll(self, **more: Any) -> SealedPoll:
        async with self.database.open_session() as session:
            return await an_open_poll(session, **more)

    async def cast(self, poll: SealedPoll, votes: int, answers: Any = None, *, after: int = 0) -> None:
        """So many vote, `after` as many others."""
        async with self.database.open_session() as session:
            for number, citizen in enumerate(self.citizens[after : after + votes]):
                given = answers(number) if answers else {"1": 1 + number % 2}
                await cast_ballot(session, poll, citizen, given, a_key(), self.signer, now())

    async def close(self, poll: SealedPoll, *, count: bool = True) -> SealedPoll:
        async with self.database.open_session() as session:
            closed = await close_now(session, poll)
        if count:
            async with self.database.open_session() as session:
                await count_poll(session, poll.public_id, now(), SEALER)
        self.let_pages_age()
        return closed

    def let_pages_age(self) -> None:
        """Stand for the second after which a page is made anew: the clock of these tests is the real one."""
        self.app.state["pulse"].forget()

    def visitor(self, **headers: str) -> Resident:
        return Resident(self.app, **headers)

    async def resident(self) -> Resident:
        return await self.visitor().sign_in("anna@city.test")


@pytest.fixture
async def town(fresh_database: Database, tmp_path: Path) -> Town:
    return await Town(fresh_database, tmp_path).settle(60)


# ---- the list


async def test_the_list_counts_what_waits_and_narrows_by_scope(town: Town) -> None:
    voted = await town.poll(title=both("Первый", "First"))
    await town.poll(title=both("Второй", "Second"), topic="parks")
    await town.poll(title=both("Снежный", "Snowy"), territory="msk-sao")
    anna = await town.resident()
    page = await anna.get("/")
    assert "3 polls are waiting for your vote" in page.words
    async with town.database.open_session() as session:
        await cast_ballot(session, voted, town.anna, {"1": 1}, a_key(), town.signer, now())
    page = await anna.get("/")
    assert "2 polls are waiting for your vote" in page.words, "one's own vote shows at once"
    assert "You have voted" in page.words
    new = await anna.get("/?show=new")
    assert "First" not in new.words
    mine = await anna.get("/?show=mine")
    assert "Snowy" not in mine.words
    assert "Second" in (await anna.get("/?topic=parks")).words
    assert "First" not in (await anna.get("/?topic=parks")).words
    found = await anna.get("/?q=snow")
    assert "Snowy" in found.words
    assert "First" not in found.words


async def test_the_list_in_russian_has_its_plurals(town: Town) -> None:
    for number in range(5):
        await town.poll(title=both(f"Опрос {number}"))
    page = await (await town.resident()).get("/?lang=ru")
    assert "5 опросов ждут вашего голоса" in page.words
    assert 'lang="ru"' in page.html
    assert "0 голосов" in page.words.replace("\u00a0", " ")


async def test_visitors_see_what_is_open_and_no_scopes(town: Town) -> None:
    await town.poll()
    page = await town.visitor().get("/?show=mine")
    assert "1 poll is open now" in page.words
    assert "My district" not in page.words


async def test_phases_and_empty_states(town: Town) -> None:
    later = now() + timedelta(days=2)
    await town.poll(title=both("Завтра", "Tomorrow"), opens_at=later, closes_at=later + timedelta(days=3))
    visitor = town.visitor()
    assert "Nothing here yet" in (await visitor.get("/")).words
    soon = await visitor.get("/?phase=soon")
    assert "Tomorrow" in soon.words
    assert "Nothing here yet" in (await visitor.get("/?phase=ended")).words
    empty = await visitor.get("/?q=nothing+like+this")
    assert "No poll matches" in empty.words
    assert "No decision has been recorded yet" in empty.words


async def test_a_long_list_goes_on_by_a_cursor(town: Town) -> None:
    for number in range(27):
        await town.poll(
            title=both(f"Опрос {number}", f"Poll number {number}."), closes_at=now() + timedelta(days=2, hours=number)
        )
    visitor = town.visitor()
    first = await visitor.get("/")
    onward = next(link for link in first.links if "after=" in link)
    second = await visitor.get(onward)
    titles = re.findall(r"Poll number \d+\.", first.words + second.words)
    assert sorted(titles) == sorted({f"Poll number {number}." for number in range(27)})


@pytest.mark.parametrize(
    "query",
    ["?phase=x&show=y&topic=z", "?after=x", "?after=99999999999999999-9", "?q=%00", "?q=%25_%5C'%22%3Cb%3E",
     "?q=" + "я" * 500, "?topic=%F0%9F%98%80", "?lang=xx", "?after=-1-1"],
)  # fmt: skip
async def test_any_query_gives_a_page(town: Town, query: str) -> None:
    reply = await town.visitor().get("/" + query)
    assert reply.status == 200
    assert "<b>" not in reply.html


# ---- one poll


async def test_a_poll_tells_its_rules_in_words(town: Town) -> None:
    poll = await town.poll(
        questions=EVERY, quorum={"share": "1/4", "ballots": 100}, binding=True, department="Transport",
        audience={"op": "all", "of": [
            {"op": "age", "at_least": 18, "at_most": 90},
            {"op": "any", "of": [{"op": "territory", "codes": ["msk-cao"]}, {"op": "group", "codes": ["students"]}]},
            {"op": "not", "of": {"op": "verified", "level": 3}},
            {"op": "registered_before", "moment": "2030-01-01T00:00:00Z"},
        ]},
        sources=[{"title": both("Проект", "The project"), "url": "https://example.org/p.pdf"}],
    )  # fmt: skip
    async with town.database.open_session() as session:
        await session.execute(
            text("INSERT INTO citizen_group (code, name_ru, name_en) VALUES ('students', 'С', 'Students')")
        )
        await extend_poll(session, poll.public_id, 1, poll.closes_at + timedelta(days=1), "The site was down.", now())
    page = await town.visitor().get(f"/polls/{poll.slug}")
    assert page.status == 200
    for words in (
        "Binding", "Transport", "aged 18 to 90", "Central Okrug", "Students", "not this:", "checked in person",
        "before 1 January 2030, 03:00", "25.0%", "at least 100 ballots", "A separated vote", "signed receipt",
        "Moscow time", "The rules were sealed", "No second official", "The site was down.", "The project",
        "changed since", poll.poll_hash.hex(),
    ):  # fmt: skip
        assert words in page.words, words


async def test_the_sealed_rules_hash_to_the_number_shown(town: Town) -> None:
    poll = await town.poll()
    page = await town.visitor().get(f"/polls/{poll.slug}/rules.json")
    assert hashlib.sha256(page.reply.content).hexdigest() == poll.poll_hash.hex()


async def test_the_sealed_rules_are_served_as_they_were_sealed(town: Town) -> None:
    """A release that would write the same document in other bytes still serves those whose hash was published."""
    poll = await town.poll()
    async with town.database.open_session() as session:
        await session.execute(text("SET LOCAL session_replication_role = replica"))  # sealed rows refuse changes
        await session.execute(text("UPDATE sealed_definition SET bytes = bytes || '\\x0a'"))
        stored = await session.scalar(text("SELECT bytes FROM sealed_definition"))
    assert (await town.visitor().get(f"/polls/{poll.slug}/rules.json")).reply.content == stored


async def test_the_page_follows_the_reader_and_the_state(town: Town) -> None:
    poll = await town.poll()
    visitor, anna = town.visitor(), await town.resident()
    assert "You will be asked to sign in" in (await visitor.get(f"/polls/{poll.slug}")).words
    assert "You may vote in this poll until" in (await anna.get(f"/polls/{poll.slug}")).words
    async with town.database.open_session() as session:
        await cast_ballot(session, poll, town.anna, {"1": 1}, a_key(), town.signer, now())
    assert "You voted on" in (await anna.get(f"/polls/{poll.slug}")).words
    await town.close(poll, count=False)
    assert "being counted" in (await anna.get(f"/polls/{poll.slug}")).words
    cancelled = await town.poll()
    async with town.database.open_session() as session:
        await cancel_poll(session, cancelled.public_id, 1, "A mistake in the text.", now())
    page = await anna.get(f"/polls/{cancelled.slug}")
    assert "The poll was cancelled" in page.words
    assert "A mistake in the text." in page.words


@pytest.mark.parametrize(
    ("audience", "reason", "step"),
    [
        ({"op": "age", "at_least": 60}, "aged 60 or older", "these are the rules"),
        ({"op": "age", "at_most": 20}, "aged 20 or younger", "these are the rules"),
        ({"op": "territory", "codes": ["msk-sao"]}, "The register has you in: Arbat", "registered address corrected"),
        ({"op": "group", "codes": ["veterans"]}, "veterans. You are not in them", "public service centre"),
        ({"op": "verified", "level": 3}, "checked in person", "Confirm your identity"),
        ({"op": "registered_before", "moment": "2019-01-01T00:00:00Z"}, "after the moment", "these are the rules"),
        ({"op": "not", "of": {"op": "age", "at_least": 18}}, "exclude a group", "these are the rules"),
        ({"op": "any", "of": []}, "admit nobody", "these are the rules"),
    ],
)
async def test_why_not_and_what_to_do(town: Town, audience: Any, reason: str, step: str) -> None:
    later = now() + timedelta(days=1)
    poll = await town.poll(audience=audience, opens_at=later, closes_at=later + timedelta(days=1))
    page = await (await town.resident()).get(f"/polls/{poll.slug}")
    assert "Why you cannot vote in this poll" in page.words, "said before it opens, too"
    assert reason in page.words
    assert step in page.words


@pytest.mark.parametrize("slug", ["nothing-here", "%00", "A", "a" * 200, "..%2f..", "%F0%9F%98%80", "a%0a"])
async def test_no_such_poll(town: Town, slug: str) -> None:
    visitor = town.visitor()
    for path in (f"/polls/{slug}", f"/polls/{slug}/results", f"/polls/{slug}/rules.json"):
        assert (await visitor.get(path)).status == 404


# ---- one's own votes


async def test_my_votes_hold_participation_and_never_a_choice(town: Town) -> None:
    anna = await town.resident()
    assert "You have not voted yet" in (await anna.get("/my-votes")).words
    poll = await town.poll()
    async with town.database.open_session() as session:
        await cast_ballot(session, poll, town.anna, {"1": 2}, a_key(), town.signer, now())
    page = await anna.get("/my-votes")
    assert "You voted on" in page.words
    assert "Option 2" not in page.html
    assert page.reply.headers["cache-control"] == "no-store"
    await town.close(poll, count=False)
    assert "being counted" in (await anna.get("/my-votes")).words
    assert (await town.visitor().get("/my-votes")).status == 303


# ---- results


async def results(town: Town, poll: SealedPoll, **headers: str) -> Page:
    page = await town.visitor(**headers).get(f"/polls/{poll.slug}/results")
    assert page.status == 200
    return page


async def test_results_are_hidden_until_the_close_and_say_when(town: Town) -> None:
    poll = await town.poll()
    await town.cast(poll, 12)
    page = await results(town, poll)
    assert "shown after the poll closes" in page.words
    assert "12 votes so far" in page.words
    assert "Option 1" not in page.words
    await town.close(poll, count=False)
    page = await results(town, poll)
    assert "The count is under way" in page.words
    assert "Option 1" not in page.words


async def test_every_kind_of_question_is_told(town: Town) -> None:
    poll = await town.poll(questions=[{**EVERY[0], "rule": {"threshold": "1/2"}}, *EVERY[1:]], quorum={"share": "1/2"})

    def answers(number: int) -> dict[str, Any]:
        return {
            "1": 90 if number == 0 else 1 if number < 40 else 2,
            "2": [] if number % 4 == 0 else [1, 3],
            "3": {"1": 4 + number % 2, "2": 2},
            "4": [1, 2] if number < 30 else [4],
        }

    await town.cast(poll, 50, answers)
    await town.close(poll)
    page = await results(town, poll)
    for words in (
        "The winner is «Option 1»: 39 votes", "79.6%", "of valid answers", "turnout, of 61 entitled", "82.0%",
        "quorum: 31 ballots", "met", "Rated best: «Option 1»", "4.50", "Trimmed mean", "2 projects are funded",
        "Funded",
        "Not funded: it cost more than what was left", "left after it:", "Left blank",
        "How it was counted, step by step", "To win, an option needs more than 50.0% of 49", "By okrug",
        "By age", "hidden", "Turnout by okrug",
        "No decision has been recorded yet",
    ):  # fmt: skip
        assert words in page.words, words
    for link in ("results.csv", "results.csv?dialect=excel", "answers.csv", "codebook.json", "turnout.csv"):
        assert f"/api/v1/polls/{poll.slug}/{link}" in page.links
    russian = await results(town, poll, **{"accept-language": "ru"})
    assert "Победил вариант «Вариант 1»: 39 голосов" in russian.words
    assert "меньше 10" in russian.words
    assert not re.search(r"\b(votes?|ballots?|winner|turnout|Funded)\b", russian.words)


async def test_files_on_the_results_page_are_there(town: Town) -> None:
    poll = await town.poll()
    await town.cast(poll, 30)
    await town.close(poll)
    page = await results(town, poll)
    files = [link for link in page.links if link.startswith("/api/v1/polls/")]
    assert len(files) == 9
    for link in files:
        assert (await town.visitor().http.get(link)).status_code == 200, link


async def test_ties_are_said_plainly(town: Town) -> None:
    chair = await town.poll(questions=[{**a_single_choice(1, 3), "rule": {"tie": "chair"}}])
    joint = await town.poll(questions=[a_single_choice(1, 3)])
    for poll in (chair, joint):
        await town.cast(poll, 20)
        await town.close(poll)
    page = await results(town, chair)
    assert "«Option 1» and «Option 2» are equal. By the rules the chair decides" in page.words
    assert "The winner" not in page.words
    assert "by the rules all of them win" in (await results(town, joint)).words


async def test_fewer_than_ten_ballots_show_turnout_and_outcome_only(town: Town) -> None:
    poll = await town.poll()
    await town.cast(poll, 9)
    await town.close(poll)
    page = await results(town, poll)
    assert "Fewer than 10 ballots were cast" in page.words
    assert "By okrug" not in page.words
    assert not [link for link in page.links if "answers.csv" in link]


async def test_nobody_voted(town: Town) -> None:
    poll = await town.poll(questions=EVERY, quorum={"ballots": 1})
    await town.close(poll)
    page = await results(town, poll)
    assert "Nobody chose an option" in page.words
    assert "the result of this poll does not hold" in page.words


async def test_a_cancelled_poll_has_no_results_but_a_reason(town: Town) -> None:
    poll = await town.poll()
    async with town.database.open_session() as session:
        await cancel_poll(session, poll.public_id, 1, "A mistake in the text.", now())
    page = await results(town, poll)
    assert "A mistake in the text." in page.words


async def test_a_live_poll_waits_for_its_first_step(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    poll = await town.poll(visibility="live")
    await town.cast(poll, 20)
    page = await results(town, poll)
    assert "first 1,000 ballots" in page.words
    assert "Option 1" not in page.words
    monkeypatch.setattr("polls.counting.LIVE_STEP", 10)
    assert LIVE_STEP == 1_000
    async with town.database.open_session() as session:
        assert await take_live_step(session, poll, now())
    await town.cast(poll, 10, after=20)
    town.let_pages_age()
    page = await results(town, poll)
    assert "As of 20 ballots" in page.words
    assert "Option 1" in page.words
    assert "By okrug" not in page.words


async def test_a_live_follow_up_of_a_few_ballots_shows_no_figures(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr("polls.counting.LIVE_STEP", 10)
    poll = await town.poll(
        visibility="live",
        questions=[a_single_choice(), a_single_choice(2, text=both("Почему?", "Why so?"),
                                                      shown_if={"question": 1, "options": [2]})],
    )  # fmt: skip
    await town.cast(poll, 20, lambda number: {"1": 1} if number else {"1": 2, "2": 3})
    async with town.database.open_session() as session:
        assert await take_live_step(session, poll, now())
    await town.cast(poll, 10, lambda number: {"1": 1}, after=20)
    page = await results(town, poll)
    assert page.words.count("Option 1") == 1, "the first question alone has its options"
    assert "Why so?" in page.words and "Fewer than 10 ballots have held this question so far" in page.words
    sent = (await town.visitor().http.get(f"/api/v1/polls/{poll.slug}/results")).json()
    assert [outcome["question_id"] for outcome in sent["outcomes"]] == [1] and sent["too_few"] == [2]


@pytest.mark.parametrize("votes", [9, 12])
async def test_texts_of_a_few_ballots_are_not_published_and_their_review_is_not_told(town: Town, votes: int) -> None:
    poll = await town.poll(questions=[{"kind": "text", "id": 1, "text": both("Что улучшить?", "What to better?")}])
    await town.cast(poll, votes, lambda number: {"1": f"Wish {number}"})
    async with town.database.open_session() as session:
        for number in range(votes):
            await review(session, poll.public_id, 1, f"Wish {number}", Reviewed.APPROVED, 1, now())
    visitor = town.visitor()
    assert "text_reviewed" not in (await visitor.get(f"/polls/{poll.slug}")).html
    told = (await visitor.http.get(f"/api/v1/polls/{poll.slug}")).json()["events"]
    assert [event["kind"] for event in told] == ["poll_sealed"]
    await town.close(poll)
    page = await results(town, poll)
    file = await visitor.http.get(f"/api/v1/polls/{poll.slug}/texts.csv")
    if votes < 10:
        assert "Wish" not in page.words and "texts.csv" not in page.html
        assert "Texts are not published: fewer than 10 ballots held this question." in page.words
        assert (file.status_code, file.json()["code"]) == (403, "too_few_to_publish")
    else:
        assert "Wish 3" in page.words and "texts.csv" in page.html and "Wish 3" in file.text
    russian = await results(town, poll, **{"accept-language": "ru"})
    assert ("Тексты не публикуются" in russian.words) is (votes < 10)


async def test_the_decision_stands_on_its_result_and_in_the_lists(town: Town) -> None:
    poll = await town.poll(title=both("Автобусы", "Buses"))
    await town.cast(poll, 12)
    await town.close(poll)
    async with town.database.open_session() as session:
        await record_decision(
            session, poll.slug, text=Text(ru="Продлены с <1 декабря>."), owner="Transport", status=Status.PLANNED,
            author_id=1, now=now() - timedelta(days=20), deadline=now().date() - timedelta(days=12),
        )  # fmt: skip
    visitor = town.visitor()
    for path in (f"/polls/{poll.slug}/results", "/", "/results", "/decisions"):
        page = await visitor.get(path)
        assert "Продлены с &lt;1 декабря&gt;." in page.html, path
        assert 'lang="ru"' in page.html, "a text there is in one language only is marked with it"
    for path in (f"/polls/{poll.slug}/results", "/", "/decisions?show=overdue", f"/decisions/{poll.slug}"):
        assert re.search("overdue by 1[123] days", (await visitor.get(path)).words), path


async def test_the_list_of_ended_polls_has_the_decision_of_each_however_many_are_newer(town: Town) -> None:
    poll = await town.poll(title=both("Автобусы", "Buses"), topic="culture")
    await town.cast(poll, 12)
    await town.close(poll)
    async with town.database.open_session() as session:
        await record_decision(session, poll.slug, text=Text(ru="Продлены."), owner="Transport",
                              status=Status.PLANNED, author_id=1, now=now())  # fmt: skip
        for other in await copies_of(session, poll, 120):
            await session.execute(text("INSERT INTO decision (poll_id, text_ru, text_en, owner, status, author_id,"
                                       " published_at) VALUES (:p, 'Позже.', '', 'x', 'done', 1, now())"
                                       ), {"p": other})  # fmt: skip
    assert "Продлены." in (await town.visitor().get("/results?topic=culture")).html


async def test_the_list_of_ended_polls(town: Town) -> None:
    poll = await town.poll(title=both("Автобусы", "Buses"))
    visitor = town.visitor()
    assert "Nothing here yet" in (await visitor.get("/results")).words
    await town.close(poll)
    assert "Buses" in (await visitor.get("/results")).words
    assert "No poll matches" in (await visitor.get("/results?q=trams")).words
    for odd in ("0", "x", "-1", "99999999", "٣"):
        assert (await visitor.get(f"/decisions?page={odd}")).status == 200


# ---- help, languages


async def test_the_page_on_secrecy_says_what_old_copies_still_tell(town: Town) -> None:
    """As plainly as SECURITY.md: before the count everything, afterwards whatever is older, and nobody checks it."""
    page = (await town.visitor().get("/help/secrecy")).words
    before, after = page.index("Before the count"), page.index("After the count")
    assert before < page.index("can learn how a person voted") < page.index("change a ballot, drop it") < after
    assert after < page.index("matched or copied before the count stays with them")
    assert (
        after < page.index("Whoever has one can match them, however much later") < page.index("No program checks that")
    )


@pytest.mark.parametrize("page", ["how-it-works", "secrecy", "accessibility", "data"])
async def test_help_in_both_languages(town: Town, page: str) -> None:
    visitor = town.visitor()
    english = await visitor.get(f"/help/{page}")
    russian = await visitor.get(f"/help/{page}?lang=ru")
    assert english.status == russian.status == 200
    assert english.title != russian.title
    assert re.search("[а-яё]", russian.words)
    english_words = re.findall(r"\b(?:the|and|with)\b", russian.words.replace("CSV on the Web", ""))
    assert not english_words, english_words


async def test_the_secrecy_page_says_what_an_administrator_could_do(town: Town) -> None:
    words = (await town.visitor().get("/help/secrecy")).words
    for said in (
        "Before the count",
        "full access to the database",
        "backups",
        "at most 7 days",
        "can see how you voted",
    ):
        assert said in words


async def test_every_link_of_the_pages_leads_somewhere(town: Town) -> None:
    poll = await town.poll(questions=EVERY)
    done = await town.poll()
    await town.cast(done, 12)
    await town.close(done)
    anna = await town.resident()
    seen: set[str] = set()
    for path in ("/", f"/polls/{poll.slug}", f"/polls/{done.slug}/results", "/results", "/decisions", "/my-votes",
                 "/help/how-it-works", "/help/secrecy", "/help/data"):  # fmt: skip
        seen |= {link.split("#")[0] for link in (await anna.get(path)).links if link.startswith("/")}
    for link in sorted(seen):
        reply = await anna.http.get(link)
        assert reply.status_code in (200, 303), (link, reply.status_code)
