"""The API under /api/v1: one module per noun. `routers` are what the application serves beside the session's.

Handlers call use cases of `polls` and `results` and know no tables. Names of paths, fields and codes are stable: see
docs/api.md for what that promises.
"""

from litestar import Router

from voting.api import (
    anomalies,
    assets,
    ballots,
    decisions,
    definitions,
    documentation,
    draft_history,
    drafts,
    exports,
    interruptions,
    keys,
    milestones,
    polls,
    problem_kinds,
    protocol,
    results,
    territories,
    weighting,
)
from voting.api.documents import refuse_deep_nesting

PREFIX = "/api/v1"

routers = [
    Router(
        PREFIX,
        route_handlers=[
            *polls.handlers,
            *ballots.handlers,
            *results.handlers,
            *protocol.handlers,
            *decisions.handlers,
            *drafts.handlers,
            *draft_history.handlers,
            *interruptions.handlers,
            *definitions.handlers,
            *anomalies.handlers,
            *territories.handlers,
            *assets.handlers,
            *problem_kinds.handlers,
            *keys.handlers,
            *weighting.handlers,
            *milestones.handlers,
            *exports.handlers,
            documentation.show_openapi,
        ],
        before_request=refuse_deep_nesting,
    ),
    Router("/api/docs", route_handlers=[documentation.show_docs, documentation.show_theme_script]),
]  # fmt: skip
