"""The results page of every counting rule: by axe, on narrow screens, in the dark, without scripts, to the end."""

from __future__ import annotations

import pytest
from playwright.async_api import expect
from tests.browser.conftest import Visit
from tests.browser.test_accessibility import read_unfolded
from tests.browser.visitors import in_full
from tests.results.every_rule import CASES

LOOKS = [("desktop", "light"), ("phone", "light"), ("desktop", "dark")]


@pytest.mark.parametrize(("size", "scheme"), in_full(LOOKS, LOOKS[:1]))
async def test_the_results_of_every_rule_can_be_read(visit: Visit, every_rule: str, size: str, scheme: str) -> None:
    """With everything unfolded axe finds nothing, nothing runs out of the page, and text may be twice as large."""
    await read_unfolded(visit, f"/polls/{every_rule}/results", size, scheme)


async def test_the_steps_are_there_without_scripts(visit: Visit, every_rule: str) -> None:
    """Rounds, comparisons and the line of cut are the server's own; the diagram has its table beside it."""
    visitor = await visit(javascript=False)
    await visitor.go(f"/polls/{every_rule}/results?lang=en")
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


async def test_the_page_prints_whole(visit: Visit, every_rule: str) -> None:
    """On paper nothing stays folded, and the diagram is not cut off by its frame."""
    visitor = await visit()
    await visitor.go(f"/polls/{every_rule}/results?lang=en")
    await visitor.page.emulate_media(media="print")
    assert await visitor.page.locator(".scroll-x").first.evaluate("one => getComputedStyle(one).overflowX") == "visible"
