"""How one provider of the city's sign-on differs from another: an interface, and one that keeps to the standard.

A national provider is a class of its own beside `OpenIdProvider`, named in `BY_KIND` and in `configuration.KINDS`.
ESIA, for one, takes no constant secret: `authorization_parameters` gives it `client_secret`, a detached PKCS#7
signature (GOST R 34.10-2012) over scope, timestamp, client id and state, and `token_request` another one; its level of
an account is a claim of its own, so `person` reads that in the place of `acr`. Nothing else has to know.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol
from urllib.parse import quote_plus

from voting.identity.city_sign_on.configuration import ProviderSettings
from voting.identity.city_sign_on.errors import SignOnRefused

SUBJECT = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?")
"""OpenID Connect Core §2: at most 255 ASCII characters. None at the ends that would be lost on the way to its key."""
LONGEST_NUMBER = 100


@dataclass(frozen=True, slots=True)
class Person:
    """Who came back, in our words. `subject` is the provider's own name of him; `number` the one in the register."""

    subject: str
    number: str | None
    birth_date: date | None
    level: int


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What redeems a code: the fields of the form, and headers."""

    fields: Mapping[str, str]
    headers: Mapping[str, str]


class Provider(Protocol):
    """What may differ."""

    @property
    def settings(self) -> ProviderSettings:
        """What the operator said of it."""

    def authorization_parameters(self, state: str) -> Mapping[str, str]:
        """What its authorization endpoint is told beyond the standard's parameters."""

    def token_request(self, fields: Mapping[str, str], secret: str) -> TokenRequest:
        """How this site proves itself when it redeems a code."""

    def person(self, claims: Mapping[str, Any]) -> Person:
        """Who these checked claims are. Raises SignOnRefused for claims of the wrong kind."""


@dataclass(frozen=True, slots=True)
class OpenIdProvider:
    """A provider as the standard has it."""

    settings: ProviderSettings

    def authorization_parameters(self, state: str) -> Mapping[str, str]:
        """The levels that are enough, the best first."""
        enough = [name for name, level in self.settings.levels.items() if level >= self.settings.least_level]
        enough.sort(key=lambda name: -self.settings.levels[name])
        return {"acr_values": " ".join(enough)} if enough else {}

    def token_request(self, fields: Mapping[str, str], secret: str) -> TokenRequest:
        """The client's id and secret, in a header (RFC 6749 §2.3.1) or among the fields."""
        client = self.settings.client_id
        if self.settings.authentication == "client_secret_post":
            return TokenRequest({**fields, "client_id": client, "client_secret": secret}, {})
        pair = f"{quote_plus(client)}:{quote_plus(secret)}".encode()
        return TokenRequest(fields, {"authorization": f"Basic {base64.b64encode(pair).decode()}"})

    def person(self, claims: Mapping[str, Any]) -> Person:
        """Subject, number, birth date and level out of the claims the operator named."""
        subject, acr = claims.get("sub"), claims.get("acr")
        if not isinstance(subject, str) or not SUBJECT.fullmatch(subject):
            raise SignOnRefused(why="subject")
        level = self.settings.levels.get(acr, 0) if isinstance(acr, str) else 0
        number = _text(claims, self.settings.number_claim)
        return Person(subject, number, _day(claims, self.settings.birth_date_claim), level)


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > LONGEST_NUMBER:
        raise SignOnRefused(why="claims")
    return value


def _day(claims: Mapping[str, Any], name: str) -> date | None:
    """A whole date; the standard's `0000-MM-DD` and bare years say too little and count as none."""
    value = claims.get(name) if name else None
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise SignOnRefused(why="claims")
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


BY_KIND: Mapping[str, Callable[[ProviderSettings], Provider]] = {"openid": OpenIdProvider}


def provider_of(settings: ProviderSettings) -> Provider:
    """The provider that these settings describe."""
    return BY_KIND[settings.kind](settings)
