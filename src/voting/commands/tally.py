"""`veche tally`: counts files with the engine alone — no database, no settings, no web framework.

Exit codes: 0 counted (differences from the file's own figures are printed, they are findings and no failure),
1 the file cannot be read, 2 the file's rule is not one this release counts.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polls.errors import BadFile
from polls.pabulib import Instance, PabulibCount, count_file, parse
from polls.pabulib.counting import RULES
from polls.pabulib.instance import money_text
from polls.preflib import Election, parse_preflib

if TYPE_CHECKING:
    from polls.tally.ranked import Equal
    from polls.tally.ranked_outcome import RankedOutcome

NAME_WIDTH = 60
RANKED_RULES = ("irv", "stv", "meek", "schulze", "ranked_pairs", "plurality", "borda", "approval")


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


@tally.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--rule", type=click.Choice(RANKED_RULES), default="irv", show_default=True, help="The counting rule.")
@click.option("--seats", type=click.IntRange(1), default=1, show_default=True, help="How many win; for irv always one.")
@click.option(
    "--equal",
    type=click.Choice(("exhaust", "skip", "refuse")),
    default="exhaust",
    show_default=True,
    help="What irv, stv, meek and plurality do with options held equal: the ballot ends there, goes on below, or is an "
    "error.",
)
@click.option("--batch", is_flag=True, help="irv: let all options without a chance leave in one round.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def preflib(file: Path, rule: str, seats: int, equal: Any, batch: bool, as_json: bool) -> None:
    """Count ranked ballots in PrefLib's .soc, .soi, .toc or .toi format.

    Ties are left open and reported. Exit code 1: the file cannot be read, or its ballots are not what the rule takes.
    """
    try:
        election = parse_preflib(file.read_bytes())
        outcome = _count_ranked(election, rule, seats, equal, batch)
    except OSError as error:
        click.echo(f"{file}: {error.strerror or error}. Check the path and try again.", err=True)
        sys.exit(1)
    except BadFile as refusal:
        click.echo(_refusal_text(file, refusal), err=True)
        sys.exit(1)
    except ValueError as error:
        click.echo(f"{file}: {error}. Choose --equal exhaust or skip.", err=True)
        sys.exit(1)
    if as_json:
        names = {str(number): name for number, name in election.names.items()}
        found = {"title": election.title, "rule": rule, "names": names, "differences": list(election.differences)}
        click.echo(json.dumps({**found, **outcome.as_json()}, ensure_ascii=False, indent=2))
    else:
        click.echo("\n".join(map(_printable, _ranked_report(election, outcome))))


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


# ---- rankings


def _count_ranked(election: Election, rule: str, seats: int, equal: Equal, batch: bool) -> RankedOutcome:
    """The election counted; ties are left open, since nobody is there to draw a lot."""
    # The rules bring numpy with them, which the service does not need at its start.
    from polls.tally.condorcet import count_schulze
    from polls.tally.instant_runoff import count_instant_runoff
    from polls.tally.meek import count_meek
    from polls.tally.positional import count_borda, count_first_preferences, count_named
    from polls.tally.ranked_pairs import count_ranked_pairs
    from polls.tally.stv import count_stv
    from polls.tally.ties import TieRule

    profile, ties = election.profile(), TieRule("chair")
    match rule:
        case "irv":
            return count_instant_runoff(profile, ties=ties, equal=equal, batch=batch)
        case "stv":
            return count_stv(profile, seats=seats, ties=ties, equal=equal)
        case "meek":
            return count_meek(profile, seats=seats, ties=ties, equal=equal)
        case "plurality":
            return count_first_preferences(profile, seats=seats, ties=ties, equal=equal)
        case "schulze":
            return count_schulze(profile, seats=seats, ties=ties)
        case "ranked_pairs":
            return count_ranked_pairs(profile, seats=seats, ties=ties)
        case "borda":
            return count_borda(profile, seats=seats, ties=ties)
        case _:
            return count_named(profile, seats=seats, ties=ties)


def _ranked_report(election: Election, outcome: RankedOutcome) -> Iterable[str]:
    """The lines of the human report: the order, the rounds or stages, who beats all, what was tied."""
    names = election.names
    yield election.title or "Ranked ballots"
    yield f"Rule {outcome.method}, seats: {outcome.seats}; ballots: {outcome.ballots + outcome.blank}"
    yield ""
    for step in outcome.steps:
        if step.code in ("round", "stage"):
            number = step.facts.get("round", step.facts.get("stage"))
            votes = ", ".join(f"{names[o]} {n}" for o, n in step.facts["votes"])
            lost = step.facts.get("exhausted", step.facts.get("non_transferable"))
            yield f"{step.code} {number}: {votes}; not counting: {lost}"
    for tier in outcome.order:
        score = "" if outcome.scores is None else f"  {float(outcome.scores[tier[0]]):.10g}"
        yield f"{outcome.place(tier[0])}. {' = '.join(names[o] for o in tier)}{score}"
    yield ""
    yield f"Winners: {', '.join(names[o] for o in outcome.winners) or 'none'}"
    best = outcome.pairwise.winner
    yield f"Beats every other one to one: {names[best] if best is not None else 'nobody'}"
    for tie in outcome.ties:
        yield f"TIE ({tie.kind}), left {tie.resolution}: {', '.join(names[o] for o in tie.options)}"
    for found in election.differences:
        yield f"The file says {found['field']} {found['source']}, counted {found['counted']}"
