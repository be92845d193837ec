"""From a refusal to an answer: the one table of statuses and titles, and the RFC 9457 problem built from it.

The engine refuses with a code and facts; here a code gets its HTTP status and its words in the reader's language. The
API answers `application/problem+json`; a browser gets the same as a page. Whatever else is raised, by the framework, a
validator or the database, is first turned into a refusal, so nothing internal ever reaches a reader.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pydantic
from litestar.exceptions import HTTPException, ValidationException
from sqlalchemy import exc as database_errors

from polls.database_failures import is_passing
from polls.errors import FieldError, Invalid, NotFound, Refusal, Unavailable

Translate = Callable[[str], str]

MEDIA_TYPE = "application/problem+json"
BUSY_SECONDS = 2


@dataclass(frozen=True)
class Kind:
    """What a code is over HTTP: its status and its title."""

    status: int
    title: str


class Malformed(Refusal):
    """The request cannot be read: broken JSON, a broken form."""

    code = "malformed"
    detail = "The request could not be read."
    next_step = "Check that the body is what its Content-Type says."


class ClientGone(Refusal):
    """Whoever sent the request went away in the middle of its body. Nobody is there to read this; the log has it."""

    code = "client_gone"
    detail = "The connection ended before the request was whole."
    next_step = "Send it again."


class MethodNotAllowed(Refusal):
    """There is something at the address, but not for this method."""

    code = "method_not_allowed"
    detail = "This address does not take such requests."
    next_step = "See the description of the API for the methods it takes."


class BodyTooLarge(Refusal):
    """The body is longer than the service takes. Facts: `limit` bytes, where known."""

    code = "body_too_large"
    detail = "What was sent is too large."
    next_step = "Send less at once."


class MediaTypeNotSupported(Refusal):
    """The body is of a kind the address does not take."""

    code = "media_type_not_supported"
    detail = "This address does not take data of this kind."
    next_step = "Send JSON with the header Content-Type: application/json."


class Conflict(Refusal):
    """The database refused a row that clashes with another; use cases should have found a better word."""

    code = "conflict"
    detail = "Somebody changed this at the same moment; nothing was saved."
    next_step = "Reload the page and try again."


class WrongHost(Refusal):
    """The request names a host that is not ours."""

    code = "wrong_host"
    detail = "This site is not served under this name."
    next_step = "Use the address you were given for the site."


class PdfUnavailable(Refusal):
    """The page cannot be made into a PDF. Facts: `why`: library, too_long, too_large or failed."""

    code = "pdf_unavailable"
    detail = "The PDF cannot be made on this server just now."
    next_step = "Print the page itself, which is made for it, or take the JSON."


class Failed(Refusal):
    """Our own mistake; the log has the details under the request's number."""

    code = "internal"
    detail = "Something went wrong on our side."
    next_step = "Try again. If it happens again, tell us the number of the request."


KINDS: Mapping[str, Kind] = {
    "refused": Kind(400, "Refused"),
    "invalid": Kind(422, "Some fields are not right"),
    "malformed": Kind(400, "The request cannot be read"),
    "client_gone": Kind(499, "The request was cut off"),  # nobody reads it; logs of other servers say 499 too
    "not_found": Kind(404, "Nothing here"),
    "poll_not_found": Kind(404, "No such poll"),
    "method_not_allowed": Kind(405, "Not possible at this address"),
    "body_too_large": Kind(413, "Too large"),
    "media_type_not_supported": Kind(415, "Data of another kind is needed"),
    "wrong_host": Kind(421, "Another address is needed"),
    "sign_in_needed": Kind(401, "Sign in first"),
    "not_allowed": Kind(403, "Not allowed"),
    "bad_credentials": Kind(401, "Login and password do not match"),
    "bad_csrf": Kind(403, "The form has expired"),
    "bad_token": Kind(401, "The token is not right"),
    "token_expired": Kind(401, "The token has expired"),
    "token_revoked": Kind(401, "The token has been revoked"),
    "token_scope": Kind(403, "Not with this token"),
    "token_with_cookie": Kind(400, "A token or a session, not both"),
    "too_many_tokens": Kind(409, "No more tokens"),
    "step_up_needed": Kind(403, "Confirm that it is you"),
    "step_up_expired": Kind(403, "The confirmation came too late"),
    "step_up_used": Kind(403, "The confirmation has served already"),
    "step_up_elsewhere": Kind(403, "The confirmation was for something else"),
    "step_up_failed": Kind(403, "The confirmation did not hold"),
    "passkey_refused": Kind(403, "The passkey was not accepted"),
    "passkey_suspect": Kind(403, "There may be a copy of this passkey"),
    "passkey_exists": Kind(409, "Registered already"),
    "too_many_passkeys": Kind(409, "No more passkeys"),
    "last_passkey": Kind(409, "The last passkey stays"),
    "passkeys_unavailable": Kind(409, "No passkeys at this address"),
    "second_step_needed": Kind(401, "A one-time code is needed"),
    "letter_needed": Kind(403, "Look into your mailbox"),
    "new_device_refused": Kind(401, "More is needed from a new device"),
    "second_step_ended": Kind(401, "Sign in once more"),
    "code_refused": Kind(422, "The code was not accepted"),
    "codes_already_on": Kind(409, "One-time codes are on already"),
    "sign_on_refused": Kind(400, "The sign-in could not be checked"),
    "sign_on_declined": Kind(403, "You were not signed in"),
    "sign_on_level_too_low": Kind(403, "Confirm your identity first"),
    "sign_on_not_fresh": Kind(403, "Prove anew who you are"),
    # No 503: it is not this service that does not answer, and nothing of ours should be taken out of service for it.
    "sign_on_unavailable": Kind(424, "The city's sign-on does not answer"),
    "account_closed": Kind(403, "The account is closed"),
    "sign_on_case": Kind(409, "Who you are has to be settled"),
    "sign_on_case_changed": Kind(409, "The case has changed"),
    "sign_on_own_case": Kind(403, "Somebody else decides this"),
    "sign_on_too_soon": Kind(409, "A moment too soon"),
    "entries_differ": Kind(409, "Not one person's entries"),
    "sign_on_again": Kind(403, "Sign in anew for this"),
    "too_many": Kind(429, "Too many requests"),
    "busy": Kind(503, "The service is busy"),
    "unavailable": Kind(503, "The service is not available"),
    "outcome_unknown": Kind(503, "It is not known whether the vote was taken"),
    "account_exists": Kind(409, "There is an account already"),
    "not_in_register": Kind(422, "Not in the city's register"),
    "wrong_state": Kind(409, "Not possible in this state"),
    "sealed": Kind(409, "The rules are sealed"),
    "edit_conflict": Kind(409, "Somebody saved before you"),
    "not_ready": Kind(409, "The poll is not ready"),
    "dry_run_too_long": Kind(503, "Counting took too long"),
    "poll_not_open": Kind(409, "The poll has not opened"),
    "poll_paused": Kind(409, "Voting is paused"),
    "revision_not_found": Kind(404, "No such revision"),
    "template_not_found": Kind(404, "No such template"),
    "poll_closed": Kind(409, "The poll has closed"),
    "not_eligible": Kind(403, "This poll is for other residents"),
    "already_voted": Kind(409, "You have already voted"),
    "retry_differs": Kind(422, "Taken with other answers"),
    "key_used": Kind(409, "The key has been used"),
    "superseded": Kind(409, "This vote has been changed since"),
    "invalid_answer": Kind(422, "Some answers do not fit"),
    "results_hidden": Kind(403, "The results are not shown yet"),
    "not_counted": Kind(409, "The count is under way"),
    "too_few_to_publish": Kind(403, "Too few ballots to publish this"),
    "tables_pending": Kind(409, "The tables are being checked"),
    "decides_by_number": Kind(409, "The counted votes decide"),
    "too_few_to_weight": Kind(409, "Too few ballots to weight"),
    "nothing_to_weight_by": Kind(409, "Nothing to weight by"),
    "margins_not_found": Kind(404, "No such census margins"),
    "work_not_done": Kind(409, "The work is not finished"),
    "already_rated": Kind(409, "You have already rated it"),
    "not_your_work": Kind(403, "For other residents"),
    "needs_export_job": Kind(409, "Order this file"),
    "sheet_too_long": Kind(422, "Too long for a sheet"),
    "export_not_ready": Kind(409, "The file is not ready"),
    "export_gone": Kind(410, "The file is no longer kept"),
    "not_your_order": Kind(403, "Somebody else's order"),
    "exports_busy": Kind(503, "Too many files at once"),
    "already_committed": Kind(409, "There is a commitment already"),
    "lot_cannot_be_drawn": Kind(409, "The lot cannot be drawn"),
    "tie_still_open": Kind(409, "A tie is not decided yet"),
    "lot_pending": Kind(409, "The lot may still be drawn"),
    "protocol_not_found": Kind(404, "No protocol yet"),
    "protocol_unsigned": Kind(409, "The protocol is being signed"),
    "protocol_changed": Kind(409, "The result has changed meanwhile"),
    "protocol_not_waiting": Kind(409, "Nothing waits to be certified"),
    "not_second_person": Kind(403, "A second person is needed"),
    "approval_not_found": Kind(404, "No such request"),
    "approval_needed": Kind(403, "A second person has to agree"),
    "approval_waiting": Kind(409, "It is asked for already"),
    "approval_over": Kind(409, "The request has been answered"),
    "approval_stale": Kind(409, "Changed since it was asked for"),
    "approval_unseen": Kind(409, "Not what you have read"),
    "approval_own": Kind(403, "Not with your own hands alone"),
    "out_of_scope": Kind(403, "For another department or territory"),
    "not_on_yourself": Kind(403, "Not on your own account"),
    "last_admin": Kind(409, "The last administrator"),
    "invitation_gone": Kind(404, "The code is no longer good"),
    "invitation_waits": Kind(409, "The invitation has not been used yet"),
    "role_before_invitation": Kind(409, "The account holds a role already"),
    "board_not_published": Kind(409, "The log of ballots is not published yet"),
    "pdf_unavailable": Kind(503, "No PDF just now"),
    "not_your_house": Kind(403, "For the owners of this house"),
    "list_exists": Kind(409, "There is a list with this code already"),
    "register_ahead": Kind(409, "The register is ahead of the clock"),
    "bad_file": Kind(422, "The file cannot be read"),
    "rule_unknown": Kind(422, "Unknown counting rule"),
    "link_wrong": Kind(410, "The link is used or over"),
    "email_taken": Kind(409, "The e-mail is another account's"),
    "mail_off": Kind(409, "No letters from here"),
    "staff_account": Kind(409, "The account acts for the city"),
    "no_desk": Kind(403, "No service centre"),
    "bad_code": Kind(422, "The code is not right"),
    "assisted_only": Kind(403, "Only for voting"),
    "conflict": Kind(409, "Changed at the same moment"),
    "internal": Kind(500, "An error on our side"),
}

# What a validator of pydantic found, by its stable code, in words of ours. `{name}` comes from the validator's context.
FIELD_MESSAGES: Mapping[str, str] = {
    "missing": "This field is needed.",
    "extra_forbidden": "There is no such field.",
    "string_type": "Text is needed here.",
    "string_too_short": "At least {min_length} characters are needed.",
    "string_too_long": "At most {max_length} characters are allowed.",
    "string_pattern_mismatch": "The text does not have the form it should have.",
    "int_type": "A whole number is needed here.",
    "int_parsing": "A whole number is needed here.",
    "int_from_float": "A whole number is needed here.",
    "float_type": "A number is needed here.",
    "float_parsing": "A number is needed here.",
    "bool_type": "Yes or no (true or false) is needed here.",
    "bool_parsing": "Yes or no (true or false) is needed here.",
    "greater_than": "The value should be greater than {gt}.",
    "greater_than_equal": "The value should be at least {ge}.",
    "less_than": "The value should be less than {lt}.",
    "less_than_equal": "The value should be at most {le}.",
    "list_type": "A list is needed here.",
    "tuple_type": "A list is needed here.",
    "dict_type": "An object is needed here.",
    "model_type": "An object is needed here.",
    "too_short": "At least {min_length} items are needed.",
    "too_long": "At most {max_length} items are allowed.",
    "literal_error": "The value should be one of: {expected}.",
    "enum": "The value should be one of: {expected}.",
    "date_type": "A date such as 2026-11-30 is needed here.",
    "date_parsing": "A date such as 2026-11-30 is needed here.",
    "date_from_datetime_parsing": "A date such as 2026-11-30 is needed here.",
    "datetime_type": "A date and time with its zone is needed here.",
    "datetime_parsing": "A date and time with its zone is needed here.",
    "datetime_from_date_parsing": "A date and time with its zone is needed here.",
    "timezone_aware": "A date and time with its zone is needed here.",
}
ANY_FIELD = "The value is not right."

# Answers refused with numbers in the words: the engine's own text is English, these can be translated.
COUNTED_MESSAGES: Mapping[str, str] = {
    "too_few": "Choose at least {at_least}.",
    "too_many": "Choose at most {at_most}.",
    "off_scale": "Rate from {scale_min} to {scale_max}.",
    "too_many_points": "At most {at_most} points for one option.",
    "too_long": "At most {at_most} characters.",
}

BY_STATUS: Mapping[int, type[Refusal]] = {
    400: Malformed, 404: NotFound, 405: MethodNotAllowed, 413: BodyTooLarge, 415: MediaTypeNotSupported,
}  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """A refusal in the reader's language, for a JSON body and for a page alike."""

    code: str
    status: int
    title: str
    detail: str
    next_step: str
    instance: str
    facts: Mapping[str, Any]
    errors: tuple[Mapping[str, Any], ...]

    def as_json(self) -> dict[str, Any]:
        """Give the members of an RFC 9457 problem; `instance` is the number of the request in our log."""
        body: dict[str, Any] = {
            "type": f"/problems/{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": f"urn:veche:request:{self.instance}",
            "code": self.code,
            "next_step": self.next_step,
        }
        if self.facts:
            body["facts"] = dict(self.facts)
        if self.errors:
            body["errors"] = list(self.errors)
        return body


def all_refusals() -> dict[str, type[Refusal]]:
    """Give every refusal class loaded, by code."""

    def walk(kind: type[Refusal]) -> Iterator[type[Refusal]]:
        yield kind
        for child in kind.__subclasses__():
            yield from walk(child)

    found: dict[str, type[Refusal]] = {}
    for kind in walk(Refusal):
        found.setdefault(kind.code, kind)
    return found


def status_of(refusal: Refusal) -> int:
    """Give the HTTP status of a refusal; a code missing from the table is our mistake and says so by its 500."""
    kind = KINDS.get(refusal.code)
    return 500 if kind is None else kind.status


def retry_after(refusal: Refusal) -> int | None:
    """Give the seconds for the Retry-After header, for refusals that pass by themselves."""
    if status_of(refusal) not in (429, 503):
        return None
    return max(1, round(float(refusal.facts.get("retry_after") or BUSY_SECONDS)))


def as_refusal(error: Exception) -> Refusal:
    """Turn anything raised into a refusal. What nobody expected becomes `Failed`; log it before asking."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, pydantic.ValidationError):
        return Invalid([_field_error(found) for found in error.errors(include_url=False, include_input=False)])
    if isinstance(error, ValidationException):
        return _invalid_parameters(error)
    if isinstance(error, HTTPException):
        return _known_status(error)
    if isinstance(error, database_errors.IntegrityError):
        return Conflict()
    if isinstance(error, RecursionError):
        return Malformed()  # JSON nested deeper than the parser follows
    if is_passing(error):
        return Unavailable(retry_after=BUSY_SECONDS)
    return Failed()


def describe(refusal: Refusal, translate: Translate, *, request_id: str) -> Problem:
    """Put a refusal into the reader's language."""
    kind = KINDS.get(refusal.code, KINDS["internal"])
    errors = refusal.errors if isinstance(refusal, Invalid) else ()
    return Problem(
        code=refusal.code,
        status=kind.status,
        title=translate(kind.title),
        detail=translate(refusal.detail),
        next_step=translate(refusal.next_step) if refusal.next_step else "",
        instance=request_id,
        facts=refusal.facts,
        errors=tuple(_described(error, translate) for error in errors),
    )


def _described(error: FieldError, translate: Translate) -> Mapping[str, Any]:
    message = translate(error.message)
    if error.facts:
        with suppress(KeyError):
            message = translate(COUNTED_MESSAGES[error.code]).format_map(error.facts)
        with suppress(KeyError, ValueError, IndexError):  # a message without places for its facts is as good as it is
            message = message.format_map(error.facts)
    described: dict[str, Any] = {"path": error.path, "code": error.code, "message": message}
    if error.facts:
        described["facts"] = dict(error.facts)
    return described


def _known_status(error: HTTPException) -> Refusal:
    known = BY_STATUS.get(error.status_code)
    if known is not None:
        return known()
    if error.status_code == 503:
        return Unavailable(retry_after=BUSY_SECONDS)
    return Refusal() if 400 <= error.status_code < 500 else Failed()


def _invalid_parameters(error: ValidationException) -> Refusal:
    """Read what the framework's validation found, from the validator's own findings where it kept them."""
    found = getattr(error.__cause__, "errors", None)
    if isinstance(found, list):
        return Invalid([_field_error({**one, "loc": [part for part in one["loc"] if part != "data"]}) for one in found])
    extra = error.extra if isinstance(error.extra, list) else []
    errors = [FieldError(str(one.get("key", "")).replace(".", "/"), "not_valid", ANY_FIELD) for one in extra]
    return Invalid(errors) if errors else Malformed()


def _field_error(found: Mapping[str, Any]) -> FieldError:
    kind = str(found["type"])
    context = {key: value for key, value in (found.get("ctx") or {}).items() if isinstance(value, str | int | float)}
    path = "/".join(str(part) for part in found["loc"])
    path = path.encode("utf-8", "backslashreplace").decode()  # a name out of JSON may hold half of a character
    if kind == "value_error":  # raised by a validator of ours: its text is meant to be read
        return FieldError(path, kind, str(found["msg"]).removeprefix("Value error, "))
    return FieldError(path, kind, FIELD_MESSAGES.get(kind, ANY_FIELD), context or None)
