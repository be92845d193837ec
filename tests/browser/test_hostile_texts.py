"""Polls whose every text tries to run, opened in Chromium: nothing runs, and no page breaks its own policy.

tests/attacks/test_hostile_texts.py reads the same pages by their HTML; here it is the browser that judges, with the
pages' own scripts at work.
"""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.attacks.hostile import MARK, poison, rich_document, texts_for
from tests.browser.city import OFFICIAL, City, _counted
from tests.browser.conftest import Visit
from tests.browser.visitors import Visitor

from polls.definition import Definition, Text
from results.decisions import Status, record_decision

ASKED = """() => {
    const found = [];
    for (const one of document.querySelectorAll('*')) {
        if (one.localName === 'img' && one.getAttribute('src') === 'x') found.push(one.outerHTML);
        for (const name of one.getAttributeNames())
            if (name.startsWith('on') || one.getAttribute(name).trim().toLowerCase().startsWith('javascript:'))
                found.push(one.outerHTML.slice(0, 200));
    }
    return found;
}"""


async def hostile_polls(city: City) -> None:
    """One open, one counted with a decision, one draft."""
    now = datetime.now(UTC)
    times: dict[str, Any] = {"opens_at": now - timedelta(days=3), "closes_at": now + timedelta(days=9)}
    values = {name: value for name, value in poison(rich_document()).values.items() if name not in (
        "schema", "poll_id", "opens_at", "closes_at",
    )}  # fmt: skip
    city.slugs["hostile-open"] = await city.open_poll(**copy.deepcopy(values), **times)
    await _counted(city, now, "hostile", 30, {**copy.deepcopy(values), **times})
    later = {"opens_at": now + timedelta(hours=2), "closes_at": now + timedelta(days=9)}
    city.slugs["hostile-draft"] = await city.draft(Definition.model_validate({"poll_id": "d" * 32, **values, **later}))
    async with city.database.open_session() as session:
        await record_decision(
            session, "hostile", text=Text(ru=texts_for(1)[0], en=texts_for(2)[0]), owner=texts_for(3)[0],
            status=Status.IN_PROGRESS, author_id=city.official_id, now=now, deadline=(now + timedelta(days=1)).date(),
        )  # fmt: skip


async def harmless(visitor: Visitor, shows: bool = True) -> None:
    """Nothing of the page in view is more than text; `shows`: the hostile texts are on it."""
    assert not await visitor.page.evaluate(ASKED)
    assert not set(visitor.dialogs) - {"beforeunload"}, visitor.dialogs
    assert not shows or MARK in await visitor.page.content()


async def test_nothing_that_was_typed_runs(visit: Visit, city: City) -> None:
    await hostile_polls(city)
    visitor = await visit()
    opened, counted, draft = (city.slugs[name] for name in ("hostile-open", "hostile", "hostile-draft"))
    for path in (
        "/", "/results", "/decisions", "/departments", f"/polls/{opened}", f"/polls/{opened}/results",
        f"/polls/{counted}", f"/polls/{counted}/results", f"/polls/{counted}/explore", f"/polls/{counted}/verify",
        f"/polls/{counted}/downloads",
        f"/decisions/{counted}", f"/embed/polls/{counted}", f"/?q={MARK}\"><img src=x onerror=alert(7)>",
    ):  # fmt: skip
        await visitor.go(path)
        await harmless(visitor)
    await visitor.sign_in(await city.resident(), then=f"/polls/{opened}/vote")
    await harmless(visitor)
    await visitor.sign_in(OFFICIAL, then="/officials")
    await harmless(visitor)
    public_id = await city.public_id(opened)
    for path in (f"/officials/polls/{public_id}", f"/officials/polls/{draft}/edit", f"/officials/polls/{draft}/check",
                 f"/officials/polls/{await city.public_id(counted)}/decision"):  # fmt: skip
        await visitor.go(path)
        await harmless(visitor)


async def test_what_would_run_is_noticed(visit: Visit) -> None:
    visitor = await visit()
    await visitor.go("/")
    await visitor.page.evaluate("alert(7)")
    assert visitor.dialogs == ["alert"]
    await visitor.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=alert(7)>')")
    assert len(await visitor.page.evaluate(ASKED)) >= 1
    await visitor.page.wait_for_timeout(300)
    assert visitor.dialogs == ["alert"], "the policy stops what a script smuggles in"
    assert any("Content Security Policy" in problem for problem in visitor.problems)
    visitor.problems.clear()
