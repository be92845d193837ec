"""The two kinds of database session a use case can ask for.

A use case that only reads takes a `ReadSession`; one that writes takes a `Session`. Every `Session` is also a
`ReadSession`, so a writing use case may call a reading one but the type checker stops the opposite, and the database
stops it once more, since a `ReadSession` is opened READ ONLY and may be connected to a replica.

Neither commits: whoever opened the session does (`voting.db`, and the ballot box, which batches).
"""

from typing import NewType

from sqlalchemy.ext.asyncio import AsyncSession

ReadSession = NewType("ReadSession", AsyncSession)
Session = NewType("Session", ReadSession)
