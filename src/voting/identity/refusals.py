"""What identity refuses beyond `polls.errors`: links of letters, codes of desks, erasing accounts that speak for the
city."""

from polls.errors import Refusal


class LinkWrong(Refusal):
    """The link of a letter is unknown, used, run out, or was for another address; which of these is not said."""

    code = "link_wrong"
    detail = "This link is not right: it has been used, or its time is over."
    next_step = "Ask for a new letter."


class EmailTaken(Refusal):
    """Another account has confirmed the e-mail; told to whoever reads the mailbox, and to nobody else."""

    code = "email_taken"
    detail = "Another account has confirmed this e-mail already."
    next_step = "Sign in to that account, or set a new password for it by letter. For this account give another e-mail."


class MailOff(Refusal):
    """No mail server is set up, so what needs a letter cannot be done."""

    code = "mail_off"
    detail = "This site cannot send letters."
    next_step = "Go to a service centre with your document, or ask the administration of the site."


class StaffAccount(Refusal):
    """The account acts for the city; its owner cannot erase it while it does. Facts: `roles`."""

    code = "staff_account"
    detail = "This account acts for the city, and what it did is on record."
    next_step = "Ask an administrator to take its roles away first."


class NoDesk(Refusal):
    """The operator is assigned to no service centre."""

    code = "no_desk"
    detail = "You are not assigned to a service centre."
    next_step = "Ask an administrator to assign you to one."


class BadCode(Refusal):
    """The code of a desk is unknown, used, run out, or from another network; which of these is not said."""

    code = "bad_code"
    detail = "This code is not right, or its time is over."
    next_step = "Ask the operator for a new code."


class AssistedOnly(Refusal):
    """An assisted session is for casting a vote, and for nothing else."""

    code = "assisted_only"
    detail = "At a service centre's desk one can only vote."
    next_step = "Finish here; everything else is in your own account."
