"""Which records of a counted poll are published (BALLOTS §15–16): what files, the board and the root of a lot hold.

A record is one question of one ballot. A style names a district, so a style of few voters would show their answers one
question beside another and where they live.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import text

from polls.board import ENTRY_DOMAIN
from polls.catalogue import SealedPoll
from polls.definition import Privacy
from polls.sessions import ReadSession
from polls.strata import LEAST
from polls.tally.profile import NOT_SHOWN


def withheld(shown: Mapping[int, int], *, separated: bool) -> frozenset[int]:
    """The styles whose records of one question are not published, from style → ballots that held the question.

    A style with under ten ballots is withheld, and so are the smallest others until ten ballots are: totals are exact,
    so what is withheld is known in sum, and the sum of a few would be their answers. A question that under ten ballots
    of a separated poll held is withheld whole; one of a named poll that a single style held is published.
    """
    styles = sorted((n, style) for style, n in shown.items() if n)
    if len(styles) < 2 and not separated:
        return frozenset()
    kept: list[int] = []
    held = 0
    for n, style in styles:
        if n >= LEAST and (not kept or held >= LEAST):
            break
        kept.append(style)
        held += n
    return frozenset(kept)


@dataclass(frozen=True)
class Records:
    """Of one question: style → ballots that held it, and the styles whose records are published or withheld."""

    held: Mapping[int, int]
    published: tuple[int, ...]
    withheld: tuple[int, ...]

    @property
    def shown(self) -> int:
        """Ballots that held the question."""
        return sum(self.held.values())


async def published_styles(session: ReadSession, found: SealedPoll) -> dict[int, list[int]]:
    """Question id → styles whose records are published, in one pass over the ballots of a counted poll."""
    return {question: list(records.published) for question, records in (await records_of(session, found)).items()}


async def records_of(session: ReadSession, found: SealedPoll) -> dict[int, Records]:
    """Question id → which of its records leave the poll, in one pass over the ballots of a counted poll."""
    shown = ", ".join(
        f"count(*) FILTER (WHERE answers[{position}] <> '{NOT_SHOWN}')"
        for position in range(1, len(found.question_ids) + 1)
    )
    query = f"SELECT style, {shown} FROM {counted_ballots(found)} WHERE poll_id = {int(found.id)} GROUP BY style"
    counts = {int(row[0]): row[1:] for row in await session.execute(text(query))}
    separated = found.definition.privacy is Privacy.SEPARATED
    records = {}
    for position, question in enumerate(found.question_ids):
        held = {style: n[position] for style, n in counts.items() if n[position]}
        back = withheld(held, separated=separated)
        records[question] = Records(held, tuple(sorted(held.keys() - back)), tuple(sorted(back)))
    return records


def entry_sql(found: SealedPoll, question_id: int, alias: str) -> str:
    """SQL for one question's entry without its constant beginning: the bytes of :func:`polls.board.entry` from there.

    The beginning is :func:`entry_prefix`. Everything in it is a number of ours: nothing to bind.
    """
    position, question = found.question_ids.index(question_id) + 1, int(question_id)
    nonce = f"substr(sha256('{ENTRY_DOMAIN.decode()}'::bytea || {alias}.ballot_id || int4send({question})), 1, 16)"
    return f"({alias}.style || ',' || {alias}.answers[{position}] || ',\"' || encode({nonce}, 'hex') || '\"]')"


def entry_prefix(found: SealedPoll, question_id: int) -> str:
    """What every entry of a question begins with: poll hash and question."""
    return f'["{found.poll_hash.hex()}",{int(question_id)},'


def leaf_sql(found: SealedPoll, question_id: int, alias: str) -> str:
    """SQL for the leaf hash of one question's entry: the same bytes as :func:`polls.board.leaf_hash`."""
    return hash_sql(found, question_id, entry_sql(found, question_id, alias))


def hash_sql(found: SealedPoll, question_id: int, entry: str) -> str:
    """SQL for the leaf hash of an entry given as SQL, without its constant beginning."""
    return f"sha256('\\x00'::bytea || convert_to('{entry_prefix(found, question_id)}' || {entry}, 'UTF8'))"


def counted_ballots(found: SealedPoll) -> str:
    """The table that holds the ballots of a counted poll."""
    return "ballot" if found.definition.privacy is Privacy.SEPARATED else "named_ballot"
