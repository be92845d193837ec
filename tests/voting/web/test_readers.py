"""Readers of a moment share a statement, and each is answered alone."""

from __future__ import annotations

import asyncio

import pytest
from tests.builders import NOW, a_citizen, a_city, a_sealed_poll

from polls.errors import NotFound
from polls.journal import events_mark
from polls.own_facts import Asked
from voting.db import Database
from voting.remembering import Pulse
from voting.web.readers import Readers


async def test_an_unknown_reader_is_refused_alone_and_events_are_heard(fresh_database: Database) -> None:
    async with fresh_database.open_session() as session:
        await a_city(session)
        ann, bob = await a_citizen(session), await a_citizen(session, district="msk-sao-timiryazevsky")
        poll = await a_sealed_poll(session)
        mark = await events_mark(session)
    pulse = Pulse(fresh_database, lambda: NOW)
    readers = Readers(fresh_database, pulse)
    asked = [Asked(ann, (poll.id,), NOW), Asked(-1, (), NOW), Asked.about(poll, bob, NOW), Asked.about(poll, -2, NOW)]
    first, missing, second, also = await asyncio.gather(*map(readers.own, asked), return_exceptions=True)
    assert not isinstance(first, BaseException)
    assert not isinstance(second, BaseException)
    assert (first.facts.citizen_id, second.facts.citizen_id) == (ann, bob)
    assert (first.facts.district_code, second.facts.district_code) == ("msk-cao-arbat", "msk-sao-timiryazevsky")
    assert isinstance(missing, NotFound)
    assert isinstance(also, NotFound)
    assert pulse.beat == (0, mark)
    with pytest.raises(NotFound):
        await readers.own(Asked(-3, (), NOW))
