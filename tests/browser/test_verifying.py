"""The page on which anybody verifies a count: in the browser, with a receipt or without, with and without scripts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Download, Route, expect
from tests.browser.city import ADULT, City
from tests.browser.conftest import Visit
from tests.browser.office import await_results
from tests.browser.site import LiveSite
from tests.browser.test_accessibility import AXE, SETTLED, faults_of
from tests.browser.visitors import FULL, SIZES, Visitor, in_full
from tests.builders import a_citizen, both
from tests.verifiers import boards

import veche_verify
from polls.board import grouped_code, short_code
from polls.casting import cast_ballot
from polls.catalogue import sealed_poll
from voting.keys import receipt_signer

FOUND_BY_CODE = "A record with this number is among those counted"
BUNDLE: Final = "q1/tile/entries/000.p/120"


@dataclass
class Published:
    """A board of the seeded poll's rules, served at its addresses in place of whatever is there; what was asked for."""

    service: boards.Service
    files: dict[str, bytes]
    asked: list[str] = field(default_factory=list)
    change_registry: Callable[[list[dict[str, Any]]], Any] = lambda events: None
    _registry: tuple[Any, dict[str, bytes]] = (None, {})
    """The registry's files, and what they were made of."""

    async def show(self, visitor: Visitor) -> None:
        """Answer the visitor's requests for files of the board."""

        async def answer(route: Route) -> None:
            _, _, path = route.request.url.partition(f"/board/{self.service.definition.poll_id}/")
            self.asked.append(path)
            found = self.files.get(path)
            await route.fulfill(status=404 if found is None else 200, body=found or b"")

        async def answer_registry(route: Route) -> None:
            found = self.registry().get(route.request.url.partition("/registry/")[2])
            await route.fulfill(status=404 if found is None else 200, body=found or b"")

        await visitor.context.route("**/board/**", answer)
        await visitor.context.route("**/registry/**", answer_registry)

    def registry(self) -> dict[str, bytes]:
        """The files of the registry's log beside the board as it is now: made once for the many requests of a check."""
        made_of = (self.change_registry, [data for path, data in self.files.items() if "manifest" in path])
        if self._registry[0] != made_of:
            self._registry = made_of, self.service.registry(self.files, self.change_registry)
        return self._registry[1]


@pytest.fixture
async def published(city: City) -> Published:
    """An honest board of 120 ballots."""
    async with city.database.open_read_session() as session:
        definition = (await sealed_poll(session, city.slugs["counted"])).definition
    definition = definition.model_copy(update={"opens_at": definition.opens_at})
    answers = {
        1: lambda chance, style: f"[{chance.choice([1, 1, 2, 90])}]",
        2: lambda chance, style: chance.choice(["[]", "[1]", "[1,3]"]),
        3: lambda chance, style: f"[[1,{chance.randint(1, 5)}],[2,{chance.randint(1, 5)}]]",
        4: lambda chance, style: chance.choice(["[1]", "[1,2]", "[2]"]),
    }
    service = boards.Service(definition, boards.votes(120, 7, answers))
    return Published(service, service.files(times_of(definition)))


def times_of(definition: Any) -> Any:
    """The manifest's times, as this poll has them."""

    def change(manifest: dict[str, Any]) -> None:
        stated = definition.as_json()
        manifest |= {
            "opens_at": stated["opens_at"],
            "closes_at": stated["closes_at"],
            "counted_at": stated["closes_at"],
        }

    return change


async def arrive(visit: Visit, city: City, published: Published, **options: Any) -> Visitor:
    """A visitor on the page."""
    visitor = await visit(**options)
    await published.show(visitor)
    await visitor.go(f"/polls/{city.slugs['counted']}/verify")
    await visitor.headed("Check the count yourself")
    return visitor


async def ends(visitor: Visitor, title: str, box: str = "verdict") -> None:
    """Wait for the result of a check."""
    await expect(visitor.page.locator(f"[data-{box}] h3")).to_have_text(visitor.words(title))


async def test_an_honest_board_is_valid(visit: Visit, city: City, published: Published) -> None:
    visitor = await visit()
    await published.show(visitor)
    await visitor.go(f"/polls/{city.slugs['counted']}/results")
    await visitor.link("Check the count yourself").first.click()
    await visitor.headed("Check the count yourself")
    await expect(visitor.page.locator("[data-state]:visible")).to_have_count(0)
    await visitor.button("Check in this browser").click()
    await ends(visitor, "Everything was checked, and everything is in order")
    states = await visitor.page.locator("[data-state]").all_text_contents()
    assert states == [visitor.words("in order")] * 8
    await expect(visitor.page.locator("[data-verdict]")).to_be_focused()
    await expect(visitor.page.locator("[data-verdict]")).to_contain_text("120")


async def test_a_changed_file_is_found_and_said(visit: Visit, city: City, published: Published) -> None:
    bundle = published.files[BUNDLE]
    published.files[BUNDLE] = bundle.replace(b",[1],", b",[2],", 1)
    visitor = await arrive(visit, city, published, locale="en-GB")
    await visitor.button("Check in this browser").click()
    await ends(visitor, "Something is wrong")
    await expect(visitor.page.locator("[data-check=records] [data-state]")).to_have_text("wrong")
    await expect(visitor.page.locator("[data-check=tally] [data-state]")).to_have_text("not checked in full")


async def test_a_board_that_the_registry_does_not_have_is_said(visit: Visit, city: City, published: Published) -> None:
    """First nothing of it is entered, then something else is."""
    published.change_registry = lambda events: events.pop()
    visitor = await arrive(visit, city, published)
    await visitor.button("Check in this browser").click()
    await ends(visitor, "Not everything could be checked")
    words = visitor.words(
        "This board is not yet entered in the public registry. It should be in a minute: try again then."
    )
    await expect(visitor.page.locator("[data-verdict]")).to_contain_text(words)
    published.change_registry = lambda events: events[-1]["body"].update(manifest="00" * 32)
    await visitor.button("Check in this browser").click()
    await ends(visitor, "Something is wrong")
    await expect(visitor.page.locator("[data-check=registry] [data-state]")).to_have_text(visitor.words("wrong"))


async def test_a_receipt_of_anothers_record_is_not_called_counted(
    visit: Visit, city: City, published: Published
) -> None:
    service = published.service
    other = service.receipt(service.votes[0])["receipt"]["leaves"]
    receipt = service.receipt(service.votes[1], leaves=[bytes.fromhex(leaf) for leaf in other])
    visitor = await arrive(visit, city, published)
    for way in ("whole", "quick"):
        await visitor.page.locator(f"#way-{way}").check()
        await visitor.page.locator("[data-typed]").fill(json.dumps(receipt))
        await visitor.button("Look for the ballot").click()
        await ends(visitor, "This receipt names the record of another ballot", "ballot")
    await expect(visitor.button("Save the complaint as a file")).to_have_count(0)


async def test_a_board_that_is_not_there_yet_is_not_false(visit: Visit, city: City, published: Published) -> None:
    del published.files["manifest.json"]
    visitor = await arrive(visit, city, published)
    await visitor.button("Check in this browser").click()
    await ends(visitor, "Not everything could be checked")
    words = visitor.words("The board has not been published yet. It appears a few minutes after the count.")
    await expect(visitor.page.locator("[data-verdict]")).to_contain_text(words)
    visitor.problems = [one for one in visitor.problems if "manifest.json" not in one]


@pytest.mark.parametrize("way", in_full(["typed", "file", "quick", "dropped"], ["typed", "quick", "dropped"]))
async def test_a_receipt_is_found_and_leaves_the_page_in_no_way(
    visit: Visit, city: City, published: Published, way: str, tmp_path: Path
) -> None:
    vote = published.service.votes[11]
    receipt = published.service.receipt(vote)
    code = short_code(published.service.ballot(vote))
    visitor = await arrive(visit, city, published)
    sent: list[str] = []
    visitor.context.on("request", lambda request: sent.append(f"{request.url} {request.post_data} {request.headers}"))
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps(receipt, indent=2))
    if way == "typed":
        await visitor.page.locator("[data-typed]").fill(grouped_code(code).lower())
        await visitor.page.keyboard.press("Enter")
    elif way == "dropped":
        await drop(visitor, path.read_text())
    else:
        if way == "quick":
            await visitor.page.locator("#way-quick").check()
        await expect(visitor.page.locator("[data-file]")).to_be_visible()
        await visitor.page.locator("[data-file]").set_input_files(path)
    await ends(visitor, FOUND_BY_CODE if way == "typed" else "Your ballot is counted", "ballot")
    shown = visitor.page.locator("[data-ballot] dl")
    await expect(shown).to_be_hidden()
    await visitor.button("Show the answers of this record" if way == "typed" else "Show my answers").click()
    await expect(shown).to_be_visible()
    await expect(shown.locator("div")).to_have_count(4)
    secrets = [code, code.lower(), receipt["signature"], *receipt["receipt"]["leaves"]]
    assert sent
    assert not [one for one in sent for secret in secrets if secret in one]
    stored = await visitor.page.evaluate("JSON.stringify([localStorage, sessionStorage, location.href, history.state])")
    assert not [secret for secret in secrets if secret in stored]
    if way == "quick":  # looked up: a few files, and no whole board
        assert len([one for one in published.asked if "entries" in one]) == 4
    elif way != "typed":
        await ends(visitor, "Everything was checked, and everything is in order")


async def drop(visitor: Visitor, text: str) -> None:
    """Drop a file on the form."""
    await expect(visitor.page.locator("[data-file]")).to_be_visible()  # the script is there
    transfer = await visitor.page.evaluate_handle(
        "text => { const held = new DataTransfer(); held.items.add(new File([text], 'r.json')); return held; }", text
    )
    await visitor.page.locator("[data-drop]").dispatch_event("drop", {"dataTransfer": transfer})


@pytest.mark.parametrize("way", ["whole", "quick"])
async def test_a_missing_ballot_gives_a_complaint_that_anybody_checks(
    visit: Visit, city: City, published: Published, way: str, tmp_path: Path
) -> None:
    service = published.service
    receipt = service.receipt(service.votes.pop(5))
    published.files = service.files(times_of(service.definition))
    visitor = await arrive(visit, city, published)
    await visitor.page.locator(f"#way-{way}").check()
    await visitor.page.locator("[data-typed]").fill(json.dumps(receipt))
    await visitor.button("Look for the ballot").click()
    await ends(visitor, "Your ballot is missing", "ballot")
    async with visitor.page.expect_download() as saving:
        await visitor.button("Save the complaint as a file").click()
    saved: Download = await saving.value
    path = tmp_path / "complaint.json"
    await saved.save_as(path)
    assert veche_verify.run(["--complaint", str(path), "--key", service.vkey]) == 0


NO_RECEIPTS: Final = {
    "": "Choose a file or type the code.", "ABCDE": "A code has 26 letters and digits.",
    "{}": "This file is not a receipt.",
    "99999 99999 99999 99999 99999 9": "A code has only the letters A to Z and the digits 2 to 7.",
}  # fmt: skip


async def test_what_is_no_receipt_is_said(visit: Visit, city: City, published: Published) -> None:
    visitor = await arrive(visit, city, published)
    for typed, words in NO_RECEIPTS.items():
        await visitor.page.reload()
        await visitor.page.locator("[data-typed]").fill(typed)
        await visitor.button("Look for the ballot").click()
        await expect(visitor.page.locator("[data-receipt-error]")).to_have_text(visitor.words(words))
        await expect(visitor.page.locator("[data-typed]")).to_be_focused()
    assert not published.asked


async def test_a_code_never_speaks_like_a_receipt(visit: Visit, city: City, published: Published) -> None:
    """The ballot was changed before the count: its code finds the record all the same."""
    service = published.service
    vote = service.votes[11]
    receipt = service.receipt(vote)
    vote.answers = {**vote.answers, 1: "[2]" if vote.answers[1] != "[2]" else "[1]"}
    published.files = service.files(times_of(service.definition))
    visitor = await arrive(visit, city, published)
    await visitor.page.locator("[data-typed]").fill(short_code(service.ballot(vote)))
    await visitor.button("Look for the ballot").click()
    await ends(visitor, FOUND_BY_CODE, "ballot")
    box = visitor.page.locator("[data-ballot]")
    assert await box.get_attribute("data-kind") == "incomplete"
    words = await box.inner_text()
    assert visitor.words("Your ballot is counted") not in words
    assert visitor.words("Show the answers of this record") in words
    await visitor.page.locator("[data-typed]").fill(json.dumps(receipt))
    await visitor.button("Look for the ballot").click()
    await ends(visitor, "Your ballot is missing", "ballot")


async def test_a_file_that_is_no_receipt_is_called_so(visit: Visit, city: City, published: Published) -> None:
    visitor = await arrive(visit, city, published)
    for data in (b"", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), b'{"receipt": {', b" " * 200_000):
        await visitor.page.reload()
        chosen: Any = {"name": "photo.json", "mimeType": "application/json", "buffer": data}
        await expect(visitor.page.locator("[data-file]")).to_be_visible()  # the script is there
        await visitor.page.locator("[data-file]").set_input_files(chosen)
        words = visitor.words("This file is not a receipt.")
        await expect(visitor.page.locator("[data-receipt-error]")).to_have_text(words)
    assert not published.asked


async def test_it_can_be_stopped_and_begun_again(visit: Visit, city: City, published: Published) -> None:
    visitor = await arrive(visit, city, published)

    async def never(route: Route) -> None:
        held.append(route)

    held: list[Route] = []
    await visitor.context.route("**/board/**/tile/entries/**", never)
    await visitor.button("Check in this browser").click()
    await expect(visitor.page.locator("[data-check=records] [data-state]")).to_have_text(visitor.words("under way"))
    await visitor.button("Stop").click()
    await expect(visitor.page.locator("[data-check=records] [data-state]")).to_have_text(visitor.words("stopped"))
    await visitor.context.unroute("**/board/**/tile/entries/**")
    await visitor.button("Check in this browser").click()
    await ends(visitor, "Everything was checked, and everything is in order")


async def test_without_scripts_the_page_says_what_to_do(visit: Visit, city: City, published: Published) -> None:
    visitor = await arrive(visit, city, published, javascript=False, size="reflow")
    await expect(visitor.button("Check in this browser")).to_be_hidden()
    await expect(visitor.page.locator("[data-receipt]")).to_be_hidden()
    await expect(visitor.page.locator(".checks > li")).to_have_count(8)
    await expect(visitor.page.locator("pre.rule")).to_contain_text(
        f"veche_verify.py {visitor.site_url}/board/{published.service.definition.poll_id}/"
    )


async def test_polls_are_chosen_by_title_or_by_an_address_of_this_site(
    visit: Visit, city: City, published: Published
) -> None:
    visitor = await visit()
    board = f"/board/{published.service.definition.poll_id}/manifest.json"
    for given in (f"{visitor.site_url}{board}", board, f"{visitor.site_url}/polls/{city.slugs['counted']}/results"):
        await visitor.go("/verify")
        await visitor.page.locator("#board").fill(given)
        await visitor.button("Open").click()
        await visitor.headed("Check the count yourself")
        assert visitor.page.url.endswith(f"/polls/{city.slugs['counted']}/verify")
    for given in ("https://elsewhere.example/board/" + "0" * 32, "/board/" + "0" * 32, "nothing", "/polls/no-such"):
        await visitor.go("/verify")
        await visitor.page.locator("#board").fill(given)
        await visitor.button("Open").click()
        await expect(visitor.page.locator("#board-error")).to_be_visible()
    await visitor.go("/verify")
    chosen = visitor.page.locator(f"a[href='/polls/{city.slugs['counted']}/verify']")
    while not await chosen.count():  # other tests counted polls of their own, which are newer
        await visitor.go(await visitor.link("Show more").get_attribute("href") or "")
    await chosen.click()
    await visitor.headed("Check the count yourself")


async def test_before_the_count_the_page_says_when(visit: Visit, city: City) -> None:
    visitor = await visit()
    for name in ("every_kind", "soon", "cancelled"):
        await visitor.go(f"/polls/{city.slugs[name]}/verify")
        await visitor.headed("Check the count yourself")
        await expect(visitor.page.locator("board-verifier")).to_have_count(0)


@pytest.mark.parametrize(("size", "scheme"), in_full(product(["desktop", "phone"], ["light", "dark"]),
                                                     [("phone", "light")]))  # fmt: skip
async def test_everything_it_says_is_accessible(
    visit: Visit, city: City, published: Published, size: str, scheme: str, tmp_path: Path
) -> None:
    """Before, after a good check with the answers shown, and after a bad one with a complaint."""
    visitor = await visit(size=size, scheme=scheme, bypass_csp=True)
    await visitor.context.add_init_script(path=AXE)
    await published.show(visitor)
    service = published.service
    faults: dict[str, list[str]] = {}

    async def look(where: str) -> None:
        own = SIZES[size]["viewport"]["width"]
        for width in in_full((own, 320), (own,)):
            if FULL:
                await visitor.page.set_viewport_size({"width": width, "height": 844})
            await visitor.page.evaluate(SETTLED)
            if found := await faults_of(visitor.page, scheme):
                faults[f"{where}, {width} px"] = found

    await visitor.go("/verify")
    await look("choosing")
    await visitor.go(f"/polls/{city.slugs['counted']}/verify")
    await look("before")
    await visitor.page.locator("[data-typed]").fill(json.dumps(service.receipt(service.votes[0])))
    await visitor.button("Look for the ballot").click()
    await ends(visitor, "Your ballot is counted", "ballot")
    await visitor.button("Show my answers").click()
    await look("counted")
    receipt = service.receipt(service.votes.pop(0))
    published.files = service.files(times_of(service.definition))
    await visitor.page.locator("[data-typed]").fill(json.dumps(receipt))
    await visitor.button("Look for the ballot").click()
    await ends(visitor, "Your ballot is missing", "ballot")
    published.files["definition.json"] += b" "
    await visitor.button("Check in this browser").click()
    await ends(visitor, "Something is wrong")
    await look("wrong")
    assert not faults, faults


async def test_nothing_of_a_state_is_shown_before_there_is_one(visit: Visit, city: City, published: Published) -> None:
    visitor = await arrive(visit, city, published)
    text = await visitor.main.inner_text()
    assert not re.search(f"{visitor.words('in order')}|{visitor.words('wrong')}\\b", text)


async def test_a_real_poll_from_the_vote_to_the_check_of_its_receipt(
    visit: Visit, city: City, site: LiveSite, tmp_path: Path
) -> None:
    """Voted in, closed, counted by the job, published by the job; verified on its page; then a file is changed."""
    slug = await city.open_poll(title=both("Где поставить скамейки?", "Where to put benches?"))
    signer = receipt_signer(site.settings)
    async with city.database.open_session() as session:
        poll = await sealed_poll(session, slug)
        for n in range(14):
            citizen = await a_citizen(session, born=ADULT)
            await cast_ballot(session, poll, citizen, {"1": 1 + n % 2}, bytes([n]) * 16, signer, datetime.now(UTC))
    voter = await visit(await city.resident())
    await voter.go(f"/polls/{slug}/vote")
    await voter.choice(1, 2).check()
    await voter.button("Check the answers").click()
    await voter.button("Send my vote").click()
    await voter.headed("Your vote was taken")
    code = await voter.page.locator(".receipt code").inner_text()
    async with voter.page.expect_download() as saving:
        await voter.button("Save as a file").click()
    receipt = tmp_path / "receipt.json"
    await (await saving.value).save_as(receipt)
    await city.close(slug)
    folder = site.settings.data_dir / "board" / poll.public_id
    await await_results(voter, slug, city)
    await city.hurry("publish_boards")
    for _ in range(600):
        if (folder / "manifest-1.note").is_file():
            break
        await voter.page.wait_for_timeout(50)
    await city.hurry("keep_the_registry")
    for _ in range(600):
        if is_entered(site, poll.public_id):
            break
        await voter.page.wait_for_timeout(50)
    await voter.go("/my-votes")
    await voter.page.locator(f"a[href='/polls/{slug}/verify']").click()
    await voter.page.locator("[data-file]").set_input_files(receipt)
    await ends(voter, "Everything was checked, and everything is in order")
    await ends(voter, "Your ballot is counted", "ballot")
    await voter.page.locator("[data-typed]").fill(code)
    await voter.button("Look for the ballot").click()
    await ends(voter, FOUND_BY_CODE, "ballot")
    await voter.button("Show the answers of this record").click()
    await expect(voter.page.locator("[data-ballot] dd")).to_have_count(1)
    bundle = next(folder.glob("q1/tile/entries/000.p/*"))
    bundle.write_bytes(bundle.read_bytes().replace(b",[1],", b",[2],", 1))
    stranger = await visit()
    await stranger.go(f"/polls/{slug}/verify")
    await stranger.button("Check in this browser").click()
    await ends(stranger, "Something is wrong")


def is_entered(site: LiveSite, poll: str) -> bool:
    """Whether the registry's files tell of the poll's board, under a checkpoint that holds the entry."""
    folder = site.settings.data_dir / "registry"
    if not (folder / "checkpoint").is_file():
        return False
    size = int((folder / "checkpoint").read_text().split("\n")[1])
    said = b"".join(path.read_bytes() for path in (folder / "tile" / "entries").rglob("*") if path.is_file())
    entry = re.search(rb'"kind":"board_published","poll":"%s"[^{}]*"position":(\d+)' % poll.encode(), said)
    return entry is not None and int(entry[1]) < size
