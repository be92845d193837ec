"""Census margins of the demo city, so that its results can be weighted to something else than the roll. Made up."""

from __future__ import annotations

from datetime import UTC, date, datetime

from polls.definition import Text
from polls.sessions import Session
from results.margins import MarginSet, keep_margins, margin_sets

CODE = "demo-census"
NAME = Text(ru="Придуманная перепись", en="An invented census")
SOURCE = "Числа придуманы для демонстрации / Numbers made up for the demonstration"
AS_OF = date(2021, 10, 1)
NUMBERS = """dimension,value,number
sex,f,7010000
sex,m,5990000
age,0-13,1830000
age,14-17,410000
age,18-24,890000
age,25-34,2010000
age,35-44,2270000
age,45-54,1820000
age,55-64,1720000
age,65+,2050000
"""


async def settle_margins(session: Session, now: datetime) -> MarginSet | None:
    """Keep the demo's margins, unless there is a set of this code already."""
    if any(one.code == CODE for one in await margin_sets(session)):
        return None
    return await keep_margins(
        session, [NUMBERS.encode()], code=CODE, name=NAME, source=SOURCE, as_of=AS_OF, now=now.astimezone(UTC)
    )
