"""Poll definitions as files: reading one that may come from anywhere, the bytes to give away, the JSON Schema. Pure.

A file is the document itself as JSON, in UTF-8. What is given away is canonical (RFC 8785), so a definition that is
exported, imported and exported again is the same bytes, and so is a hash of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from polls.definition import SCHEMA, Definition, read_definition
from polls.errors import BadFile

LARGEST = 4 * 1024 * 1024
DEEPEST = 40
SCHEMA_ADDRESS = "/api/v1/definitions/schema"


def read_file(data: bytes) -> Definition:
    """The definition a file holds.

    Refuses `BadFile` (facts: `line`, `field`, `reason`) for a file over 4 MiB, not JSON in UTF-8, nested deeper than
    40, with a field twice, or of another schema; raises pydantic.ValidationError with the paths of unknown fields and
    wrong values.
    """
    if len(data) > LARGEST:
        raise _bad("file", f"it is larger than {LARGEST // 1024} KiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _bad("file", "it is not text in UTF-8") from None
    if _depth(text) > DEEPEST:
        raise _bad("file", f"it is nested deeper than {DEEPEST}")
    try:
        values = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise _bad("file", f"it is not JSON: {error.msg}", error.lineno) from None
    except ValueError as error:  # a number of thousands of digits
        raise _bad("file", f"it is not JSON: {str(error)[:200]}") from None
    if not isinstance(values, dict):
        raise _bad("file", "it is not a JSON object")
    if "schema" not in values:
        raise _bad("schema", f"it is missing; this release reads {SCHEMA}")
    if values["schema"] != SCHEMA:
        raise _bad("schema", f"it is {str(values['schema'])[:60]}; this release reads {SCHEMA}")
    return read_definition(values)


def definition_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a definition file, as this release reads it.

    It says less than the reader: what ids may refer to and what fits together is not in it.
    """
    schema = Definition.model_json_schema(by_alias=True, mode="validation")
    schema["required"] = sorted({"schema", *schema.get("required", [])})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ADDRESS,
        **schema,
        "title": f"Poll definition, {SCHEMA}",
    }


def _bad(field: str, reason: str, line: int | None = None) -> BadFile:
    return BadFile(line=line, field=_printable(field), reason=_printable(reason))


def _printable(words: str) -> str:
    """What a file says as it can be sent: half of a character (a lone surrogate) has no UTF-8."""
    return words.encode("utf-8", "backslashreplace").decode()


def _once(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _bad(name[:60], "the field is there twice")
        found[name] = value
    return found


def _no_number(word: str) -> Any:
    raise _bad("file", f"{word} is not a number in JSON")


def _depth(text: str) -> int:
    """The deepest nesting of brackets outside of texts."""
    depth = deepest = 0
    within = escaped = False
    for ch in text:
        if within:
            if escaped:
                escaped = False
            elif ch == "\\":
                escaped = True
            elif ch == '"':
                within = False
        elif ch == '"':
            within = True
        elif ch in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif ch in "]}":
            depth -= 1
    return deepest
