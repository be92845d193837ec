"""The demo city: a register, accounts, polls of every kind with their ballots, decisions. Nobody in it is real.

Everything is made by the use cases the service itself uses, deterministically but for keys, and relative to the moment
it is made, so that the city is alive whenever it is looked at.
"""
