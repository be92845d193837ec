"""The moderation queue: residents' own words, wording by wording; nothing of them is public before an official agreed.

Every button sends a form, so the queue works without scripts; words travel in form bodies, never in an address.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from polls.catalogue import SealedPoll, sealed_poll
from polls.errors import Invalid, NotFound, WrongState
from polls.own_answers import PAGE, Status, review, statuses, waiting, waiting_polls
from polls.questions import FreeText, takes_words
from polls.sessions import ReadSession, Session
from voting.approvals.scopes import polls_within
from voting.identity.guards import official
from voting.identity.sessions import Viewer
from voting.web.editor_form import EditorForm
from voting.web.error_pages import described
from voting.web.officials import address_of, known
from voting.web.rendering import page
from voting.web.typed import hidden_number

AnyRequest = Request[Any, Any, Any]
MOST_AT_ONCE: Final = PAGE
ACTS: Final = {"approve": Status.APPROVED, "reject": Status.REJECTED, "merge": Status.MERGED, "undo": Status.PENDING}


@dataclass(frozen=True)
class Asked:
    """Which part of the queue is shown: a question, a status, a page of wordings."""

    question: int
    status: Status
    offset: int

    @classmethod
    def read(cls, form: EditorForm, poll: SealedPoll) -> Asked:
        """Out of a form or an address; what is unknown is the first question that takes words, and what waits."""
        asked = [question.id for question in poll.definition.questions if takes_words(question)]
        if not asked:
            raise NotFound
        question, offset = hidden_number(form.get("question")), hidden_number(form.get("offset"))
        status = form.get("status")
        return cls(
            question if question in asked else asked[0],
            Status(status) if status in tuple(Status) else Status.PENDING,
            min(offset, 10**6) // PAGE * PAGE,
        )


@dataclass(frozen=True)
class Done:
    """What was just decided, so that it can be taken back: the act, how many texts, the wordings."""

    act: str
    texts: int
    wordings: tuple[str, ...]
    question: int


@get("/officials/words", guards=[official], include_in_schema=False)
async def show_queues(
    request: AnyRequest, viewer: NamedDependency[Viewer], session: NamedDependency[Session]
) -> Response[Any]:
    """Polls with words that wait, the most first, a page at a time."""
    offset = hidden_number(request.query_params.get("offset", ""))
    within = polls_within(viewer.grants_of("official"), viewer.account_id)
    rows = await waiting_polls(session, offset, PAGE + 1, within=within)
    more = offset + PAGE if len(rows) > PAGE else None
    return page(request, "officials/words_polls.html", nav="officials", rows=rows[:PAGE], next_offset=more)


@get("/officials/polls/{public_id:str}/words", guards=[official], include_in_schema=False)
async def show_queue(request: AnyRequest, public_id: FromPath[str], session: NamedDependency[Session]) -> Response[Any]:
    """The queue of one poll."""
    poll = await sealed_poll(session, known(public_id))
    form = EditorForm.read(request.query_params.multi_items())
    return await _page(request, session, poll, Asked.read(form, poll), form)


@post("/officials/polls/{public_id:str}/words", guards=[official], include_in_schema=False, status_code=200,
      request_max_body_size=2 * 1024 * 1024)  # fmt: skip
async def decide(
    request: AnyRequest, public_id: FromPath[str], viewer: NamedDependency[Viewer],
    session: NamedDependency[Session], now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Decide about one wording, or about all that are ticked, and show the queue again."""
    poll = await sealed_poll(session, known(public_id))
    form = EditorForm.read((await request.form()).multi_items())
    asked = Asked.read(form, poll)
    act = form.get("act")
    wordings = tuple(dict.fromkeys(form.chosen("wording")))[:MOST_AT_ONCE]
    if act not in ACTS or not wordings:
        return await _page(request, session, poll, asked, form)
    texts = 0
    try:
        async with session.begin_nested():  # all that are ticked, or none
            for wording in wordings:
                texts += await review(
                    session, poll.public_id, asked.question, wording, ACTS[act], viewer.account_id, now,
                    merged_into=hidden_number(form.get("merged_into")) or None, note=form.get("note"),
                )  # fmt: skip
    except Invalid as refusal:
        return await _page(request, session, poll, asked, form, refusal=refusal)
    except NotFound:  # counted meanwhile, or decided in another window: the queue as it is now shows it
        return await _page(request, session, poll, asked, form, gone=True)
    except WrongState:
        return await _page(request, session, poll, asked, form, gone=True)
    return await _page(request, session, poll, asked, EditorForm(), done=Done(act, texts, wordings, asked.question))


async def _page(
    request: AnyRequest, session: ReadSession, poll: SealedPoll, asked: Asked, form: EditorForm, *,
    refusal: Invalid | None = None, done: Done | None = None, gone: bool = False,
) -> Response[Any]:  # fmt: skip
    found = await waiting(session, poll.id, asked.question, asked.status, asked.offset)
    if asked.offset and not found.wordings:  # the last page was emptied
        asked = Asked(asked.question, asked.status, max(0, asked.offset - PAGE))
        found = await waiting(session, poll.id, asked.question, asked.status, asked.offset)
    question = poll.definition.question(asked.question)
    assert question is not None
    problem = described(request, refusal) if refusal else None
    return page(
        request, "officials/words.html", status=422 if refusal else 409 if gone else 200, nav="officials", poll=poll,
        definition=poll.definition, question=question, asked=asked, found=found,
        questions=[one for one in poll.definition.questions if takes_words(one)],
        counts=await statuses(session, poll.id), all_statuses=[status.value for status in Status], form=form,
        can_merge=not isinstance(question, FreeText), done=done, gone=gone, page_size=PAGE,
        refused=form.get("wording") if refusal else None,
        errors={str(e["path"]): str(e["message"]) for e in problem.errors} if problem else {},
        address=address_of(poll.public_id),
    )  # fmt: skip


handlers = [show_queues, show_queue, decide]
