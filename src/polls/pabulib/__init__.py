"""Participatory budgets in Pabulib's .pb format: read, write and count again. Pure: bytes and text in, values out.

Pabulib (pabulib.org) publishes real budgets of European cities; the format is described in Faliszewski et al.,
"Participatory Budgeting: Data, Tools and Analysis", IJCAI 2023. Counting such a file shows whether our rules
reproduce what a city really funded.
"""

from __future__ import annotations

from polls.pabulib.counting import PabulibCount, count_file
from polls.pabulib.instance import Ballot, Instance, Project
from polls.pabulib.reading import parse
from polls.pabulib.writing import write

__all__ = ["Ballot", "Instance", "PabulibCount", "Project", "count_file", "parse", "write"]
