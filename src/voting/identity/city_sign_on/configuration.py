"""What an operator says of a provider of the city's sign-on: who it is, how it is asked, what its claims mean."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

SIGNATURES = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures an ID token may be asked to have: public keys alone. `none` and keys shared with the client never."""

KINDS = ("openid",)
"""Kinds of providers there are; `providers.BY_KIND` holds the class of each."""


class ProviderSettings(BaseModel):
    """One provider. Its people return to `BASE_URL/sign-in/city/NAME/callback`: register exactly that address there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,29}$", description="A short word of yours; it stands in addresses.")
    kind: str = Field("openid", description="How it deviates from the standard: a name of `KINDS`.")
    title_ru: str = Field(min_length=1, max_length=60, description="On the button, in Russian: «Войти через …».")
    title_en: str = Field(min_length=1, max_length=60, description="The same in English: “Sign in with …”.")
    issuer: str = Field(max_length=200, description="Its issuer, to the letter as it names itself. https.")
    hosts: tuple[str, ...] = Field((), description="Further hosts its endpoints may be on, such as `keys.example.org`.")
    client_id: str = Field(min_length=1, max_length=200, description="What it calls this site.")
    secret_file: str = Field(
        "", pattern=r"^([A-Za-z0-9_][A-Za-z0-9._-]{0,60})?$",
        description="A file of the keys directory that holds the client secret. Not set: `sign-on-NAME`.",
    )  # fmt: skip
    authentication: Literal["client_secret_basic", "client_secret_post"] = Field(
        "client_secret_basic", description="How this site proves itself when it redeems a code."
    )
    ca_file: Path | None = Field(
        None, description="PEM of the authority its certificate is of. Not set: the usual ones."
    )
    scope: str = Field("openid", pattern=r"^openid( [\x21\x23-\x5b\x5d-\x7e]+)*$", description="What is asked for.")
    algorithms: tuple[str, ...] = Field(("RS256", "PS256", "ES256", "EdDSA"), min_length=1,
                                        description="Signatures its ID tokens may have.")  # fmt: skip
    userinfo: bool = Field(False, description="Its claims of the person come from the userinfo endpoint.")
    number_claim: str = Field(
        "national_id", min_length=1, description="The claim that holds the number in the register."
    )
    birth_date_claim: str = Field("birthdate", description="The claim of the birth date (YYYY-MM-DD); empty: none.")
    levels: Mapping[str, int] = Field(
        default_factory=dict, description="What its `acr` values are worth, 1 to 3; one that is not here is worth 0."
    )
    least_level: int = Field(2, ge=0, le=3, description="With less nobody is signed in, and so nobody votes.")
    staff_max_age: int = Field(
        300, ge=30, le=43_200, description="Seconds since whoever works here last proved who they are to the provider."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        parts = urlsplit(self.issuer)
        if (
            parts.scheme not in ("https", "http")
            or not parts.hostname
            or parts.query
            or parts.fragment
            or "@" in parts.netloc
        ):
            raise ValueError(f"{self.name}: the issuer must be an address without query, fragment and user")
        if self.kind not in KINDS:
            raise ValueError(f"{self.name}: no such kind of provider: {self.kind}")
        unknown = set(self.algorithms) - set(SIGNATURES)
        if unknown:
            raise ValueError(f"{self.name}: not allowed as signatures: {', '.join(sorted(unknown))}")
        if any(not 0 <= level <= 3 for level in self.levels.values()):
            raise ValueError(f"{self.name}: levels go from 0 to 3")
        if self.least_level and not any(level >= self.least_level for level in self.levels.values()):
            raise ValueError(f"{self.name}: none of the levels reaches least_level, so nobody could sign in")
        return self

    @property
    def secret_name(self) -> str:
        """The file of the keys directory that holds the client secret."""
        return self.secret_file or f"sign-on-{self.name}"
