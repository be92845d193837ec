"""`veche sign-on`: the demo with a sign-on of the city to try."""

from __future__ import annotations

import json
import os

import click

from voting.commands.serve import serve
from voting.demo.sign_on import NoSignOn, running_provider
from voting.settings import Settings


@click.command("sign-on")
@click.option("--port", type=click.IntRange(1, 65535), help="The provider's port. Not set: the one after the site's.")
@click.pass_context
def sign_on(context: click.Context, port: int | None) -> None:
    """Run the demo with a sign-on of the city to try.

    You choose there which resident you are. It is a real OpenID Connect provider, in a process of its own that ends
    with the site.
    """
    settings = Settings.from_env()
    try:
        with running_provider(settings, port or settings.port + 1) as provider:
            # The site's own processes read it there, as they would read an operator's.
            os.environ["VECHE_CITY_SIGN_ON"] = json.dumps([provider.model_dump(mode="json")])
            click.echo(f"The sign-on is at {provider.issuer}; begin at {settings.base_url}/sign-in")
            context.invoke(serve, workers=1)
    except NoSignOn as refusal:
        raise click.ClickException(str(refusal)) from None
