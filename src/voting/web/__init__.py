"""The pages. `handlers` are what the application serves beside identity's and the explanations of refusals."""

from voting.web import (
    assets,
    ballot,
    boards,
    downloads,
    exports,
    help,
    home,
    houses,
    officials,
    officials_check,
    officials_custody,
    officials_editor,
    officials_lists,
    officials_lots,
    officials_revisions,
    officials_running,
    officials_start,
    officials_words_queue,
    polls,
    registry,
    results,
    verifier_program,
    verifying,
    votes,
)

handlers = [
    *home.handlers, *polls.handlers, *ballot.handlers, *votes.handlers, *results.handlers, *houses.handlers,
    *help.handlers, *assets.handlers, *downloads.handlers, *exports.handlers, *officials.handlers,
    *officials_check.handlers, *officials_running.handlers, *officials_editor.handlers, *officials_start.handlers,
    *officials_lists.handlers, *officials_revisions.handlers, *officials_custody.handlers,
    *officials_words_queue.handlers, *officials_lots.handlers, *registry.handlers, *boards.handlers,
    *verifier_program.handlers, *verifying.handlers,
]  # fmt: skip
