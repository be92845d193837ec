"""`veche tally`: counts files with the engine alone — no database, no settings, no web framework.

Exit codes: 0 counted (differences from the file's own figures are printed, they are findings and no failure),
1 the file cannot be read, 2 the file's rule is not one this release counts.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from polls.errors import BadFile
from polls.pabulib import Instance, PabulibCount, count_file, parse
from polls.pabulib.counting import RULES
from polls.pabulib.instance import money_text

NAME_WIDTH = 60


@click.group()
def tally() -> None:
    """Count files again, without a database."""


@tally.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--rule", type=click.Choice(RULES), help="Count by this rule instead of the file's own.")
@click.option(
    "--exclude-group",
    "exclude",
    multiple=True,
    metavar="ID,ID…",
    help="Projects that cannot be built together; at most one is funded. May be given several times.",
)
@click.option("--keep", multiple=True, metavar="ID", help="The project of a group that the city decided to keep.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def pabulib(file: Path, rule: str | None, exclude: tuple[str, ...], keep: tuple[str, ...], as_json: bool) -> None:
    """Count a participatory budget in Pabulib's .pb format and compare with what the file says.

    Exit code 1: the file cannot be read. 2: its rule is not counted by this release; scores are still printed.
    """
    try:
        instance = parse(file.read_bytes())
        groups = [tuple(part.strip() for part in group.split(",")) for group in exclude]
        count = count_file(instance, rule, groups, keep)
    except OSError as error:
        click.echo(f"{file}: {error.strerror or error}. Check the path and try again.", err=True)
        sys.exit(1)
    except BadFile as refusal:
        click.echo(_refusal_text(file, refusal), err=True)
        sys.exit(1)
    except ValueError as error:
        raise click.UsageError(f"--exclude-group, --keep: {error}") from error
    if as_json:
        click.echo(json.dumps(count.as_json(), ensure_ascii=False, indent=2))
    else:
        click.echo("\n".join(map(_printable, _report(instance, count))))
    if not count.counted:
        click.echo(f"{file}: the rule {count.rule} is not counted by this release.", err=True)
        sys.exit(2)


def _refusal_text(file: Path, refusal: BadFile) -> str:
    where = "" if refusal.facts["line"] is None else f"line {refusal.facts['line']}, "
    return f"{file}: {where}{refusal.facts['field']}: {refusal.facts['reason']}. {refusal.next_step}"


def _report(instance: Instance, count: PabulibCount) -> Iterable[str]:
    """The lines of the human report."""
    yield instance.meta.get("description", "") or "Participatory budget"
    currency = instance.meta.get("currency", "")
    yield (
        f"Rule {count.rule}, {instance.vote_type} ballots: {len(instance.ballots)}; "
        f"projects: {len(instance.projects)}; budget: {money_text(instance.budget)} {currency}".rstrip()
    )
    yield ""
    yield from _funded_table(instance, count) if count.counted else _score_table(instance, count)
    yield ""
    yield _verdict(count)
    for difference in count.differences:
        yield f"  {_difference_text(difference)}"


def _printable(line: str) -> str:
    """The line without control characters: a name out of a file must not steer the reader's terminal."""
    return "".join(ch if ch.isprintable() else " " for ch in line)


def _funded_table(instance: Instance, count: PabulibCount) -> Iterable[str]:
    assert count.allocation is not None
    for group, kept in count.decisions:
        yield f"At most one of: {', '.join(group)}" + (f"; the city kept {kept}" if kept else "")
    if count.shares is not None:
        yield from _shares_lines(count)
    projects = {project.id: project for project in instance.projects}
    rows = [("project", "score", "cost", "money left", "name")]
    for decision in count.allocation.decisions:
        if decision.funded:
            project = projects[decision.id]
            left = money_text(decision.remaining)
            rows.append((project.id, str(count.votes[project.id]), money_text(project.cost), left, project.name))
    yield from _table(rows)
    spent = instance.budget - count.allocation.remaining
    yield f"Funded: {len(count.selected)}; spent: {money_text(spent)}; left: {money_text(count.allocation.remaining)}"


def _shares_lines(count: PabulibCount) -> Iterable[str]:
    """How far the shares of voters grew, and what the comparison with greedy said."""
    assert count.shares is not None
    share = float(count.shares.share) / 100
    yield f"Each voter's share: {share:.2f}, after growing {count.shares.increments} times by 1"
    if count.shares.preferred is not None:
        ours, greedy = count.shares.preferred
        taken = "greedy" if count.shares.greedy_taken else "equal shares"
        yield f"More projects of theirs by equal shares: {ours} voters, by greedy: {greedy}; taken: {taken}"


def _score_table(instance: Instance, count: PabulibCount) -> Iterable[str]:
    rows = [("project", "score", "cost", "in the file", "name")]
    chosen = set(count.source_selected or ())
    for project in sorted(instance.projects, key=lambda p: -count.votes[p.id]):
        mark = "selected" if project.id in chosen else ""
        rows.append((project.id, str(count.votes[project.id]), money_text(project.cost), mark, project.name))
    yield from _table(rows)


def _table(rows: list[tuple[str, str, str, str, str]]) -> Iterable[str]:
    """Four columns aligned (ids left, figures right) and the name, cut to one line."""
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        figures = "  ".join(cell.rjust(width) for cell, width in zip(row[1:4], widths[1:], strict=True))
        name = " ".join(row[4].split())
        cut = name if len(name) <= NAME_WIDTH else name[: NAME_WIDTH - 1] + "…"
        yield f"{row[0].ljust(widths[0])}  {figures}  {cut}".rstrip()


def _verdict(count: PabulibCount) -> str:
    if count.matches is True:
        verdict = "The same projects as the file says were selected."
    elif count.matches is False:
        verdict = "NOT the projects the file says were selected."
    else:
        verdict = "Not compared with what was selected."
    return f"{verdict} Differences: {len(count.differences) or 'none'}"


def _difference_text(difference: Any) -> str:
    """One difference as ``kind: key value, key value``; a selection in words."""
    if difference["kind"] == "selection":
        expected = "fund" if difference["expected"] else f"not fund ({difference['why']})"
        actual = "funded" if difference["actual"] else "not funded"
        return (
            f"selection: project {difference['project']} (cost {difference['cost']}): {difference['against']} would "
            f"{expected} with {difference['remaining']} left; the city: {actual} with {difference['source_remaining']}"
            f" left{', which follows from its earlier choices' if difference['follows'] else ''}"
        )
    facts = ((key, value) for key, value in difference.items() if key != "kind" and value is not None)
    return f"{difference['kind']}: " + ", ".join(f"{key} {_value_text(value)}" for key, value in facts)


def _value_text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
