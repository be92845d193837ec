"""GET /problems: every code the API answers with, its status and its meaning."""

from typing import Any

from litestar import Request, Response, get

from voting.api.operations import Returned, describes
from voting.api.representation import LONG, public_json
from voting.api.schemas import ProblemKind, ProblemKinds
from voting.identity.guards import public
from voting.problems import KINDS, all_refusals


def kinds() -> ProblemKinds:
    """Every kind of problem, by code."""
    known = all_refusals()
    return ProblemKinds(
        problems=[
            ProblemKind(
                code=code, status=kind.status, title=kind.title, detail=known[code].detail,
                next_step=known[code].next_step,
            )
            for code, kind in sorted(KINDS.items()) if code in known
        ]
    )  # fmt: skip


@get(
    "/problems",
    guards=[public],
    sync_to_thread=False,
    summary="Problem codes",
    tags=["reference"],
    opt=describes("listProblems", {200: Returned("Every code", ProblemKinds)}, conditional=True),
)
def show_problems(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Every code, with its status and what to do. Codes never change meaning; new ones may come."""
    return public_json(request, kinds(), max_age=LONG)


handlers = [show_problems]
