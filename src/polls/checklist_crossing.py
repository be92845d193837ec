"""The checklist of cross-tabs: pairs that cannot be counted together, and what a pair means for secrecy. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from polls.checklist_finding import Finding
from polls.crossing import MOST_ANSWERS, answers_of, has_several, may_be_crossed, on_same_ballots, rings
from polls.definition import CrossTab, Definition
from polls.strata import LEAST


def check_cross_tabs(definition: Definition) -> Iterator[Finding]:
    """Every pair in turn, then the pairs together (BALLOTS §16: two questions together only where that was sealed)."""
    for number, pair in enumerate(definition.cross_tabs, start=1):
        found = list(_pair(definition, pair, f"cross_tabs/{number}"))
        yield from found
        if not found:
            facts = {"rows": pair.rows, "columns": pair.columns, "at_least": LEAST}
            yield Finding("cross_tab_counts_together", f"cross_tabs/{number}", False, facts)
    seen: set[frozenset[int]] = set()
    paired: set[int] = set()
    closing = rings(pair for pair in definition.cross_tabs if pair.rows != pair.columns)
    for number, pair in enumerate(definition.cross_tabs, start=1):
        both = frozenset((pair.rows, pair.columns))
        facts = {"rows": pair.rows, "columns": pair.columns}
        if both in seen:
            yield Finding("cross_tab_repeats", f"cross_tabs/{number}", True, facts)
        elif any(pair is one for one in closing):
            yield Finding("cross_tab_ring", f"cross_tabs/{number}", True, facts)
        for question in sorted(both & paired):
            if both not in seen and _several(definition, question):
                yield Finding("cross_tab_several_again", f"cross_tabs/{number}", True, {"question": question})
        seen.add(both)
        paired |= both


def _pair(definition: Definition, pair: CrossTab, path: str) -> Iterator[Finding]:
    if pair.rows == pair.columns:
        yield Finding("cross_tab_of_itself", path, True, {"question": pair.rows})
        return
    rows, columns = definition.question(pair.rows), definition.question(pair.columns)
    for id_, question in ((pair.rows, rows), (pair.columns, columns)):
        if question is None:
            yield Finding("cross_tab_unknown_question", path, True, {"question": id_})
        elif not may_be_crossed(question):
            yield Finding("cross_tab_kind", path, True, {"question": id_})
        elif (n := len(answers_of(question))) > MOST_ANSWERS:
            facts = {"question": id_, "answers": n, "at_most": MOST_ANSWERS}
            yield Finding("cross_tab_many_answers", path, True, facts)
    if rows is not None and columns is not None and not on_same_ballots(rows, columns):
        facts = {"rows": rows.id, "columns": columns.id}
        yield Finding("cross_tab_other_ballots", path, True, facts)
    if _several(definition, pair.rows) and _several(definition, pair.columns):
        yield Finding("cross_tab_several_both", path, True, {"rows": pair.rows, "columns": pair.columns})


def _several(definition: Definition, id_: int) -> bool:
    question = definition.question(id_)
    return question is not None and has_several(question)
