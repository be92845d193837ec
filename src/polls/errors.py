"""Every refusal of the engine and of the packages above it, each with a stable code and its facts.

A refusal says what is so (`detail`), what to do next (`next_step`) and carries machine-readable `facts`. It holds no
HTTP: `voting.problems` maps codes to statuses and to words in the reader's language. Codes never change meaning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


class Refusal(Exception):
    """The root of every expected refusal. Subclass per fact; raise with the facts as keywords."""

    code: ClassVar[str] = "refused"
    detail: ClassVar[str] = "The request was refused."
    next_step: ClassVar[str] = ""

    def __init__(self, **facts: Any) -> None:
        self.facts: Mapping[str, Any] = facts
        super().__init__(self.code)

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


@dataclass(frozen=True)
class FieldError:
    """One thing wrong with one field: a path such as ``questions/0/options/2/text/ru``, a stable code, facts."""

    path: str
    code: str
    message: str
    facts: Mapping[str, Any] | None = None


class Invalid(Refusal):
    """The input has errors, listed by field."""

    code = "invalid"
    detail = "Some fields are not right."
    next_step = "Correct the fields listed and send again."

    def __init__(self, errors: Sequence[FieldError], **facts: Any) -> None:
        self.errors = tuple(errors)
        super().__init__(**facts)


# ---- finding things


class NotFound(Refusal):
    """There is no such thing, or the caller may not know that there is."""

    code = "not_found"
    detail = "There is nothing at this address."
    next_step = "Check the address, or start from the list of polls."


class PollNotFound(NotFound):
    """No such poll, or a draft the caller may not see."""

    code = "poll_not_found"
    detail = "There is no such poll."


class RevisionNotFound(NotFound):
    """The draft has no revision of this number. Facts: `number`."""

    code = "revision_not_found"
    detail = "This draft has no such revision."
    next_step = "See the list of its revisions."


class TemplateNotFound(NotFound):
    """There is no template of this code. Facts: `code`."""

    code = "template_not_found"
    detail = "There is no such template."
    next_step = "See the list of templates."


# ---- who you are


class SignInNeeded(Refusal):
    """Nobody is signed in."""

    code = "sign_in_needed"
    detail = "You need to sign in for this."
    next_step = "Sign in and go on; nothing you have filled in is lost."


class NotAllowed(Refusal):
    """Signed in, but the role does not allow it."""

    code = "not_allowed"
    detail = "Your account may not do this."
    next_step = "Ask an administrator for the role, or sign in with another account."


class NotYourHouse(Refusal):
    """Signed in, but neither an official nor an owner in this house. Facts: `building`."""

    code = "not_your_house"
    detail = "Only officials and the owners of flats in this house see it flat by flat."
    next_step = "The totals of the house are on the results page."


class BadCredentials(Refusal):
    """The login or the password is not right; which of the two is not said."""

    code = "bad_credentials"
    detail = "The e-mail or phone and the password do not match."
    next_step = "Check both and try again."


class BadCsrf(Refusal):
    """The form's token is missing or belongs to another session."""

    code = "bad_csrf"
    detail = "This form has expired or was not opened in this session."
    next_step = "Go back, reload the page and send the form again."


class TooMany(Refusal):
    """A rate limit was met. Facts: `retry_after` seconds."""

    code = "too_many"
    detail = "Too many requests."
    next_step = "Wait a little and try again."


class Busy(Refusal):
    """The service is at its declared limit. Facts: `retry_after` seconds."""

    code = "busy"
    detail = "The service is at its limit just now."
    next_step = "Nothing was taken. Try again in a few seconds."


class Unavailable(Refusal):
    """The database does not answer. Facts: `retry_after` seconds."""

    code = "unavailable"
    detail = "The service cannot reach its database just now."
    next_step = "Try again in a minute."


class OutcomeUnknown(Refusal):
    """The commit was cut off: the vote may have been taken or not. Facts: `retry_after` seconds.

    Sent again with the same key it counts once, and the answer to that says what became of it.
    """

    code = "outcome_unknown"
    detail = "The database did not answer in time; the vote may have been taken or not."
    next_step = "Send the same vote again with the same key: it counts once, and the answer tells what became of it."


class AccountExists(Refusal):
    """The register entry, e-mail or phone already has an account."""

    code = "account_exists"
    detail = "There is an account already."
    next_step = "Sign in, or recover the password."


class NotInRegister(Refusal):
    """Sign-up found no register entry for what was entered."""

    code = "not_in_register"
    detail = "The city's register has no entry with these details."
    next_step = "Check the number and the birth date, or ask at a public service centre."


# ---- polls and their lives


class WrongState(Refusal):
    """The poll's state does not allow the move. Facts: `state`, `move`."""

    code = "wrong_state"
    detail = "The poll's state does not allow this."
    next_step = "Reload the page to see the poll as it is now."


class Sealed(Refusal):
    """The definition is sealed; nothing that decides a result may change."""

    code = "sealed"
    detail = "The rules of this poll are sealed and cannot be changed."
    next_step = "Copy the poll to a new draft, or cancel it with a reason."


class EditConflict(Refusal):
    """Somebody else saved a newer revision.

    Facts: `yours`, `theirs` (revision numbers), `by`, `at`, and when saving `your_changes` and `their_changes` since
    the revision you began with (as :class:`polls.comparison.Change`) and `both_changed`, the paths to choose between.
    """

    code = "edit_conflict"
    detail = "Somebody else has saved this draft since you opened it."
    next_step = "Compare both versions and save again; nothing you entered is lost."


class NotReady(Refusal):
    """The pre-open checklist has blocking findings. Facts: `findings`."""

    code = "not_ready"
    detail = "The poll is not ready to be scheduled."
    next_step = "Resolve the findings marked as blocking."


class DryRunTooLong(Refusal):
    """Counting an audience was cut short, so that votes are not kept waiting. Facts: `seconds` it was given."""

    code = "dry_run_too_long"
    detail = "Counting who may vote was taking too long and was stopped."
    next_step = "Nothing was changed. The register is being summed up after a change; try again in a few minutes."


# ---- casting


class PollNotOpen(Refusal):
    """Before opening. Facts: `opens_at`."""

    code = "poll_not_open"
    detail = "This poll has not opened yet."
    next_step = "Come back when it opens."


class PollPaused(Refusal):
    """Voting is interrupted; nothing is cast until it goes on. Facts: `since`, `reason` (public)."""

    code = "poll_paused"
    detail = "Voting in this poll is paused; the vote was not taken."
    next_step = "Come back when it goes on; the closing time moves by as long as the pause lasts."


class PollClosed(Refusal):
    """After closing, by the database's clock. Facts: `closed_at`."""

    code = "poll_closed"
    detail = "This poll has closed; the vote was not taken."
    next_step = "See the results when they are counted."


class NotEligible(Refusal):
    """The audience rule says no. `reasons` are :class:`polls.eligibility.Reason` values."""

    code = "not_eligible"
    detail = "This poll is for other residents."
    next_step = "See the reasons and what you can do about each."

    def __init__(self, reasons: Sequence[Any], **facts: Any) -> None:
        self.reasons = tuple(reasons)
        super().__init__(reasons=[reason.as_json() for reason in reasons], **facts)


class AlreadyVoted(Refusal):
    """There is a participation already. Facts: `day` of the first vote."""

    code = "already_voted"
    detail = "You have already voted in this poll."
    next_step = "A vote is final. Your receipt shows that it was taken."


class RetryDiffers(Refusal):
    """The same key came with different answers; the first ones stand."""

    code = "retry_differs"
    detail = "This vote was already taken with other answers; the first ones stand."
    next_step = "Open the receipt of the first vote."


class KeyUsed(Refusal):
    """The key leads to a ballot that is not the caller's: another one has it. Whose it is, nobody is told."""

    code = "key_used"
    detail = "The key of this vote has been used in this poll before; the vote was not taken."
    next_step = "Send the vote again with a new random key."


class Superseded(Refusal):
    """The key belongs to a named vote that was changed since; the later one stands. Facts: `day` of the first vote."""

    code = "superseded"
    detail = "This vote was taken and has been changed since; the later one stands."
    next_step = "Open the ballot anew if you want to change it again."


class InvalidAnswer(Invalid):
    """Answers do not fit the questions; `errors` says which and why."""

    code = "invalid_answer"
    detail = "Some answers do not fit their questions."
    next_step = "Correct the questions listed; the vote was not taken."


# ---- results


class ResultsHidden(Refusal):
    """The sealed visibility hides these figures now. Facts: `until`."""

    code = "results_hidden"
    detail = "The results of this poll are shown after it closes."
    next_step = "Come back after the closing time."


class NotCounted(Refusal):
    """The poll has closed and the count is not finished yet."""

    code = "not_counted"
    detail = "The count is under way."
    next_step = "Reload in a minute."


class TooFewToPublish(Refusal):
    """A separated poll with fewer than ten ballots publishes turnout and outcome only."""

    code = "too_few_to_publish"
    detail = "With fewer than ten ballots only the turnout and the outcome are published."
    next_step = "Use the outcome on the results page."


# ---- files


# ---- ties


class AlreadyCommitted(Refusal):
    """The party has committed to a lot already, or the account did for the other party. Facts: `party`."""

    code = "already_committed"
    detail = "There is a commitment already; it cannot be changed, and one account makes one."
    next_step = "Keep the secret of the first commitment; the other party needs another account."


class LotCannotBeDrawn(Refusal):
    """This account committed to nothing before the poll opened. Facts: `party`."""

    code = "lot_cannot_be_drawn"
    detail = "This account made no commitment before the poll opened."
    next_step = "The chair decides the tie, with a public reason."


class TieStillOpen(Refusal):
    """The result has a tie nobody has decided. Facts: `questions` (ids)."""

    code = "tie_still_open"
    detail = "A tie in this result is not decided yet."
    next_step = "Let the lot be drawn or the chair decide first; the decision follows from the whole result."


class LotPending(Refusal):
    """The lot may still be drawn, so the chair may not decide. Facts: `until`."""

    code = "lot_pending"
    detail = "This tie is broken by lot, and the secrets may still be revealed."
    next_step = "Wait for both secrets, or for the end of the time to reveal them."


# ---- protocols of results


# ---- files and registers


class BadFile(Refusal):
    """A file cannot be read for what it should be. Facts: `line`, `field`, `reason`."""

    code = "bad_file"
    detail = "The file cannot be read."
    next_step = "Correct the line named and try again."


class ListExists(Refusal):
    """There is a list with this code, and a list never changes. Facts: `list`."""

    code = "list_exists"
    detail = "There is a list with this code already, and a list never changes."
    next_step = "Upload the new list under another code."


class RegisterAhead(Refusal):
    """The register holds periods that begin or end after the import's moment. Facts: `register`."""

    code = "register_ahead"
    detail = "The register already holds changes later than the moment of this import."
    next_step = "Check the clocks of the machines that load the register."


class RuleUnknown(Refusal):
    """A counting rule this release does not know. Facts: `rule`."""

    code = "rule_unknown"
    detail = "This release does not know the counting rule; nothing was counted."
    next_step = "See the list of rules in the documentation."


# ---- one person, one entry


class EntriesDiffer(Refusal):
    """Two register entries cannot be one person's. Facts: `why`: same, unknown, register, merged."""

    code = "entries_differ"
    detail = "These two register entries cannot be joined."
    next_step = "Look at both again: they must be two different entries of the same register, neither joined already."
