"""The registry of kinds: complete, named in words, nothing in it that must not be recorded; and its page."""

import re
from pathlib import Path

import pytest

from polls.audit_chain import SOURCES
from polls.audit_kinds import FIELDS, JOURNAL, KINDS, LOOKS
from polls.journal import PUBLIC_FACTS

ROOT = Path(__file__).resolve().parents[2]
NEVER = {
    "password", "email", "phone", "national_id", "token_hash", "choice", "answer", "answers", "ballot", "ballot_id",
    "citizen", "citizen_id", "secret", "key", "receipt", "text", "nonce", "subject", "name",
}  # fmt: skip


def test_every_kind_stands_in_one_source_and_says_what_it_is() -> None:
    assert len({*KINDS, *JOURNAL, *LOOKS}) == len(KINDS) + len(JOURNAL) + len(LOOKS)
    sentences = [kind.sentence for kinds in SOURCES.values() for kind in kinds.values()]
    assert len(set(sentences)) == len(sentences)
    assert all(re.fullmatch(r"[A-Z][^.]+", sentence) for sentence in sentences)


def test_every_kind_is_written_by_something() -> None:
    """No kind promises an event that nothing writes."""
    sources = [path.read_text() for path in (ROOT / "src").rglob("*.py") if path.name != "audit_kinds.py"]
    assert [kind for kind in KINDS if not any(f'"{kind}"' in source for source in sources)] == []


def test_every_fact_has_a_name_and_none_is_of_what_must_not_be_recorded() -> None:
    used = {field for kinds in SOURCES.values() for kind in kinds.values() for field in kind.fields}
    assert used - set(FIELDS) == set(), "name it in FIELDS"
    assert set(FIELDS) - used == set()
    assert not used & NEVER


def test_every_event_of_the_engine_is_listed() -> None:
    written = set()
    for path in (ROOT / "src").rglob("*.py"):
        written |= set(re.findall(r'record_event\(\s*session, "(\w+)"', path.read_text()))
    assert written | set(PUBLIC_FACTS) <= set(JOURNAL) | {"audit_sealed"}


@pytest.mark.parametrize("kind", sorted(PUBLIC_FACTS.keys() - {"audit_sealed"}))
def test_an_event_of_the_engine_states_its_public_facts(kind: str) -> None:
    """But for lists and texts in languages, and the secret of a lot, which stand in the registry log."""
    elsewhere = {"text", "roots", "sizes", "questions", "secret", "reviewed"}
    assert PUBLIC_FACTS[kind] - JOURNAL[kind].fields <= elsewhere


def test_the_documentation_says_what_the_registry_says() -> None:
    from voting.auditing.documentation import documented

    page = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    assert documented() in page, "run `.venv/bin/veche audit kinds` and put its lines into docs/audit.md"
