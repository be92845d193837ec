"""Reading a file of invited residents: one person a line, by national id or by the subject of the city's sign-on. Pure.

The checked rows are text for PostgreSQL's COPY: line, kind of identifier, key, keys under older secrets.
"""

from __future__ import annotations

from collections.abc import Mapping

from polls.file_lines import Errors, LineReader
from polls.identity import identity_key
from polls.register_fields import BadValue

COLUMNS = ("national_id", "subject")
SYNONYMS: Mapping[str, str] = {
    **{name: name for name in COLUMNS},
    **dict.fromkeys(("id", "national id", "снилс", "номер", "идентификатор"), "national_id"),
    **dict.fromkeys(("учетная запись", "sso", "subject id"), "subject"),
}


class InvitedReader(LineReader):
    """Turns a list of residents into COPY text with the columns line, id_kind, key and the keys under older secrets."""

    columns = COLUMNS
    optional = frozenset(COLUMNS)
    synonyms = SYNONYMS

    def __init__(self, secrets: Mapping[int, bytes], errors: Errors) -> None:
        super().__init__(errors)
        self._secrets = [secrets[version] for version in sorted(secrets, reverse=True)]

    def _begin(self) -> None:
        """Either column is enough, and a header that is known has one."""

    def _record(self, fields: list[str]) -> str:
        given = dict(zip(self._names, fields, strict=True))
        both = "\t".join(given.get(name, "") for name in COLUMNS)
        keys = self._try(self._names[0], lambda value: identifier_keys(value, self._secrets), both)
        if keys is not None and keys.startswith("\\N"):
            self.errors.add(self._line, self._names[0], "empty", "empty")
            return ""
        return "" if keys is None else f"{self._line}\t{keys}\n"


def identifier_keys(given: str, secrets: list[bytes]) -> str:
    """COPY text of the kind of an identifier and its keys, nulls where there is none.

    `given` is a national id and a subject with a tab between, one of them empty. Raises BadValue.
    """
    national_id, subject = (value.strip() for value in given.split("\t"))
    if national_id and subject:
        raise BadValue("two_identifiers", "a national id and a subject: give one of them")
    kind, identifier = ("national_id", national_id) if national_id else ("subject", subject)
    if not identifier:
        return "\\N" + "\t\\N" * len(secrets)
    try:
        keys = [identity_key(secret, kind, identifier).hex() for secret in secrets]
    except ValueError as error:
        raise BadValue("bad_identifier", str(error)) from None
    return kind + "".join(f"\t\\\\x{key}" for key in keys)
