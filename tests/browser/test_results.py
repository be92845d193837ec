"""The results page of every counting rule: by axe, on narrow screens, in the dark, without scripts, to the end."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import expect
from tests.browser.city import City
from tests.browser.conftest import Visit
from tests.browser.test_accessibility import AXE, SETTLED, faults_of, report, too_wide_when_large
from tests.builders import a_definition, both
from tests.results.counted import a_counted_poll, city_strata
from tests.results.every_rule import CASES

BALLOTS = 150


async def a_poll_of_every_rule(city: City) -> str:
    """One counted poll with a question for every rule; gives its slug."""
    questions: list[dict[str, Any]] = []
    answers: list[list[str]] = []
    for number, (name, (content, counts)) in enumerate(CASES.items(), start=1):
        questions.append({**content, "id": number, "text": both(f"Вопрос: {name}", name)})
        each = [answer for answer, n in counts.items() for _ in range(n)]
        answers.append([*each, *["[]"] * (BALLOTS - len(each))])
    definition = a_definition(questions=questions, strata=["sex"])
    async with city.database.open_session() as session:
        strata = await city_strata(session)
        ballots = [
            (tuple(column[place] for column in answers), strata[place % len(strata)]) for place in range(BALLOTS)
        ]
        return (await a_counted_poll(session, definition, ballots)).slug


@pytest.fixture(scope="module")
async def slug(city: City) -> str:
    return await a_poll_of_every_rule(city)


@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "light"), ("desktop", "dark")])
async def test_the_results_of_every_rule_can_be_read(visit: Visit, slug: str, size: str, scheme: str) -> None:
    """With everything unfolded axe finds nothing, nothing runs out of the page, and text may be twice as large."""
    visitor = await visit(size=size, scheme=scheme, bypass_csp=True)
    await visitor.context.add_init_script(path=AXE)
    faults: dict[str, list[str]] = {}
    for language in ("ru", "en"):
        await visitor.go(f"/polls/{slug}/results?lang={language}")
        await visitor.page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        await visitor.page.evaluate(SETTLED)
        found = await faults_of(visitor.page, scheme)
        if size == "desktop" and scheme == "light":
            found += [f"200 % text: {wide}" for wide in await too_wide_when_large(visitor.page)]
        if found:
            faults[language] = found
    assert not faults, report(faults)


async def test_the_steps_are_there_without_scripts(visit: Visit, slug: str) -> None:
    """Rounds, comparisons and the line of cut are the server's own; the diagram has its table beside it."""
    visitor = await visit(javascript=False)
    await visitor.go(f"/polls/{slug}/results?lang=en")
    names = list(CASES)
    runoff = visitor.page.locator(f"section[aria-labelledby=h-q{names.index('instant run-off') + 1}]")
    await expect(runoff.locator("svg.sk")).to_be_visible()
    rounds = runoff.locator("table.rounds")
    await expect(rounds).to_be_visible()
    assert await rounds.locator("thead th").all_inner_texts() == ["Option", "Round 1", "Round 2", "Round 3", "Round 4"]
    budget = visitor.page.locator(f"section[aria-labelledby=h-q{names.index('greedy without skipping') + 1}]")
    await expect(budget.locator("tr.cut")).to_be_visible()
    await runoff.get_by_text("How it was counted, step by step").click()
    await expect(runoff.locator(".count-steps li").first).to_be_visible()


async def test_the_page_prints_whole(visit: Visit, slug: str) -> None:
    """On paper nothing stays folded, and the diagram is not cut off by its frame."""
    visitor = await visit()
    await visitor.go(f"/polls/{slug}/results?lang=en")
    await visitor.page.emulate_media(media="print")
    assert await visitor.page.locator(".scroll-x").first.evaluate("one => getComputedStyle(one).overflowX") == "visible"
