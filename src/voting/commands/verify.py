"""`veche verify`: the program that anybody may run without us, and beside it the check of one's own database."""

from __future__ import annotations

import sys

import click


@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
    short_help="Check a counted poll, a receipt or a complaint, without trusting the site.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def verify(arguments: tuple[str, ...]) -> None:
    """Check a counted poll, a receipt or a complaint; or with --database [POLL…] this database against what was signed.

    Exit codes: 0 valid, 1 invalid, 2 not everything could be checked. All but --database is `veche_verify`.
    """
    if arguments[:1] == ("--database",):
        import uvloop

        sys.exit(uvloop.run(_verify_database(arguments[1:])))
    from veche_verify import run

    sys.exit(run(arguments, "veche verify"))


async def _verify_database(named: tuple[str, ...]) -> int:
    """The polls named by id or short name, or all that were counted, against their signed trees and manifests."""
    from sqlalchemy import select

    from polls.board_check import differences
    from polls.catalogue import sealed_poll
    from polls.errors import PollNotFound
    from polls.lifecycle import COUNTED
    from polls.tables import poll
    from voting.db import opened_database
    from voting.settings import Settings

    wrong = unknown = False
    async with opened_database(Settings.from_env()) as database, database.open_read_session() as session:
        counted = select(poll.c.slug).where(poll.c.state.in_(COUNTED)).order_by(poll.c.counted_at)
        known = tuple(await session.scalars(counted))
        names = named or known
        for name in names:
            try:
                asked = await sealed_poll(session, name)
            except PollNotFound:
                click.echo(f"There is no poll «{name}», so not everything was checked. Counted polls:", err=True)
                click.echo("\n".join(f"  {one}" for one in known) or "  none", err=True)
                unknown = True
                continue
            found = await differences(session, asked)
            wrong = wrong or bool(found)
            click.echo(f"{name}: {'DIFFERS from what was signed' if found else 'as it was signed'}")
            for sentence in found:
                click.echo(f"  - {sentence}")
    if not names:
        click.echo("No poll has been counted, so nothing was checked.", err=True)
        return 2
    return 1 if wrong else 2 if unknown else 0
