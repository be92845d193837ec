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


class DecidesByNumber(Refusal):
    """A poll in which a number decides is not weighted. Facts: `why` (``binding quorum units threshold``)."""

    code = "decides_by_number"
    detail = "In this poll the counted votes decide, so they are not weighted."
    next_step = "See the counted result."


class TooFewToWeight(Refusal):
    """Too few ballots for weights to mean anything. Facts: `least`."""

    code = "too_few_to_weight"
    detail = "With so few ballots weights would say more about chance than about residents."
    next_step = "See the counted result."


class NothingToWeightBy(Refusal):
    """Weights need groups and a target. Facts: `why`: ``no_groups``, ``no_roll``, ``styles`` (none asked all)."""

    code = "nothing_to_weight_by"
    detail = "This poll has no groups of residents that its ballots could be weighted by."
    next_step = "See the counted result, or name a set of census margins."


class MarginsNotFound(NotFound):
    """There is no set of census margins with this code. Facts: `margins`."""

    code = "margins_not_found"
    detail = "There is no such set of census margins."
    next_step = "See the list of sets on the results page."


class WorkNotDone(Refusal):
    """The work that followed from a poll is not finished, or has been taken up again."""

    code = "work_not_done"
    detail = "This work is not finished, so it cannot be rated now."
    next_step = "Come back when the city has finished it."


class AlreadyRated(Refusal):
    """The resident has rated this work. Nothing says how, so it cannot be changed."""

    code = "already_rated"
    detail = "You have rated this work already."
    next_step = "A rating is final: it is kept apart from you and cannot be found again."


class NotYourWork(Refusal):
    """The resident neither took part in the poll nor lives in its territory."""

    code = "not_your_work"
    detail = "This work is rated by those who took part in its poll or live where it was done."
    next_step = "See what has been decided for your district."


# ---- files


class NeedsExportJob(Refusal):
    """A file too large to be made while somebody waits. Facts: `rows`, `at_once`."""

    code = "needs_export_job"
    detail = "This file is too large to be made while you wait."
    next_step = "Order it: the downloads page has a button, the API takes POST to the poll's exports."


class SheetTooLong(Refusal):
    """More records than a sheet of Excel has lines. Facts: `rows`, `limit`."""

    code = "sheet_too_long"
    detail = "There are more answers than a sheet of Excel has lines (1,048,576)."
    next_step = "Take CSV or Parquet: they have no limit. Or take one question at a time."


class ExportNotReady(Refusal):
    """The file of an export is not there (yet). Facts: `state`, `why` (a failed one)."""

    code = "export_not_ready"
    detail = "This file is not ready."
    next_step = "Look at the export's page: it says how far it is, or why it failed."


class ExportGone(Refusal):
    """The file was kept for its time, or the count was corrected since. Facts: `poll`, `kind`, `again` (an address)."""

    code = "export_gone"
    detail = "This file is no longer kept, or the result was corrected since it was made."
    next_step = "Order it again on the downloads page of the poll."


class NotYourOrder(Refusal):
    """An export is taken back by somebody who did not order it."""

    code = "not_your_order"
    detail = "This file was ordered by somebody else."
    next_step = "Leave it: the file is public, and is deleted by itself after a while."


class ExportsBusy(Refusal):
    """Enough exports are under way. Facts: `retry_after` seconds."""

    code = "exports_busy"
    detail = "Too many files are being made just now."
    next_step = "Try again in a few minutes. Small files can be taken at once."


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


class ProtocolNotFound(NotFound):
    """The poll has no certified protocol, or none of this version. Facts: `version`, where one was asked for."""

    code = "protocol_not_found"
    detail = "There is no certified protocol here yet."
    next_step = "See the results; the protocol appears once two people of the city have stood up for it."


class ProtocolUnsigned(Refusal):
    """The protocol is certified, and the job that signs it has not come to it. Facts: `version`."""

    code = "protocol_unsigned"
    detail = "The protocol is certified and is being signed."
    next_step = "Reload in a minute."


class ProtocolChanged(Refusal):
    """What was to be prepared or certified is no longer what holds. Facts: `changed`, sections of the protocol."""

    code = "protocol_changed"
    detail = "The result has changed since this page was opened; nothing was signed."
    next_step = "Look at the protocol as it is now and do it again."


class ProtocolNotWaiting(Refusal):
    """This very protocol waits for nobody: it was certified, taken back, or prepared anew. Facts: `version`."""

    code = "protocol_not_waiting"
    detail = "This protocol does not wait to be certified: it was certified or taken back already."
    next_step = "Reload the page to see which protocol stands."


class NotSecondPerson(Refusal):
    """Whoever drafted the poll or prepared the protocol does not certify it. Facts: `part`: drafted or prepared."""

    code = "not_second_person"
    detail = "A protocol is certified by somebody who neither drafted the poll nor prepared the protocol."
    next_step = "Ask another reviewer."


class BoardNotPublished(Refusal):
    """The manifest of the newest count is not signed yet, and a protocol names it."""

    code = "board_not_published"
    detail = "The open log of ballots is not published yet, and the protocol has to name it."
    next_step = "Try again in a minute; the page of the poll says if something is wrong."


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
