"""What the audit log records: every kind of event with the facts it may carry. Pure.

A fact is a number, a word or a yes and no about accounts, polls and files. None may hold a choice, a ballot id, a
password, a token, an e-mail or a number of a document: what must not be in the log has no field here, and an event
with a field that is not listed is refused where it is written. The page `/audit` and docs/audit.md say of each kind and
each fact what stands here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of event: a sentence for people (an English msgid) and the names of its facts."""

    sentence: str
    fields: frozenset[str] = frozenset()


def _kinds(rows: Iterable[tuple[str, str, str]]) -> dict[str, Kind]:
    return {kind: Kind(sentence, frozenset(fields.split())) for kind, sentence, fields in rows}


KINDS: Mapping[str, Kind] = _kinds(
    (
        ("role_granted", "A role was given", "role department territory"),
        ("email_verified", "An e-mail was confirmed", ""),
        ("email_changed", "An e-mail was changed", ""),
        ("password_changed", "A password was changed", "how sessions"),
        ("erasure_asked", "An account was asked to be erased", "due"),
        ("erasure_cancelled", "The erasure of an account was cancelled", ""),
        ("account_erased", "An account was erased", ""),
        ("own_data_given", "Somebody took the data kept about them", "form"),
        ("desk_assigned", "An operator was assigned to a service centre", "centre"),
        ("assisted_opened", "A resident was brought to a desk of assisted voting", "centre"),
        ("assisted_begun", "A resident consented to a session of assisted voting", "centre"),
        ("role_revoked", "A role was taken away", "role department territory"),
        ("account_made", "An account was made", "roles"),
        ("staff_signed_in", "Somebody of the staff signed in", "how"),
        ("sign_ins_refused", "Sign-ins were refused", "count since"),
        ("sign_in_alarm", "Very many sign-ins fail; new devices give more than the password", "count"),
        ("api_token_made", "A token of the API was made", "token scopes days"),
        ("api_token_revoked", "A token of the API was revoked", "token"),
        ("poll_revised", "A draft was changed", "revision"),
        ("personal_data_exported", "A file with personal data was given out", "what"),
        ("service_started", "The service was started", "process version settings"),
        ("roles_applied", "Rights of the database's roles were set", "web_role report_role"),
        ("backup_made", "A backup was made", "backup files bytes keys holds_links"),
        ("restored", "The database was restored from a backup", "backup made_at revision"),
        ("approval_asked", "A second person was asked to agree", "approval action object hash proof"),
        ("approval_given", "A second person agreed, and it was done", "approval action object hash author proof"),
        ("approval_declined", "A second person declined", "approval action object hash author"),
        ("approval_withdrawn", "A request for a second person was taken back", "approval action object hash"),
        ("approval_void", "A request ended, since its object was changed", "approval action object hash author"),
        ("approval_expired", "A request ended without an answer", "approval action object hash author"),
        ("two_people_off", "An action was carried out by one person: four eyes are off", "action object hash"),
        ("invitation_made", "An invitation to choose a password was made", ""),
        ("invitation_used", "An invitation was used: a password was chosen", ""),
        ("account_disabled", "An account was disabled", "sessions"),
        ("account_enabled", "An account was enabled again", ""),
        ("keys_rotated", "A signing key was put in place of another", "purpose because key_id approval"),
        ("passkey_added", "A passkey was registered", "passkey aaguid synced held"),
        ("passkey_removed", "A passkey was removed", "passkey held"),
        ("passkey_suspect", "A passkey was refused: there may be a copy of it", "passkey"),
        ("passkeys_forgotten", "All passkeys and one-time codes of an account were removed", "passkeys codes"),
        ("codes_on", "One-time codes were turned on", ""),
        ("codes_off", "One-time codes were turned off", ""),
        ("recovery_code_used", "A recovery code was used", "left"),
        ("recovery_codes_renewed", "New recovery codes were made", ""),
        ("step_up_given", "An action was confirmed anew", "purpose object method passkey"),
        ("step_up_refused", "The confirmation of an action was refused", "purpose object code what reason"),
        ("sign_on_linked", "The city's sign-on was linked with an account", "provider new_account"),
        ("sign_on_case_opened", "The city's sign-on and the register do not agree on a person", "kind provider"),
        ("sign_on_case_proposed", "Who a person is was proposed", "kind entry joined"),
        ("sign_on_case_decided", "Who a person is was decided by two", "kind entry joined proposed_by"),
        ("sign_on_case_dismissed", "A person was turned away by the conflict desk", "kind"),
        ("password_added", "An account opened by the city's sign-on got a password", ""),
        ("password_removed", "A password was taken from an account by whom the city vouches for", ""),
    )
)
"""Every kind the audit log itself holds, by its stable name."""

JOURNAL: Mapping[str, Kind] = _kinds(
    (
        ("poll_drafted", "A poll was drafted", ""),
        ("draft_archived", "A draft was put away", ""),
        ("draft_restored", "A draft was taken out again", ""),
        ("draft_deleted", "A draft was deleted", ""),
        ("poll_handed_over", "A poll was handed over", "former author"),
        ("poll_sealed", "A poll was sealed and scheduled", "poll_hash revision reviewed"),
        ("poll_opened", "Voting began", "opens_at closes_at"),
        ("poll_closed", "Voting ended", "opens_at closes_at"),
        ("poll_extended", "Voting was extended", "reason closes_at"),
        ("poll_closed_early", "Voting was closed early", "reason closes_at"),
        ("poll_paused", "Voting was interrupted", "reason paused_at"),
        ("poll_resumed", "Voting went on", "resumed_at outage_seconds closes_at"),
        ("poll_cancelled", "A poll was cancelled", "reason ballots_destroyed"),
        ("erratum_added", "A correction was put beside a sealed text", ""),
        ("roll_amended", "The roll was amended", "reason added removed"),
        ("poll_counted", "A poll was counted", "ballots participations poll_hash"),
        ("lot_committed", "A lot was committed to", "party commitment"),
        ("lot_revealed", "A lot was revealed", "party"),
        ("ties_decided", "Ties were decided and a new count published", "version reason"),
        ("board_published", "The board was published", "version manifest"),
        ("decision_recorded", "The city's decision was recorded", "status deadline"),
        ("milestone_recorded", "A step of a decision was recorded", "milestone change"),
        ("protocol_prepared", "A protocol was prepared", "version protocol"),
        ("protocol_certified", "A protocol was certified", "version count protocol reason"),
        ("protocol_withdrawn", "A protocol was taken back", "version"),
        ("text_reviewed", "Residents' own words were judged", "question status"),
        ("key_added", "A key was put in use", "key_id purpose public"),
        ("key_retired", "A key was retired", "key_id purpose reason"),
        ("protocol_version", "The form of published files was set down", "board registry origin software"),
        ("margins_kept", "Census margins were stored", "set numbers"),
        ("margins_removed", "Census margins were removed", "set"),
        (
            "register_imported",
            "A register file was loaded",
            "register snapshot rows added returned changed unchanged ended birth_dates_corrected sexes_corrected",
        ),
        ("units_imported", "A file of flats and owners was loaded", "whole rows units added changed unchanged ended"),
        ("list_uploaded", "A list of invited residents was loaded", "list size"),
    )
)
"""What the engine's journal holds of polls, keys and files taken in; those rows are not written twice."""

LOOKS: Mapping[str, Kind] = _kinds((("figures_seen", "Figures nobody had certified were looked at", "what"),))
"""Looks of the office at figures before they were certified."""

FIELDS: Mapping[str, str] = {
    "aaguid": "Model of the authenticator",
    "action": "Action",
    "added": "Added",
    "approval": "Number of the request",
    "author": "To the account",
    "backup": "Backup",
    "ballots": "Ballots",
    "ballots_destroyed": "Ballots destroyed",
    "because": "Why the key was changed",
    "birth_dates_corrected": "Birth dates corrected",
    "board": "Form of the board",
    "bytes": "Bytes",
    "centre": "Service centre",
    "change": "What changed",
    "changed": "Changed",
    "closes_at": "Closes",
    "code": "Refusal",
    "codes": "One-time codes were on",
    "commitment": "Commitment",
    "count": "Number",
    "days": "Days",
    "deadline": "Deadline",
    "department": "Department",
    "due": "To be erased on",
    "ended": "Ended",
    "entry": "Entry of the register",
    "files": "Files",
    "form": "Form of the file",
    "former": "From the account",
    "hash": "Hash of the object",
    "held": "Passkeys the account has now",
    "holds_links": "Votes not yet counted are in it",
    "how": "How",
    "joined": "Entry joined to it",
    "key_id": "Key",
    "keys": "Keys",
    "kind": "Kind of case",
    "left": "Codes left",
    "list": "List",
    "made_at": "Made",
    "manifest": "Manifest",
    "method": "Confirmed by",
    "milestone": "Step",
    "new_account": "The account is new",
    "numbers": "Numbers",
    "object": "Object",
    "opens_at": "Opens",
    "origin": "Name of the log",
    "outage_seconds": "Seconds interrupted",
    "participations": "Participations",
    "party": "Party",
    "passkey": "Passkey's number",
    "passkeys": "Passkeys removed",
    "paused_at": "Interrupted",
    "poll_hash": "Hash of the rules",
    "process": "Process",
    "proof": "How it was confirmed",
    "proposed_by": "Proposed by the account",
    "protocol": "Protocol",
    "provider": "Sign-on",
    "public": "Public half",
    "purpose": "Purpose",
    "question": "Question",
    "reason": "Reason",
    "register": "Register",
    "registry": "Form of the registry log",
    "removed": "Removed",
    "report_role": "Role for reports",
    "resumed_at": "Went on",
    "returned": "Returned",
    "reviewed": "Seen by a second person",
    "revision": "Revision",
    "role": "Role",
    "roles": "Roles",
    "rows": "Rows",
    "scopes": "Scopes",
    "sessions": "Sessions ended",
    "set": "Set",
    "settings": "Settings (hash)",
    "sexes_corrected": "Sexes corrected",
    "since": "Since",
    "size": "Size",
    "snapshot": "The whole register",
    "software": "Release",
    "status": "Status",
    "synced": "Copied between devices",
    "territory": "Territory",
    "token": "Token's number",
    "unchanged": "Unchanged",
    "units": "Flats",
    "version": "Version",
    "web_role": "Role of the service",
    "what": "What",
    "whole": "Whole buildings",
}
"""What each fact is called on the page and in the documentation: English msgids."""
