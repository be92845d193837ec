"""The operator's file of leaked passwords, looked up by halves on disk."""

import hashlib
import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voting.identity.breached import BadBreachedList, BreachedList
from voting.identity.passwords import common_passwords, password_faults


def sha1(text: str) -> str:
    return hashlib.sha1(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest().upper()


def write(path: Path, passwords: list[str], *, counts: bool = True, end: str = "\n") -> Path:
    lines = sorted(sha1(one) for one in passwords)
    path.write_bytes("".join(f"{line}:{i * 7919 % 100_003}{end}" if counts else line + end
                             for i, line in enumerate(lines)).encode())  # fmt: skip
    return path


@pytest.mark.parametrize("counts", [True, False])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("n", [1, 2, 3, 1000])
def test_what_is_in_the_file_is_found_and_nothing_else(tmp_path, n, counts, end) -> None:
    known = [f"password {i}" for i in range(n)]
    held = BreachedList(write(tmp_path / "list", known, counts=counts, end=end))
    assert all(held.holds(one) for one in known)
    assert not any(held.holds(f"another {i}") for i in range(200))
    held.close()


@given(st.sets(st.text(max_size=12), min_size=1, max_size=60), st.text(max_size=12))
def test_it_agrees_with_a_set(tmp_path_factory, known, asked) -> None:
    held = BreachedList(write(tmp_path_factory.mktemp("b") / "list", sorted(known)))
    # A password and its NFKC form are one and the same to us.
    assert held.holds(asked) == bool({asked, unicodedata.normalize("NFKC", asked)} & known)
    held.close()


def test_a_long_file_costs_a_few_short_reads(tmp_path, monkeypatch) -> None:
    """A million lines, 40 MB: no more than thirty reads of a line or two, nothing read ahead."""
    path = tmp_path / "list"
    with path.open("wb") as file:
        for i in range(1_000_000):
            file.write(b"%040X\n" % (i << 140))
    held = BreachedList(path)
    reads = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, n, at: reads.append(n) or pread(fd, n, at))
    assert not held.holds("correct horse")
    assert 0 < len(reads) <= 30 and max(reads) <= 200
    held.close()


def test_no_file_holds_nothing_and_a_wrong_one_stops_the_start(tmp_path) -> None:
    assert not BreachedList(None).holds("password")
    for name, content in {"text": b"password\n123456\n" * 40, "empty": b"", "html": b"<!doctype html>" * 20}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadBreachedList):
            BreachedList(tmp_path / name)
    (tmp_path / "falling").write_text("F" * 40 + "\n" + "A" * 40 + "\n" + "0" * 40 + "\n")
    with pytest.raises(BadBreachedList):
        BreachedList(tmp_path / "falling")
    with pytest.raises(FileNotFoundError):
        BreachedList(tmp_path / "none")


def test_the_list_we_bring_is_long_and_of_passwords_that_would_pass_otherwise() -> None:
    listed = common_passwords()
    assert len(listed) > 11_000 and all(len(one) >= 8 and one == one.casefold() for one in listed)
    for bad in ("PassWord1", "qwertyuiop", "йцукенгш", "trustno1"):
        assert [fault.code for fault in password_faults(bad)] == ["too_common"], bad
    assert not password_faults("correct horse battery")
