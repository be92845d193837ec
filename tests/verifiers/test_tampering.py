"""Every board that somebody tampered with is refused, and every single byte matters."""

import json
import os

import pytest
from tests.verifiers import boards, tampering

import veche_verify as verifier

MUTATIONS = 10_000 if os.environ.get("VECHE_FULL_COUNTS") == "1" else 500


def verify(*arguments):
    return verifier.run(["--lang=en", *map(str, arguments)])


@pytest.mark.parametrize("name", tampering.case_names())
def test_a_tampered_board_is_refused_and_an_honest_one_is_not(name, tmp_path, capsys):
    case = tampering.case(name)
    arguments = [boards.write(case.files, tmp_path / "board"), "--key", case.key, "--out", tmp_path]
    if case.registry is not None:
        arguments += ["--registry", boards.write(case.registry, tmp_path / "registry")]
    if case.receipt is not None:
        (tmp_path / "receipt.json").write_text(json.dumps(case.receipt))
        arguments += ["--receipt", tmp_path / "receipt.json"]
    found = verify(*arguments)
    assert found in case.expected, capsys.readouterr().out
    complained = bool(list(tmp_path.glob("complaint-*.json")))
    assert complained == ("missing" in name and name.startswith("receipt-"))


@pytest.mark.parametrize("name", ["one_choice", "tied_by_lot", "every_rule"])
def test_every_changed_byte_is_refused(name, tmp_path, capsys):
    service = boards.SAMPLES[name]()
    files = service.files()
    boards.write(files, tmp_path / "board")
    log = boards.write(service.registry(files, others=0), tmp_path / "registry")
    share = {"one_choice": 0.6, "tied_by_lot": 0.35, "every_rule": 0.05}[name]
    for path, data in tampering.mutations(files, int(MUTATIONS * share)):
        (tmp_path / "board" / path).write_bytes(data)
        at = next(i for i, (a, b) in enumerate(zip(data, files[path], strict=True)) if a != b)
        assert verify(tmp_path / "board", "--registry", log) in (1, 2), (
            f"{path} byte {at}: {files[path][at]} -> {data[at]}"
        )
        (tmp_path / "board" / path).write_bytes(files[path])
    capsys.readouterr()
    assert verify(tmp_path / "board", "--registry", log) == 0
