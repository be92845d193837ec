"""The API under /api/v1: one module per noun. `routers` are what the application serves beside the session's.

Handlers call use cases of `polls` and `results` and know no tables. Names of paths, fields and codes are stable: see
docs/api.md for what that promises.
"""

from litestar import Router
from litestar.di import Provide

from voting.api import (
    anomalies,
    approvals,
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
    passkeys,
    polls,
    problem_kinds,
    protocol,
    results,
    step_up,
    territories,
    weighting,
)
from voting.api.documents import refuse_deep_nesting
from voting.api.gating import provide_gate

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
            *approvals.handlers,
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
            *step_up.handlers,
            *passkeys.handlers,
            documentation.show_openapi,
        ],
        dependencies={"gate": Provide(provide_gate)},
        before_request=refuse_deep_nesting,
    ),
    Router("/api/docs", route_handlers=[documentation.show_docs, documentation.show_theme_script]),
]  # fmt: skip
