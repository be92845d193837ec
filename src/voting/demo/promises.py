"""What became of the demo's decisions: steps planned, put off and done, with pictures, and residents' ratings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw

from polls.definition import Text
from polls.sessions import Session
from results.decisions import Status, record_decision
from results.evidence import Role, add_evidence
from results.milestones import StepDraft, add_milestone, change_milestone
from results.work_ratings import rate_work
from voting.demo.clock import set_time
from voting.demo.script import CityDecides, DemoStep
from voting.evidence_files import evidence_in, store_evidence

NIGHT, LAMP, GROUND = "#3a4252", "#f3c969", "#6b7280"
SIZE = (960, 540)
PICTURES = ((Role.BEFORE, "Так было: темно", "How it was: dark"), (Role.AFTER, "Так стало: светло", "How it is: light"))


async def keep_promise(
    session: Session, data_dir: Path, slug: str, decision: CityDecides, closes: datetime, official_id: int,
    people: Sequence[int],
) -> None:  # fmt: skip
    """Record the decision and live through its steps, each change at its own moment."""
    decided_at = closes + decision.after
    deadline = (decided_at + decision.deadline).date() if decision.deadline else None
    first = decision.status if decision.status is Status.DECLINED else Status.IN_PROGRESS
    text = Text(ru=decision.ru, en=decision.en)

    async def record(status: Status, at: datetime, done_on: date | None = None) -> None:
        await set_time(session, at)
        await record_decision(
            session, slug, text=text, owner=decision.owner, status=status, author_id=official_id, now=at,
            deadline=deadline, reason=Text(ru=decision.reason[0], en=decision.reason[1]), done_on=done_on,
        )  # fmt: skip

    await record(first, decided_at)
    walks = [_Walk(session, data_dir, slug, step, decided_at, official_id) for step in decision.steps]
    for walk in walks:
        await walk.add()
    for _, happen in sorted((turn for walk in walks for turn in walk.turns()), key=lambda turn: turn[0]):
        await happen()
    if decision.finished is not None:
        finished = decided_at + decision.finished
        await record(Status.DONE, finished, finished.date())
        given = [stars for stars, n in decision.stars.items() for _ in range(n)]
        for citizen_id, stars in zip(people, given, strict=False):
            await rate_work(session, slug, citizen_id, stars, finished + timedelta(hours=3))


@dataclass
class _Walk:
    """One step from its plan on; what happens to all steps of a decision happens in the order of time."""

    session: Session
    data_dir: Path
    slug: str
    step: DemoStep
    decided_at: datetime
    official_id: int
    number: int = 0

    @property
    def _text(self) -> Text:
        return Text(ru=self.step.ru, en=self.step.en)

    def _day(self, after: timedelta) -> date:
        return (self.decided_at + after).date()

    async def add(self) -> None:
        """Plan it, on the day of the decision."""
        made = await add_milestone(
            self.session, self.slug, text=self._text, planned_on=self._day(self.step.planned),
            author_id=self.official_id, now=self.decided_at,
        )  # fmt: skip
        self.number = made.id

    def turns(self) -> Iterator[tuple[timedelta, Callable[[], Awaitable[None]]]]:
        """What happens to it later, and when, counted from the decision."""
        if self.step.moved is not None:
            yield self.step.moved[0], self._put_off
        if self.step.done is not None:
            yield self.step.done, self._finish

    async def _put_off(self) -> None:
        assert self.step.moved is not None
        after, to, ru, en = self.step.moved
        await self._change(StepDraft(self._text, self._day(to), reason=Text(ru=ru, en=en)), after)

    async def _finish(self) -> None:
        done = self.step.done
        assert done is not None
        if self.step.pictures:
            for role, ru, en in PICTURES:
                data = await asyncio.to_thread(_picture, lit=role is Role.AFTER, places=self.number % 3 + 3)
                file = await asyncio.to_thread(store_evidence, evidence_in(self.data_dir), data)
                await add_evidence(
                    self.session, self.slug, self.number, file=file, role=role, name=Text(ru=ru, en=en),
                    author_id=self.official_id, now=self.decided_at + done,
                )  # fmt: skip
        planned_on = self._day(self.step.moved[1] if self.step.moved else self.step.planned)
        said = Text(ru=self.step.said[0], en=self.step.said[1])
        await self._change(StepDraft(self._text, planned_on, self._day(done), outcome=said), done)

    async def _change(self, draft: StepDraft, after: timedelta) -> None:
        at = self.decided_at + after
        await change_milestone(self.session, self.slug, self.number, draft, author_id=self.official_id, now=at)


def _picture(*, lit: bool, places: int) -> bytes:
    """A drawing that stands for a photograph: a yard with so many lamps, off or on. Nobody's, and nowhere."""
    width, height = SIZE
    image = Image.new("RGB", SIZE, "#7fa6c9" if lit else NIGHT)
    draw = ImageDraw.Draw(image)
    for n in range(6):
        left = n * 170 - 20
        draw.rectangle((left, 120 + n % 3 * 40, left + 140, height - 120), fill="#8b95a5" if lit else "#2c3340")
    draw.rectangle((0, height - 130, width, height), fill="#7d9b6a" if lit else "#363f3a")
    for n in range(places):
        x = (n + 1) * width // (places + 1)
        if lit:
            draw.ellipse((x - 70, height - 320, x + 70, height - 180), fill="#f9e6b0")
        draw.line((x, height - 60, x, height - 250), fill=GROUND, width=8)
        draw.ellipse((x - 18, height - 268, x + 18, height - 232), fill=LAMP if lit else "#50586a")
    out = BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
