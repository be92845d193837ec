"""The parser of .pb files: three sections of ``;``-separated records, quoted where needed. Pure.

Tolerant where real files are irregular: a byte order mark, CRLF or mixed line ends, blank lines, missing trailing
cells (coordinates nobody recorded), unknown columns and META keys, semicolons in a META comment. Strict where the
count depends on it: every section and column the count needs, ids that repeat, ballots naming unknown projects,
numbers that are not numbers. Each refusal is a BadFile with the line (from 1) and the field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from polls.pabulib.instance import SECTIONS, Ballot, Instance, Project, bad, read_money, read_number, read_whole

MAX_CELL = 100_000
"""Characters in one cell. The longest in a real file has a few thousand; more is a broken quote or an attack."""


@dataclass
class _Section:
    """The records of one section with the line each begins on, header first."""

    line: int
    records: list[tuple[int, list[str]]] = field(default_factory=list)


def parse(data: bytes | str) -> Instance:
    """The file's contents. Raises :class:`polls.errors.BadFile` with `line`, `field` and `reason`."""
    sections = _split(_records(_text(data)))
    for name in SECTIONS:
        if name not in sections:
            raise bad(None, name, "the section is missing")
    meta, meta_lines = _read_meta(sections["META"])
    instance = Instance(meta, _read_projects(sections["PROJECTS"]), (), meta_lines)
    _ = instance.budget, instance.rule  # what the count needs is asked for now, while the line is at hand
    ballots = _read_votes(sections["VOTES"], instance)
    return Instance(meta, instance.projects, ballots, meta_lines)


def _text(data: bytes | str) -> str:
    text = _decoded(data) if isinstance(data, bytes) else data
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if (nul := text.find("\0")) >= 0:
        raise bad(text.count("\n", 0, nul) + 1, "text", "there is a NUL character: the file is damaged")
    return text


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise bad(line, "text", "the file is not UTF-8") from error


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Records with the line each begins on. Quoted cells may hold ``;``, doubled quotes and line ends (RFC 4180)."""
    lines = iter(enumerate(text.split("\n"), start=1))
    for number, line in lines:
        cells = line.split(";") if '"' not in line else _quoted_cells(number, line, lines)
        if len(line) > MAX_CELL and any(len(cell) > MAX_CELL for cell in cells):
            raise bad(number, "text", f"a cell is longer than {MAX_CELL} characters")
        if any(cell and not cell.isspace() for cell in cells):
            yield number, cells


def _quoted_cells(number: int, line: str, lines: Iterator[tuple[int, str]]) -> list[str]:
    """The cells of a record with quotes; takes further lines while a quoted cell is open."""
    cells: list[str] = []
    at = 0
    while True:
        if at >= len(line) or line[at] != '"':
            end = line.find(";", at)
            cells.append(line[at:] if end < 0 else line[at:end])
        else:
            cell, end, line = _quoted_cell(number, at, line, lines)
            cells.append(cell)
        if end < 0:
            return cells
        at = end + 1


def _quoted_cell(number: int, at: int, line: str, lines: Iterator[tuple[int, str]]) -> tuple[str, int, str]:
    """The cell that opens at `at`, where its separator stands (-1: the record ends), and the line reached."""
    parts: list[str] = []
    size = 0
    at += 1
    while True:
        end = line.find('"', at)
        parts.append(line[at:] if end < 0 else line[at:end])
        size += len(parts[-1])
        if size > MAX_CELL:
            raise bad(number, "text", f"a cell is longer than {MAX_CELL} characters, or its quote is never closed")
        if end < 0:
            following = next(lines, None)
            if following is None:
                raise bad(number, "text", "a quote is opened and never closed")
            parts.append("\n")
            line, at = following[1], 0
        elif line.startswith('""', end):
            parts.append('"')
            at = end + 2
        elif end + 1 == len(line):
            return "".join(parts), -1, line
        elif line[end + 1] == ";":
            return "".join(parts), end + 1, line
        else:
            raise bad(number, "text", "a closing quote is followed by other text")


def _split(records: Iterator[tuple[int, list[str]]]) -> dict[str, _Section]:
    sections: dict[str, _Section] = {}
    current: _Section | None = None
    for line, cells in records:
        name = cells[0].strip()
        if name in SECTIONS and not any(cell.strip() for cell in cells[1:]):
            if name in sections:
                raise bad(line, name, "the section stands twice")
            current = sections[name] = _Section(line)
        elif current is None:
            raise bad(line, "META", "the file does not begin with META: it is no .pb file")
        else:
            current.records.append((line, cells))
    return sections


def _read_meta(section: _Section) -> tuple[dict[str, str], dict[str, int]]:
    meta: dict[str, str] = {}
    lines: dict[str, int] = {}
    for line, cells in section.records:
        key, value = cells[0].strip(), ";".join(cells[1:]).strip()
        if (key, value) == ("key", "value"):
            continue
        if not key:
            raise bad(line, "META", "a value has no key")
        if key in meta and meta[key] != value:
            raise bad(line, f"META {key}", "the key stands twice with different values")
        meta.setdefault(key, value)
        lines.setdefault(key, line)
    return meta, lines


def _table(section: _Section, name: str, needed: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows as column → text. Missing trailing cells are empty; cells beyond the header must be."""
    if not section.records:
        raise bad(section.line, name, "the section has no header")
    line, cells = section.records[0]
    header = [cell.strip() for cell in cells]
    while header and not header[-1]:
        header.pop()
    for column in needed:
        if column not in header:
            raise bad(line, f"{name} {column}", "the column is missing")
    if len(set(header)) != len(header):
        raise bad(line, name, "a column stands twice")
    width = len(header)
    for line, cells in section.records[1:]:
        if len(cells) != width:
            if any(cell.strip() for cell in cells[width:]):
                raise bad(line, name, f"there are {len(cells)} cells under {width} columns; is a quote missing?")
            cells = (cells + [""] * width)[:width]
        yield line, dict(zip(header, cells, strict=True))


def _read_projects(section: _Section) -> tuple[Project, ...]:
    projects: dict[str, Project] = {}
    for line, row in _table(section, "PROJECTS", ("project_id", "cost")):
        project_id = row.pop("project_id").strip()
        if not project_id:
            raise bad(line, "PROJECTS project_id", "it is empty")
        if "," in project_id:
            raise bad(line, "PROJECTS project_id", "a comma in it would split it in the votes")
        if project_id in projects:
            raise bad(line, "PROJECTS project_id", f"{project_id[:40]!r} stands twice")
        projects[project_id] = Project(
            id=project_id,
            cost=read_money(row.pop("cost"), line, "PROJECTS cost"),
            votes=_stated(row, "votes", line),
            score=_stated(row, "score", line),
            selected=row.pop("selected", "").strip() or None,
            extra=row,
            line=line,
        )
    return tuple(projects.values())


def _stated(row: dict[str, str], column: str, line: int) -> Fraction | None:
    text = row.pop(column, "").strip()
    return read_number(text, line, f"PROJECTS {column}") if text else None


def _read_votes(section: _Section, instance: Instance) -> tuple[Ballot, ...]:
    vote_type = instance.vote_type
    most = {"choose-1": 1, "ordinal": instance.number("max_length")}.get(vote_type)
    if vote_type == "ordinal" and most is None:
        raise bad(None, "META max_length", "it is missing, and the score of an ordinal ballot depends on it")
    needed = ("voter_id", "vote", "points") if vote_type == "cumulative" else ("voter_id", "vote")
    known = {project.id: project.id for project in instance.projects}
    ballots: list[Ballot] = []
    voters: set[str] = set()
    for line, row in _table(section, "VOTES", needed):
        voter_id = row.pop("voter_id").strip()
        if not voter_id or voter_id in voters:
            raise bad(line, "VOTES voter_id", f"{voter_id[:40]!r} is empty or stands twice")
        voters.add(voter_id)
        projects = _read_vote(row.pop("vote"), known, line)
        if most is not None and len(projects) > most:
            raise bad(line, "VOTES vote", f"{len(projects)} projects where at most {most} may stand")
        points = _read_points(row.pop("points"), projects, line) if vote_type == "cumulative" else ()
        ballots.append(Ballot(voter_id, projects, points, row, line))
    return tuple(ballots)


def _read_vote(text: str, known: Mapping[str, str], line: int) -> tuple[str, ...]:
    """The projects of one ballot (an empty vote is a blank ballot), as the ids' one stored text each."""
    if not text or text.isspace():
        return ()
    projects = []
    for part in text.split(","):
        project_id = known.get(part) or known.get(part.strip())
        if project_id is None:
            raise bad(line, "VOTES vote", f"there is no project {part[:40]!r}")
        projects.append(project_id)
    if len(set(projects)) != len(projects):
        raise bad(line, "VOTES vote", "a project stands twice on one ballot")
    return tuple(projects)


def _read_points(text: str, projects: tuple[str, ...], line: int) -> tuple[int, ...]:
    points = tuple(read_whole(part, line, "VOTES points") for part in text.split(",")) if text.strip() else ()
    if len(points) != len(projects):
        raise bad(line, "VOTES points", f"{len(points)} numbers of points for {len(projects)} projects")
    return points
