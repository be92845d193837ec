"""What is refused about second persons, scopes and staff accounts: each with a stable code."""

from __future__ import annotations

from polls.errors import NotFound, Refusal


class ApprovalNotFound(NotFound):
    """There is no such request, or it is none of the caller's."""

    code = "approval_not_found"
    detail = "There is no such request."
    next_step = "See the list of requests."


class ApprovalNeeded(Refusal):
    """This takes two people, and the way used here asks nobody. Facts: `action`."""

    code = "approval_needed"
    detail = "This takes the consent of a second person."
    next_step = "Ask for it on the page of requests."


class ApprovalWaiting(Refusal):
    """The same is asked for already. Facts: `approval`, its number."""

    code = "approval_waiting"
    detail = "The same request waits for a second person already."
    next_step = "Wait for the answer, or take the request back."


class ApprovalOver(Refusal):
    """The request was answered before, or has ended. Facts: `state`."""

    code = "approval_over"
    detail = "This request has been answered already, or has ended."
    next_step = "Ask anew if it is still needed."


class ApprovalStale(Refusal):
    """What the request is about is no longer what it was. Facts: `approval`."""

    code = "approval_stale"
    detail = "What the request is about has changed since; the request is void."
    next_step = "Its author may ask anew for what is there now."


class ApprovalUnseen(Refusal):
    """The consent names another object than the request. Facts: `approval`."""

    code = "approval_unseen"
    detail = "The consent is for another object than the one this request is about."
    next_step = "Open the request again and read it."


class ApprovalOwn(Refusal):
    """The author cannot be the second person. Facts: `part`: asked, drafted, same_person or subject."""

    code = "approval_own"
    detail = "A second person is needed: somebody who neither asked for this nor wrote it."
    next_step = "Leave the answer to somebody else."


class OutOfScope(Refusal):
    """The role is for another department or territory. Facts: `role`."""

    code = "out_of_scope"
    detail = "Your role does not reach this poll: it is for another department or territory."
    next_step = "Ask an administrator, or leave it to those whose poll it is."


class NotOnYourself(Refusal):
    """Administrators do not manage their own account."""

    code = "not_on_yourself"
    detail = "Nobody manages their own account."
    next_step = "Ask another administrator."


class LastAdmin(Refusal):
    """The last administrator stays one."""

    code = "last_admin"
    detail = "This is the last administrator; without one nobody could manage accounts."
    next_step = "Make somebody else an administrator first."


class InvitationGone(NotFound):
    """The code was used, replaced, is too old, or its account has got a role meanwhile."""

    code = "invitation_gone"
    detail = "This code has been used already, or is too old."
    next_step = "Ask an administrator for a new one."


class InvitationWaits(Refusal):
    """A role is asked for an account that nobody has entered yet: whoever holds its code would get the role."""

    code = "invitation_waits"
    detail = "Nobody has used the invitation to this account yet: whoever holds its code would get the role."
    next_step = "Ask for the role once the member has chosen a password."


class RoleBeforeInvitation(Refusal):
    """An invitation is asked for an account that holds a role, or for which one is asked."""

    code = "role_before_invitation"
    detail = "This account holds a role, or one is asked for it: whoever sees a new code could act by that role."
    next_step = "Have the role taken away or the request taken back first, or make another account."
