"""GET /territories: the city's tree."""

from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency

from polls.definition import Text
from polls.register import Territory, territory_tree
from polls.sessions import ReadSession
from voting.api.operations import Returned, describes
from voting.api.representation import LONG, public_json
from voting.api.schemas import TerritoryList, TerritoryView
from voting.identity.guards import public


@get(
    "/territories",
    guards=[public],
    summary="The city's territories",
    tags=["reference"],
    opt=describes("listTerritories", {200: Returned("The tree, parents first", TerritoryList)}, conditional=True),
)
async def show_territories(
    request: Request[Any, Any, Any], read_session: NamedDependency[ReadSession]
) -> Response[bytes]:
    """City, okrugs and districts with their codes, as audience rules and breakdowns name them."""
    tree = await territory_tree(read_session)
    listed: list[TerritoryView] = []
    waiting = list(tree.children(None))
    while waiting:
        place = waiting.pop(0)
        above = tree.by_id.get(place.parent_id) if place.parent_id is not None else None
        listed.append(_view(place, above))
        waiting.extend(tree.children(place.id))
    return public_json(request, TerritoryList(territories=listed), max_age=LONG)


def _view(place: Territory, above: Territory | None) -> TerritoryView:
    return TerritoryView.model_validate({
        "code": place.code, "kind": place.kind, "parent": above.code if above else None,
        "name": Text(ru=place.name_ru, en=place.name_en),
        "short": Text(ru=place.short("ru"), en=place.short("en")),
        "tile_column": place.tile_column, "tile_row": place.tile_row, "population": place.population,
        "population_source": place.population_source,
    })  # fmt: skip


handlers = [show_territories]
