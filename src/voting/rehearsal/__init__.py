"""Rehearsing a poll before it opens: people made up, ballots at random, the real path, a database thrown away.

`throwaway` makes and drops the database, `electorate` makes up people who fit the audience, `answers` fills in ballots,
`play` casts and counts them, `report` says what came of it.
"""
