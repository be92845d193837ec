"""Refusals of the results: of figures that are not given, papers, promises and files. As those of `polls.errors`."""

from __future__ import annotations

from polls.errors import NotFound, Refusal


class TablesPending(Refusal):
    """The poll is counted; which cells of its tables have to stay hidden is being worked out: minutes for a city."""

    code = "tables_pending"
    detail = "The votes are counted. The tables by groups are being checked before they are shown."
    next_step = "Come back in a few minutes."


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
