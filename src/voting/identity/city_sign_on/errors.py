"""Refusals of the city's sign-on. What a provider said and what was wrong with it stays in the log, as a word."""

from __future__ import annotations

from polls.errors import Refusal


class SignOnRefused(Refusal):
    """What came back cannot be believed. Fact: `why`, one word such as state, issuer, signature, nonce."""

    code = "sign_on_refused"
    detail = "This sign-in could not be checked, so nobody was signed in."
    next_step = "Begin again from our sign-in page. If it happens again, sign in with a password and tell us."


class SignOnDeclined(Refusal):
    """The person, or the provider, said no."""

    code = "sign_on_declined"
    detail = "You were not signed in: the city's sign-on reports that this was cancelled or not allowed."
    next_step = "Begin again if you wish to sign in, or use a password."


class SignOnLevelTooLow(Refusal):
    """The account at the provider is not confirmed well enough. Facts: `level`, `needed`."""

    code = "sign_on_level_too_low"
    detail = "Your account with the city's sign-on is not confirmed well enough to vote."
    next_step = "Have your identity confirmed there, which a public service centre does, and sign in again."


class SignOnNotFresh(Refusal):
    """Somebody with a role came back without having proved anew who he is. Facts: `max_age` seconds."""

    code = "sign_on_not_fresh"
    detail = "Whoever works here has to enter the password at the city's sign-on anew, and that was not done."
    next_step = "Sign out there, and begin again."


class SignOnUnavailable(Refusal):
    """The provider does not answer, or answers what nobody can read. Facts: `retry_after`, `why`."""

    code = "sign_on_unavailable"
    detail = "The city's sign-on does not answer just now."
    next_step = "Try again in a minute, or sign in with a password."


class AccountClosed(Refusal):
    """The person's account here is disabled."""

    code = "account_closed"
    detail = "Your account here is closed."
    next_step = "Ask a public service centre."


class CaseStands(Refusal):
    """Who this is has to be settled by the desk. Facts: `reference`, `kind`, `state`, `answer`."""

    code = "sign_on_case"
    detail = "The city's sign-on and the city's register do not agree on who you are."
    next_step = "Our staff look at it. Sign in again later: you will see the answer here."


class CaseChanged(Refusal):
    """The case is no longer what was decided on. Facts: `state`."""

    code = "sign_on_case_changed"
    detail = "This case has changed since you opened it; nothing was done."
    next_step = "Look at it as it is now."


class OwnCase(Refusal):
    """Nobody decides who he is himself, and nobody confirms what he proposed. Facts: `why`: own or same_person."""

    code = "sign_on_own_case"
    detail = "Somebody else has to decide this: it is your own case, or your own proposal."
    next_step = "Ask a colleague with the same duty."


class SignOnAgain(Refusal):
    """This takes a session that the city's sign-on has just opened."""

    code = "sign_on_again"
    detail = "For this you have to have signed in through the city's sign-on within the last fifteen minutes."
    next_step = "Sign in through the city's sign-on again, and do it then."


class TooSoon(Refusal):
    """Sessions that the proposal ended may be alive for some seconds. Facts: `retry_after`."""

    code = "sign_on_too_soon"
    detail = "This was proposed a moment ago."
    next_step = "Read it again, and confirm it in a few seconds."
