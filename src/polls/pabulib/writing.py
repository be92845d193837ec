"""The writer of .pb files: what it writes, :func:`polls.pabulib.parse` reads back as it was. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction

from polls.pabulib.instance import SECTIONS, Instance, money_text


def write(instance: Instance) -> str:
    """The file's text, with ``\\n`` line ends and no byte order mark.

    META is written as it stands, `num_projects` and `num_votes` from what is there. Columns nobody has a value for
    are left out. Raises ValueError for an id holding a comma, a semicolon, a quote or a line end, or
    named as a section.
    """
    meta = {
        **instance.meta,
        "num_projects": str(len(instance.projects)),
        "num_votes": str(len(instance.ballots)),
    }
    lines = ["META", "key;value", *(_record((key, value)) for key, value in meta.items()), "PROJECTS"]
    lines += _project_lines(instance)
    lines.append("VOTES")
    lines += _vote_lines(instance)
    return "\n".join(lines) + "\n"


def _project_lines(instance: Instance) -> Iterable[str]:
    stated = [
        column
        for column in ("votes", "score", "selected")
        if any(getattr(project, column) is not None for project in instance.projects)
    ]
    extra = _columns(project.extra for project in instance.projects)
    yield _record(("project_id", "cost", *stated, *extra))
    for project in instance.projects:
        figures = [_figure(getattr(project, column)) for column in stated]
        rest = [project.extra.get(column, "") for column in extra]
        yield _record((_id(project.id), money_text(project.cost), *figures, *rest))


def _vote_lines(instance: Instance) -> Iterable[str]:
    points = ("points",) if instance.vote_type == "cumulative" else ()
    extra = _columns(ballot.extra for ballot in instance.ballots)
    yield _record(("voter_id", "vote", *points, *extra))
    for ballot in instance.ballots:
        cells = [_id(ballot.voter_id), ",".join(ballot.projects)]
        if points:
            cells.append(",".join(map(str, ballot.points)))
        yield _record((*cells, *(ballot.extra.get(column, "") for column in extra)))


def _columns(rows: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    """Every column of any row, in the order first met."""
    return tuple(dict.fromkeys(column for row in rows for column in row))


def _figure(value: Fraction | str | None) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if value.denominator == 1:
        return str(value.numerator)
    with localcontext(prec=40):  # a file's figures have at most 30 digits, so the division is exact
        return format(Decimal(value.numerator) / Decimal(value.denominator), "f")


def _id(value: str) -> str:
    if not value or value != value.strip() or any(ch in value for ch in ',;"\n\r\0') or value in SECTIONS:
        raise ValueError(f"{value!r} cannot be an id in a .pb file")
    return value


def _record(cells: Sequence[str]) -> str:
    return ";".join(_cell(cell) for cell in cells)


def _cell(text: str) -> str:
    """The text, quoted where the reader would otherwise take it apart."""
    if any(ch in text for ch in ';"\n\r'):
        return '"' + text.replace('"', '""') + '"'
    return text
