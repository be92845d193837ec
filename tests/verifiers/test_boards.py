"""Honest boards are valid, with receipts, proofs and earlier checkpoints; what is not published is said."""


import pytest
from tests.verifiers import boards

import veche_verify as verifier


def verify(*arguments):
    return verifier.run(["--lang=en", *map(str, arguments)])


@pytest.mark.parametrize("name", boards.SAMPLES)
def test_an_honest_board_is_valid(name, tmp_path, capsys):
    service = boards.SAMPLES[name]()
    directory = boards.write(service.files(), tmp_path / "board")
    assert verify(directory, "--key", service.vkey) == 0, capsys.readouterr().out
    assert verify(directory) == 0
    assert "taken from the site itself" in capsys.readouterr().out
