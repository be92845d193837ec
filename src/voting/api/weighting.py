"""GET /polls/{slug}/weighting: an estimate that weights the votes of a counted poll to its roll or to a census."""

from datetime import datetime
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from polls.errors import NotCounted, PollNotFound, ResultsHidden, TooFewToPublish, WrongState
from polls.sessions import ReadSession
from results.errors import DecidesByNumber, MarginsNotFound, NothingToWeightBy, TablesPending, TooFewToWeight
from results.weighted_polls import weighted_of
from results.weighting_document import weighting_document
from voting.api.addresses import poll_name
from voting.api.operations import Returned, describes
from voting.api.representation import public_json
from voting.api.schemas_weighting import WeightingView
from voting.identity.guards import public


@get(
    "/polls/{slug:str}/weighting",
    guards=[public],
    summary="Weighted estimate",
    tags=["results"],
    opt=describes(
        "getWeighting", {200: Returned("The estimate, with what it was made of", WeightingView)},
        refuses=(PollNotFound, ResultsHidden, NotCounted, WrongState, TablesPending, TooFewToPublish, DecidesByNumber,
                 TooFewToWeight, NothingToWeightBy, MarginsNotFound),
        conditional=True, figures="api weighting",
    ),
)  # fmt: skip
async def show_weighting(
    request: Request[Any, Any, Any], slug: FromPath[str], read_session: NamedDependency[ReadSession],
    now: NamedDependency[datetime],
    margins: Annotated[
        str | None, QueryParameter(max_length=64, description="Code of a set of census margins; the roll otherwise.")
    ] = None,
) -> Response[bytes]:  # fmt: skip
    """Who took part against who might have, and weighted shares with 95 % intervals beside the counted ones.

    An estimate beside the result, never in its place: polls that decide by a number have none.
    """
    found = await weighted_of(read_session, poll_name(slug), now, margins)
    return public_json(request, WeightingView.model_validate(weighting_document(found)))


handlers = [show_weighting]
