"""The explorer: any published figure of a counted poll as a chart, a table and a file, by an address to pass on.

Every figure comes from `results.figures` through `results.exploration`, behind the one gate. The page is a plain form
of GET and needs no script. What of an address cannot be followed is said on the page, and the nearest view is shown; a
file has no place to say so, so for it the same is a refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream

from polls.catalogue import SealedPoll
from polls.errors import FieldError, Invalid
from polls.register import territory_tree
from polls.sessions import ReadSession
from results.city_map import CityMap, read_map
from results.exploration import View, answer_code, explore, unweighted
from results.exploration_csv import COLUMNS, view_rows
from results.exports.dialects import Dialect, csv_chunks, file_name, streamed
from results.figures import PollFigures, poll_figures
from results.visibility import Need, require
from results.weighted_polls import weighting_if_any
from results.weighting import WeightedQuestion, Weighting
from voting.db import Database
from voting.identity.guards import public
from voting.web.explorer_charts import draw, matrix_of
from voting.web.frames import framed
from voting.web.i18n import language_of
from voting.web.standing import poll_at, poll_seen

AnyRequest = Request[Any, Any, Any]


@get("/polls/{slug:str}/explore", guards=[public], include_in_schema=False, opt={"figures": "explorer"})
async def show_explorer(
    request: AnyRequest, slug: FromPath[str], database: NamedDependency[Database], now: NamedDependency[datetime]
) -> Response[Any]:
    """One view of a counted poll; refuses what the results refuse before the count."""
    poll, seen = await poll_seen(request, database, slug, now)
    require(seen, Need.OUTCOME)

    async def make() -> Mapping[str, Any]:
        async with database.open_read_session() as session:
            return {"nav": "results", "poll": poll, "seen": seen, **await _shown(session, poll, request, now)}

    return await framed(request, "explorer/explore.html", seen, make)


async def _shown(session: ReadSession, poll: SealedPoll, request: AnyRequest, now: datetime) -> dict[str, Any]:
    figures = await poll_figures(session, poll.slug, now)
    view, weighting = await _weighed(session, explore(request.query_params.multi_items(), figures), figures)
    places = await territory_tree(session)
    city: CityMap | None = await read_map(session) if view.chart.value == "map" else None
    kinds = city.kinds if city else {}
    return {
        "definition": poll.definition,
        "figures": figures,
        "view": view,
        "found": figures.question(view.question.id),
        "weighting": weighting,
        "drawn": draw(view, figures, places, kinds, language_of(request)),
        "matrix": matrix_of(view) if view.by else None,
        "places": places,
        "city": city,
        "answer_code": answer_code,
        "address": _address(poll.slug, view),
        "file": _address(poll.slug, view, "explore.csv"),
    }


async def _weighed(session: ReadSession, view: View, figures: PollFigures) -> tuple[View, Weighting | None]:
    """The weighting a view shows beside its raw figures; where there is none after all, the view without."""
    if not view.weighted:
        return view, None
    weighting = await weighting_if_any(session, figures)
    if weighting is None or weighting.question(view.question.id) is None:
        return unweighted(view), None
    return view, weighting


def _address(slug: str, view: View, page: str = "explore") -> str:
    """The shortest address of a view, to pass on."""
    return f"/polls/{slug}/{page}?{urlencode(view.parameters())}"


@get(
    "/polls/{slug:str}/explore.csv",
    guards=[public],
    include_in_schema=False,
    opt={"limit": "exports", "figures": "explore.csv"},
)
async def send_view(
    request: AnyRequest, slug: FromPath[str], database: NamedDependency[Database], now: NamedDependency[datetime]
) -> Stream:
    """The lines of a view as a file. Refuses `Invalid` what the page would say it did not follow."""
    async with database.open_read_session() as session:
        poll = await poll_at(session, slug)
        figures = await poll_figures(session, poll.slug, now)
        view, weighting = await _weighed(session, explore(request.query_params.multi_items(), figures), figures)
    dialect = request.query_params.get("dialect", Dialect.PLAIN.value)
    wrong = [fault.parameter for fault in view.faults] + ([] if dialect in set(Dialect) else ["dialect"])
    if wrong:
        raise Invalid(
            [FieldError(name, "not_followed", "There is no published table that this asks for.") for name in wrong]
        )
    weighed = weighting.question(view.question.id) if weighting else None
    return _file(view, figures, weighed, Dialect(dialect))


def _file(view: View, figures: PollFigures, weighed: WeightedQuestion | None, dialect: Dialect) -> Stream:
    chunks = csv_chunks([column.name for column in COLUMNS], view_rows(view, figures, weighed), dialect)
    name = file_name(figures.closes_at, figures.definition.time_zone, figures.slug, "view", "csv")
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Stream(streamed(chunks), media_type="text/csv", headers=headers)


handlers = [show_explorer, send_view]
