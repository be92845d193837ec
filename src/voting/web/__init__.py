"""The pages. `handlers` are what the application serves beside identity's and the explanations of refusals."""

from voting.web import (
    assets,
    ballot,
    downloads,
    help,
    home,
    officials,
    officials_check,
    officials_custody,
    officials_editor,
    officials_lists,
    officials_revisions,
    officials_start,
    polls,
    results,
    votes,
)

handlers = [
    *home.handlers, *polls.handlers, *ballot.handlers, *votes.handlers, *results.handlers, *help.handlers,
    *assets.handlers, *downloads.handlers, *officials.handlers, *officials_check.handlers, *officials_editor.handlers,
    *officials_start.handlers, *officials_lists.handlers, *officials_revisions.handlers, *officials_custody.handlers,
]  # fmt: skip
