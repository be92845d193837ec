"""The pages. `handlers` are what the application serves beside identity's and the explanations of refusals."""

from voting.web import (
    assets,
    ballot,
    downloads,
    help,
    home,
    officials,
    officials_check,
    officials_editor,
    polls,
    results,
    votes,
)

handlers = [
    *home.handlers, *polls.handlers, *ballot.handlers, *votes.handlers, *results.handlers, *help.handlers,
    *assets.handlers, *downloads.handlers, *officials.handlers, *officials_check.handlers, *officials_editor.handlers,
]  # fmt: skip
