"""The browser's verifier on every board of the corpus: what was tampered with is refused, what is honest is valid."""

import base64
import json
import os

import pytest
from tests.verifiers import boards, tampering
from tests.verifiers.browser_core import run_core

MUTATIONS = 10_000 if os.environ.get("VECHE_FULL_COUNTS") == "1" else 500
CODES = {"valid": 0, "invalid": 1, "incomplete": 2}
KEYS_ALONE = ("wrong-key", "key-of-another-host")
"""Cases about a key given on a command line; a browser holds the board's keys against the registry's list."""


def test_what_is_tampered_with_is_refused_and_what_is_honest_is_not(tmp_path):
    cases = [tampering.case(name) for name in tampering.case_names() if name not in KEYS_ALONE]
    replies = run_core([command(case, tmp_path / case.name) for case in cases])
    wrong = {case.name: reply for case, reply in zip(cases, replies, strict=True) if code(reply) not in case.expected}
    assert not wrong


def command(case, folder):
    """One case as a board, beside a registry and with a receipt where it has them."""
    asked = {"do": "board", "dir": str(boards.write(case.files, folder / "board"))}
    if case.registry is not None:
        asked["registry"] = str(boards.write(case.registry, folder / "registry"))
    if case.receipt is not None:
        asked["token"] = json.dumps(case.receipt)
    return asked


def code(reply):
    """What the program would end with: a ballot that is not counted makes a good board no good."""
    if "refused" in reply:  # no receipt at all, by the page's own field
        return CODES["invalid"]
    ballot = reply["ballot"]
    if ballot and ballot["state"] in ("missing", "clash", "improper", "not_signed", "another_poll"):
        return CODES["invalid"]
    return CODES[reply["verdict"]]


@pytest.mark.parametrize("name", ["one_choice", "tied_by_lot", "every_rule"])
def test_every_changed_byte_is_refused(name, tmp_path):
    files = boards.SAMPLES[name]().files()
    boards.write(files, tmp_path)
    share = {"one_choice": 0.6, "tied_by_lot": 0.3, "every_rule": 0.1}[name]
    changed = list(tampering.mutations(files, int(MUTATIONS * share)))
    commands = [
        {"do": "board", "dir": str(tmp_path), "overlay": {path: base64.b64encode(data).decode()}}
        for path, data in changed
    ]
    for (path, _), reply in zip(changed, run_core(commands), strict=True):
        assert reply["verdict"] != "valid", path
    (honest,) = run_core([{"do": "board", "dir": str(tmp_path)}])
    assert honest["verdict"] == "valid"
