"""Refusals of passkeys, one-time codes and proofs asked for anew."""

from polls.errors import BadCredentials, Refusal


class StepUpNeeded(Refusal):
    """What is asked for takes a fresh proof of who is asking, and none came.

    Facts: `purpose` and `object`, the hash as hex; `how`, the way asked for first: "passkey", "password", or "sign_in"
    for an account that has neither; `ways`, all that will do; `code`, whether a password takes a one-time code beside
    it; `no_passkey`, true where the account must register a passkey first (`ways` is then empty).
    """

    code = "step_up_needed"
    detail = "This takes a fresh proof that it is you."
    next_step = "Confirm with your passkey, or with your password where the page asks for it."


class StepUpExpired(Refusal):
    """More than five minutes went by between asking for the proof and giving it."""

    code = "step_up_expired"
    detail = "The proof came too late: it serves for five minutes."
    next_step = "Confirm once more."


class StepUpUsed(Refusal):
    """The proof has served already: each serves once."""

    code = "step_up_used"
    detail = "This proof has been used already: each serves once."
    next_step = "Confirm once more."


class StepUpElsewhere(Refusal):
    """The proof was given for something else. Facts: `what`: account, session, purpose or object."""

    code = "step_up_elsewhere"
    detail = "The proof was given for something else: what was confirmed has changed since, or it was another page."
    next_step = "Read what is shown now, and confirm it once more."


class StepUpFailed(Refusal):
    """The proof proves nothing. Facts: `reason`: malformed, challenge, passkey, password, code or sign_in."""

    code = "step_up_failed"
    detail = "The proof that it is you did not hold."
    next_step = "Confirm once more with a passkey of this account, or with its password."


class PasskeyRefused(Refusal):
    """A passkey's answer does not hold. Facts: `reason`: malformed, challenge, unknown, signature, verification."""

    code = "passkey_refused"
    detail = "The passkey was not accepted."
    next_step = "Try again, or sign in with your password."


class PasskeySuspect(Refusal):
    """The passkey's counter went back: there may be a copy of it."""

    code = "passkey_suspect"
    detail = "This passkey counts its uses, and the count went back: there may be a copy of it."
    next_step = "Use another one or your password, then remove this passkey from your account."


class PasskeyExists(Refusal):
    """The authenticator's key is registered already."""

    code = "passkey_exists"
    detail = "This passkey is registered already."
    next_step = "Use another device or another key."


class TooManyPasskeys(Refusal):
    """The account has as many passkeys as it may. Facts: `most`."""

    code = "too_many_passkeys"
    detail = "The account has as many passkeys as it may have."
    next_step = "Remove one that is not used."


class LastPasskey(Refusal):
    """The last passkey of somebody in the office is not removed: nothing could be confirmed without one."""

    code = "last_passkey"
    detail = "This is the only passkey of an account that needs one for its work."
    next_step = "Register another first, then remove this one."


class PasskeysUnavailable(Refusal):
    """The site's address is a number, and browsers make passkeys for names only."""

    code = "passkeys_unavailable"
    detail = "Passkeys need a site with a name, and this one is served at a bare number."
    next_step = "Use the password."


class SecondStepNeeded(Refusal):
    """The password is right and the account asks for a one-time code too. `ticket` is the pre-session's token."""

    code = "second_step_needed"
    detail = "The account asks for a one-time code too."
    next_step = "Give the code of your application, or one of your recovery codes."

    def __init__(self, ticket: str | None = None) -> None:
        self.ticket = ticket
        super().__init__()


class LetterNeeded(Refusal):
    """The password is right and the device is new, at a time when that is not enough: a letter has the last word."""

    code = "letter_needed"
    detail = "On a new device the password alone does not open the account now: a letter with a link is on its way."
    next_step = (
        "Open the link of the letter “Sign in from a new device” in this browser within 30 minutes. A passkey, the "
        "city's sign-on, a device you have used before and a new password work as always."
    )


class NewDeviceRefused(BadCredentials):
    """What `BadCredentials` says, where a new device may have to give a birth date too; which is wrong is not said."""

    code = "new_device_refused"
    detail = "The e-mail or phone and the password do not match, or the birth date is missing or another."
    next_step = (
        "Check all of them and try again. On a new device your birth date is needed now, unless the account has a "
        "confirmed e-mail: then a letter comes in its place."
    )


class SecondStepEnded(Refusal):
    """The sign-in waited too long for its second step, or was finished already."""

    code = "second_step_ended"
    detail = "The sign-in waited too long for its code."
    next_step = "Sign in once more."


class CodeRefused(Refusal):
    """No code of this moment and no recovery code, or one that has served already: the same answer."""

    code = "code_refused"
    detail = "The code is not right, or has been used already."
    next_step = "Wait for the next code of your application, or give another recovery code."


class CodesAlreadyOn(Refusal):
    """One-time codes are asked for already."""

    code = "codes_already_on"
    detail = "One-time codes are on already."
    next_step = "Turn them off first to set them up anew."
