"""Which records of a counted poll are published (BALLOTS §15–16): what files, the board and the root of a lot hold.

A record is one question of one ballot. A style names a district, so a style of few voters would show their answers one
question beside another and where they live.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import text

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


async def published_styles(session: ReadSession, found: SealedPoll) -> dict[int, list[int]]:
    """Question id → styles whose records are published, in one pass over the ballots of a counted poll."""
    shown = ", ".join(
        f"count(*) FILTER (WHERE answers[{position}] <> '{NOT_SHOWN}')"
        for position in range(1, len(found.question_ids) + 1)
    )
    query = f"SELECT style, {shown} FROM {counted_ballots(found)} WHERE poll_id = {int(found.id)} GROUP BY style"
    counts = {int(row[0]): row[1:] for row in await session.execute(text(query))}
    separated = found.definition.privacy is Privacy.SEPARATED
    styles = {}
    for position, question in enumerate(found.question_ids):
        held = {style: n[position] for style, n in counts.items()}
        back = withheld(held, separated=separated)
        styles[question] = sorted(style for style, n in held.items() if n and style not in back)
    return styles


def counted_ballots(found: SealedPoll) -> str:
    """The table that holds the ballots of a counted poll."""
    return "ballot" if found.definition.privacy is Privacy.SEPARATED else "named_ballot"
