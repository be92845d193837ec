"""What docs/audit.md says of every kind of event, made from the registry of kinds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from polls.audit_chain import EVENT, LOOK, POLLS
from polls.audit_kinds import FIELDS, JOURNAL, KINDS, LOOKS, Kind

TITLES: Mapping[str, str] = {
    EVENT: "Accounts, rights and the service",
    POLLS: "Polls, keys and files taken in",
    LOOK: "Looks at figures",
}


def documented() -> str:
    """The tables of kinds, in Markdown."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    for source, kinds in ((EVENT, KINDS), (POLLS, JOURNAL), (LOOK, LOOKS)):
        yield from (f"### {TITLES[source]}", "", "| kind | what happened | facts |", "|---|---|---|")
        for name, kind in kinds.items():
            yield f"| `{name}` | {kind.sentence} | {_facts(kind)} |"
        yield ""


def _facts(kind: Kind) -> str:
    return ", ".join(f"`{field}` ({FIELDS.get(field, field).lower()})" for field in sorted(kind.fields))
