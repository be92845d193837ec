"""What officials author and look after beyond the first draft, over HTTP and without JavaScript, on a real database."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from tests.builders import SEALER, ASigner, a_citizen, a_definition, a_key, a_multiple_choice, a_single_choice
from tests.flows.test_official_pages import (
    Official,
    a_draft,
    clock,
    database,
    form_fields,
    local,
    official,
    site,
    stored,
)
from tests.sites import NATIONAL_ID, Clock, add_account, add_citizen, browser, form_token

from polls.casting import cast_ballot
from polls.catalogue import sealed_poll
from polls.counting import count_poll
from polls.definition import canonical_bytes
from polls.poll_templates import TEMPLATES
from voting.db import Database

__all__ = ["clock", "database", "official", "site"]  # fixtures


async def schedule(official: Official, public_id: str) -> httpx.Response:
    """Seal a draft as it is; gives the page of the sealed poll."""
    at = f"/officials/polls/{public_id}"
    check = await official.get(f"{at}/check")
    assert "Seal and schedule" in check.text, re.findall(r'<ul class="findings">.*?</ul>', check.text, re.S)
    revision = re.search(r'name="revision" value="(\d+)"', check.text)
    assert revision
    return await official.follow(await official.send(check, f"{at}/schedule", revision=revision[1], understood="1"))


# ---- beginning


@pytest.mark.parametrize("code", [code for code, template in TEMPLATES.items() if not template.of_owners])
async def test_a_template_becomes_a_scheduled_poll(
    official: Official, database: Database, clock: Clock, code: str
) -> None:
    gallery = await official.get("/officials/polls/start")
    assert all(f'value="{name}"' in gallery.text for name in TEMPLATES)
    page = await official.get(f"/officials/polls/new?territory=msk&template={code}")
    public_id = form_fields(page.text)["poll_id"][0]
    opens = clock() + timedelta(days=1)
    times = {"opens_at": local(opens), "closes_at": local(opens + timedelta(days=7))}
    await official.press(page, "save", 303, **times)
    document = await stored(database, public_id)
    expected = TEMPLATES[code].build("msk")
    assert [question.kind for question in document.questions] == [q["kind"] for q in expected["questions"]]
    page = await schedule(official, public_id)
    assert "The rules are sealed and the poll is scheduled." in page.text


async def test_a_template_of_owners_opens_in_the_editor(official: Official) -> None:
    for code in ("owners_meeting", "renovation"):
        page = await official.get(f"/officials/polls/new?template={code}")
        fields = form_fields(page.text)
        assert fields["units.declared"] == ["1"]
        assert fields["questions.1.rule.method"] == ["units"]
    await official.get("/officials/polls/new?template=no_such", 404)


async def test_a_poll_goes_through_a_file_unchanged(official: Official, database: Database) -> None:
    public_id = await a_draft(database)
    file = await official.get(f"/officials/polls/{public_id}/definition.json")
    assert "attachment" in file.headers["content-disposition"]
    page = await import_file(official, file.content)
    new = form_fields(page.text)["poll_id"][0]
    assert new != public_id
    await official.press(page, "save", 303)
    one, other = await stored(database, public_id), await stored(database, new)
    assert one.model_copy(update={"poll_id": new}) == other


async def import_file(official: Official, data: bytes, status: int = 200) -> httpx.Response:
    start = await official.get("/officials/polls/start")
    reply = await official.client.post(
        "/officials/polls/start", data={"csrf_token": form_token(start)}, files={"file": ("poll.json", data)}
    )
    assert reply.status_code == status, reply.text[:2000]
    return reply


async def test_a_poll_from_elsewhere_can_be_told_that_its_roll_is_known_here(official: Official) -> None:
    elsewhere = await import_file(official, canonical_bytes(a_definition(roll_known=False)))
    assert 'type="checkbox" name="roll_known" id="roll_known" value="1">' in elsewhere.text
    here = await import_file(official, canonical_bytes(a_definition()))
    assert 'type="hidden" name="roll_known" value="1"' in here.text


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "Choose a file."), (b"[1]", "an object was expected"), (b'{"title": ', "1:"), (b"\xff\xfe", "no JSON"),
        (b'{"title": {}, "title": {}}', "stands twice"), (b'{"age_bands": ' + b"[" * 100_000, "no JSON"),
        (b'{"questions": [{"kind": "rating", "id": 1, "scale_min": 5, "scale_max": 1}], "colour": 3}', "colour"),
        (b'{"topic": ' + b"9" * 5000 + b"}", "no JSON"),
    ],
)  # fmt: skip
async def test_a_file_that_is_no_poll_is_told_by_field(official: Official, data: bytes, told: str) -> None:
    page = await import_file(official, data, 422)
    assert told in page.text


# ---- who may vote


async def test_a_tree_of_conditions_is_built_by_buttons(official: Official, database: Database) -> None:
    public_id = await a_draft(database, audience={"op": "all", "of": [{"op": "age", "at_least": 16}]})
    page = await official.get(f"/officials/polls/{public_id}/edit")
    page = await official.press(page, "refine_audience")
    assert form_fields(page.text)["audience.parts.1.at_least"] == ["16"]  # what was typed moves along
    page = await official.press(page, "add_part:any")
    page = await official.press(page, "add_part:territory:2")
    page = await official.press(page, "add_part:verified:2")
    page = await official.press(
        page, "part_up:2",
        audience__parts__2__parts__1__codes=["msk-cao"], audience__parts__2__parts__2__not="1",
        audience__parts__2__parts__2__level="2",
    )  # fmt: skip
    await official.press(page, "save", 303)
    assert (await stored(database, public_id)).audience.model_dump(mode="json") == {
        "op": "all",
        "of": [
            {"op": "any", "of": [{"op": "territory", "codes": ["msk-cao"]},
                                 {"op": "not", "of": {"op": "verified", "level": 2}}]},
            {"op": "age", "at_least": 16, "at_most": None},
        ],
    }  # fmt: skip
    page = await official.get(f"/officials/polls/{public_id}/edit")
    assert "Back to the simple fields" not in page.text
    page = await official.press(page, "remove_part:1")
    page = await official.press(page, "simplify_audience")
    assert form_fields(page.text)["audience.age_from"] == ["16"]


async def test_an_empty_condition_is_named_in_its_place(official: Official, database: Database) -> None:
    page = await official.get(f"/officials/polls/{await a_draft(database)}/edit")
    page = await official.press(page, "refine_audience")
    page = await official.press(page, "add_part:group")
    refused = await official.press(page, "save", 422)
    assert 'href="#audience.parts.3.codes"' in refused.text


async def test_a_list_is_uploaded_or_its_bad_lines_are_told(
    official: Official, database: Database, tmp_path: Any
) -> None:
    await add_citizen(database, tmp_path)
    page = await official.get("/officials/lists")

    async def upload(data: str, code: str = "council") -> httpx.Response:
        sent = {"csrf_token": form_token(page), "code": code, "title.ru": "Совет", "title.en": ""}
        return await official.client.post("/officials/lists", data=sent, files={"file": ("list.csv", data.encode())})

    refused = await upload(f"national_id\n{NATIONAL_ID}\n000-000-000 00\nnobody-known\n")
    assert refused.status_code == 422
    assert "Lines to correct" in refused.text
    assert '<th scope="row" class="num">3</th>' in refused.text
    assert "Совет" in refused.text  # what was typed stays
    assert (await upload("", "council")).status_code == 422
    assert (await upload(f"national_id\n{NATIONAL_ID}\n", "Совет!")).status_code == 422
    page = await official.follow(await upload(f"national_id\n{NATIONAL_ID}\n"))
    assert "council" in page.text
    assert (await upload(f"national_id\n{NATIONAL_ID}\n")).status_code == 422  # the code is taken

    editor = await official.get(f"/officials/polls/{await a_draft(database)}/edit")
    public_id = form_fields(editor.text)["poll_id"][0]
    await official.press(editor, "save", 303, audience__invited="council")
    assert "council" in (await stored(database, public_id)).audience.model_dump_json()


# ---- versions


async def test_versions_are_compared_in_words_and_restored(official: Official, database: Database) -> None:
    public_id = await a_draft(database)
    at = f"/officials/polls/{public_id}"
    page = await official.get(f"{at}/edit")
    page = await official.follow(
        await official.press(page, "save", 303, title__ru="Новое название", audience__age_from="21")
    )
    page = await official.get(f"{at}/revisions?from=1&to=2")
    assert "Новое название" in page.text
    assert "Каким будет сквер?" in page.text
    assert "21 years old or older" in page.text
    assert '<span class="chip">changed</span>' in page.text
    stale = await official.send(page, f"{at}/revisions/1/restore", based_on="1")
    assert stale.status_code == 409
    page = await official.follow(await official.send(page, f"{at}/revisions/1/restore", based_on="2"))
    assert (await stored(database, public_id)).title.ru == "Каким будет сквер?"
    assert "Nothing differs." in (await official.get(f"{at}/revisions?from=1&to=3")).text
    assert (await official.get(f"{at}/revisions?from=99&to=x")).status_code == 200


async def test_questions_counted_together_are_named_in_rows_without_a_script(
    official: Official, database: Database
) -> None:
    """An empty row waits for the next pair; an emptied one is gone; the checklist says what a pair means."""
    public_id = await a_draft(database, questions=[a_single_choice(1), a_multiple_choice(2), a_single_choice(3)])
    at = f"/officials/polls/{public_id}"
    page = await official.get(f"{at}/edit")
    half = await official.press(page, "save", 422, cross_tabs__1__rows="1")
    assert "Choose a question." in half.text
    page = await official.follow(
        await official.press(page, "save", 303, cross_tabs__1__rows="1", cross_tabs__1__columns="2")
    )
    assert form_fields(page.text)["cross_tabs.2.rows"] == [""]
    page = await official.follow(
        await official.press(page, "save", 303, cross_tabs__2__rows="1", cross_tabs__2__columns="3")
    )
    told = [pair.model_dump() for pair in (await stored(database, public_id)).cross_tabs]
    assert told == [{"rows": 1, "columns": 2}, {"rows": 1, "columns": 3}]
    assert "A table of both questions will be published" in (await official.get(f"{at}/check")).text
    changes = (await official.get(f"{at}/revisions?from=1&to=3")).text
    assert "Questions counted together" in changes
    assert "In the rows: 1" in changes
    await official.press(page, "save", 303, cross_tabs__1__rows="", cross_tabs__1__columns="")
    told = [pair.model_dump() for pair in (await stored(database, public_id)).cross_tabs]
    assert told == [{"rows": 1, "columns": 3}]


async def test_two_versions_are_put_together_field_by_field(
    official: Official, database: Database, site: object
) -> None:
    public_id = await a_draft(database)
    at = f"/officials/polls/{public_id}/edit"
    async with browser(site) as client:  # type: ignore[arg-type]
        second = await Official(client, "second@city.test").enter()
        mine, theirs = await official.get(at), await second.get(at)
        theirs = await second.press(theirs, "add_option:1", title__ru="Их название", department="Парки")
        theirs = await second.press(theirs, "save", 303, questions__1__options__91__text__ru="Каток")
        conflict = await official.press(mine, "save", 409, title__ru="Моё название", summary__ru="Моё коротко")
    assert "both changed it" in conflict.text
    assert "Каток" in conflict.text
    chosen = dict(re.findall(r'name="(take\.[^"]+)"[^>]*value="(\w+)" checked', conflict.text))
    assert chosen["take.department"] == "theirs"
    assert chosen["take.summary.ru"] == chosen["take.title.ru"] == "mine"
    number = re.search(r'name="merge_theirs" value="(\d+)"', conflict.text)
    assert number
    merged = await official.press(conflict, "merge", **(chosen | {"merge_theirs": number[1]}))
    await official.press(merged, "save", 303)
    document = await stored(database, public_id)
    assert (document.title.ru, document.summary.ru, document.department) == ("Моё название", "Моё коротко", "Парки")
    assert "Каток" in [option.text.ru for option in document.questions[0].options]


async def test_a_draft_is_put_away_and_handed_over(official: Official, database: Database) -> None:
    public_id = await a_draft(database)
    at = f"/officials/polls/{public_id}"
    page = await official.get(f"{at}/custody")
    refused = await official.send(page, f"{at}/hand-over", to="999999")
    assert refused.status_code == 422
    other = re.search(r'<option value="(\d+)"', page.text)
    assert other
    page = await official.follow(await official.send(page, f"{at}/hand-over", to=other[1]))
    assert "The poll is handed over." in page.text
    desk = await official.follow(await official.send(page, f"{at}/archive"))
    assert at in desk.text
    assert at not in (await official.get("/officials")).text
    await official.follow(await official.send(desk, f"{at}/unarchive"))
    assert at in (await official.get("/officials")).text


# ---- while it runs


async def test_a_poll_is_paused_corrected_and_goes_on(official: Official, database: Database) -> None:
    public_id = await a_draft(database)
    at = f"/officials/polls/{public_id}"
    page = await schedule(official, public_id)
    assert (await official.send(page, f"{at}/pause", reason="")).status_code == 422
    page = await official.follow(await official.send(page, f"{at}/pause", reason="Авария связи"))
    assert "If it goes on now, it closes on" in page.text
    assert "Авария связи" in page.text
    assert f'action="{at}/pause"' not in page.text
    page = await official.follow(await official.send(page, f"{at}/resume"))
    assert "its closing has moved by the outage" in page.text
    refused = await official.send(page, f"{at}/erratum", **{"text.ru": "", "text.en": "x" * 3000})
    assert refused.status_code == 422
    page = await official.follow(await official.send(page, f"{at}/erratum", **{"text.ru": "Площадь 5 га, а не 50."}))
    assert "Площадь 5 га, а не 50." in page.text
    assert "Площадь 5 га, а не 50." in (await official.get(f"/polls/p{public_id[:11]}")).text


async def test_words_wait_until_an_official_agrees(official: Official, database: Database) -> None:
    public_id = await a_draft(database, questions=[{**a_single_choice(1), "own_answer": True}])
    at = f"/officials/polls/{public_id}"
    await schedule(official, public_id)
    written = ["Каток", "каток ", "КАТОК", "<b>Тир</b>", "Ругань"]
    async with database.open_session() as session:
        for words in written:
            await session.execute(
                text("INSERT INTO text_answer (poll_id, question_id, text) SELECT id, 1, :text FROM poll"),
                {"text": words},
            )
    assert "5 texts wait" in (await official.get("/officials/words")).text
    queue = await official.get(f"{at}/words")
    assert "3 texts" in queue.text
    assert "<b>Тир</b>" not in queue.text
    send = {"question": "1", "status": "pending", "offset": "0"}
    page = await official.send(queue, f"{at}/words#queue", act="approve", wording="Каток", **send)
    assert "3 texts approved." in page.text
    page = await official.send(page, f"{at}/words#queue", act="undo", wording="Каток", **send)
    assert "3 texts wait again." in page.text
    refused = await official.send(page, f"{at}/words#queue", act="reject", wording="Ругань", note="", **send)
    assert refused.status_code == 422
    page = await official.send(refused, f"{at}/words#queue", act="reject", wording="Ругань", note="Брань", **send)
    page = await official.send(page, f"{at}/words#queue", act="merge", wording="<b>Тир</b>", merged_into="2", **send)
    assert "1 text shown with an option." in page.text
    assert (await official.send(page, f"{at}/words#queue", act="approve", wording="Не было", **send)).status_code == 409
    async with database.open_session() as session:
        rows = await session.execute(text('SELECT text, status FROM text_answer ORDER BY text COLLATE "C"'))
        assert {tuple(row) for row in rows} == {
            ("Каток", "pending"), ("каток ", "pending"), ("КАТОК", "pending"), ("<b>Тир</b>", "merged"),
            ("Ругань", "rejected"),
        }  # fmt: skip


# ---- lots and ties


async def test_two_secrets_are_committed_to_and_the_chair_decides_what_is_tied(
    official: Official, database: Database, site: object, clock: Clock
) -> None:
    await add_account(database, "observer@city.test", "observer")
    now = datetime.now(UTC)
    lot = {**a_single_choice(1), "rule": {"method": "plurality", "tie": "lot"}}
    chair = {**a_single_choice(2), "rule": {"method": "plurality", "tie": "chair"}}
    public_id = await a_draft(
        database, questions=[lot, chair], opens_at=now + timedelta(hours=1), closes_at=now + timedelta(days=3)
    )
    await schedule(official, public_id)
    slug = f"p{public_id[:11]}"
    page = await official.get(f"/lots/{slug}")
    page = await official.send(page, f"/lots/{slug}/commit", secret="zz", commitment="")
    assert page.status_code == 422
    page = await official.send(page, f"/lots/{slug}/commit", secret="", commitment="")
    secret = re.search(r'id="the-secret">([0-9a-f]{64})<', page.text)
    assert secret
    assert secret[1] not in (await official.get(f"/lots/{slug}")).text
    async with database.open_session() as session:
        assert await session.scalar(text("SELECT secret IS NULL FROM lot_secret"))
    async with browser(site) as client:  # type: ignore[arg-type]
        observer = await Official(client, "observer@city.test").enter()
        page = await observer.get(f"/lots/{slug}")
        page = await observer.send(page, f"/lots/{slug}/commit", secret="ab" * 32, commitment="")
        assert "committed on" in page.text
    async with database.open_session() as session:
        assert await session.scalar(text("SELECT count(*) FROM lot_secret")) == 2
        await session.execute(text("ALTER TABLE poll DISABLE TRIGGER sealed"))  # time passes
        await session.execute(text("UPDATE poll SET opens_at = clock_timestamp() - interval '1 hour'"))
        await session.execute(text("ALTER TABLE poll ENABLE TRIGGER sealed"))
        for choice in (1, 2):
            poll = await sealed_poll(session, public_id)
            citizen = await a_citizen(session)
            await cast_ballot(session, poll, citizen, {"1": choice, "2": choice}, a_key(), ASigner(), now)
    page = await official.get(f"/officials/polls/{public_id}")
    await official.send(page, f"/officials/polls/{public_id}/close-early", reason="Достаточно")
    async with database.open_session() as session:
        await count_poll(session, public_id, datetime.now(UTC), SEALER)
    clock.go(minutes=5)
    page = await official.get(f"/lots/{slug}")
    assert "The lot decides as soon as both secrets are revealed." in page.text  # no votes: everything is tied
    refused = await official.send(page, f"/lots/{slug}/reveal", secret="00" * 32)
    assert "This is not the secret that was committed to." in refused.text
    page = await official.follow(await official.send(page, f"/lots/{slug}/reveal", secret=secret[1]))
    async with browser(site) as client:  # type: ignore[arg-type]
        observer = await Official(client, "observer@city.test").enter()
        page = await observer.get(f"/lots/{slug}")
        page = await observer.follow(await observer.send(page, f"/lots/{slug}/reveal", secret="ab" * 32))
        assert "by lot" in page.text
    page = await official.get(f"/lots/{slug}")
    places = re.findall(r'name="(place\.\d+)"', page.text)
    typed = {"question": "2", "reason": "Так решила комиссия"}
    refused = await official.send(page, f"/lots/{slug}/ties", **typed, **dict.fromkeys(places, "1"))
    assert "Give every option a place of its own" in refused.text
    order = {name: str(place) for place, name in enumerate(places, 1)}
    page = await official.follow(await official.send(page, f"/lots/{slug}/ties", **typed, **order))
    assert "by the chair: Так решила комиссия" in page.text
