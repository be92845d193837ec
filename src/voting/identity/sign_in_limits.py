"""How often a password may be tried: limits on strangers by which no stranger can keep the owner out.

Every try is counted before its hash is computed, and taken back if the password was right: what adds up are failures.

- A device that has signed this very account in before is counted alone. Whatever strangers do, its owner comes in.
- Strangers are counted by login and network, by login over all networks, by network, and over the whole site.
- When a login is tried from everywhere (`sign_in_account`), a network still has its first two tries: an owner on a new
  device gets in from home, while a botnet gets two guesses a network and a quarter of an hour.
- When many fail over the whole site (`sign_in_alarm`), a new device gives more than the password
  (`voting.identity.new_devices`). That is what lists of stolen passwords look like: one try for each of very many
  accounts. The log says so every minute, the audit log once.
- When still more fail (`sign_in_storm`), each network's failures are held to few, too.

Whoever is refused and has a confirmed e-mail has one more way: the letter that sets a new password makes the device a
known one. Tests try a hundred thousand pairs and an owner under attack (tests/voting/identity/test_sign_in_limits.py).
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from polls.audit import write_event
from polls.errors import TooMany
from voting.db import Database
from voting.throttling import Throttle

logger = structlog.get_logger(__name__)

SAY_AGAIN = 60.0
"""Seconds between two lines of the log about the same attack."""
Subject = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Admitted:
    """A try that may go on: what to forgive if it succeeds, and whether the alarm stood as it came."""

    counted: Sequence[Subject]
    alarm: bool = False


@dataclass
class SignInLimits:
    """The limits of one process, over counters that all processes share."""

    throttle: Throttle
    database: Database
    _said: dict[str, float] = field(default_factory=dict)

    async def admit(self, login: str, network: str, device: str | None, *, now: datetime) -> Admitted:
        """Count one try. Raises TooMany(retry_after).

        `device` is the number of a known device of this account, None for a stranger: for those alone the alarm counts.
        """
        if device is not None:
            await self.throttle.hit(("sign_in_device", device), now=now)
            return Admitted([("sign_in_device", device)])
        here = f"{login}|{network}"
        counted = [
            ("sign_in", here), ("sign_in_first", here), ("sign_in_account", login), ("sign_in_network", network),
            ("sign_in_network_storm", network), ("sign_in_storm", "site"), ("sign_in_alarm", "site"),
            ("sign_in_site", "site"),
        ]  # fmt: skip
        waits = await self.throttle.waits(*counted, now=now)
        own, first, account, net, net_storm, storm, alarm, site = waits
        found = [own, net, site]
        if account:
            self._say("login_under_attack")
            found.append(min(account, first) if first else 0)
        if storm:
            self._say("sign_in_storm")
            found.append(net_storm)
        if alarm and self._say("sign_in_alarm"):
            await self._tell(now)
        if max(found):
            raise TooMany(retry_after=max(found))
        return Admitted(counted[:-1], alarm=alarm > 0)

    async def forgive(self, counted: Sequence[Subject], *, now: datetime) -> None:
        """Take a try back: the password was right."""
        await self.throttle.forgive_all(counted, now=now)

    def _say(self, event: str) -> bool:
        """Write a line of the log, unless it was written a moment ago; whether it was written now."""
        at = time.monotonic()
        if at - self._said.get(event, -SAY_AGAIN) < SAY_AGAIN:
            return False
        self._said[event] = at
        logger.warning(event)
        return True

    async def _tell(self, now: datetime) -> None:
        """Write the alarm into the audit log, once however many processes see it and for as long as it stands."""
        [told] = await self.throttle.waits(("sign_in_alarm_told", "site"), now=now)
        if not told:
            facts = {"count": self.throttle.limits["sign_in_alarm"].hits}
            async with self.database.open_session_aside() as session:
                await write_event(session, "sign_in_alarm", actor=None, subject="site", facts=facts, now=now)
