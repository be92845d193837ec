"""How deep JSON is nested, found without a parser and in time for whatever is sent."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voting.api.documents import DEEPEST, is_too_deep

texts = st.text(alphabet='[]{}"\\a', max_size=6)
values = st.recursive(
    texts | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=20,
)


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max((depth_of(part) for part in value.values()), default=0)
    return 1 + max((depth_of(part) for part in value), default=0) if isinstance(value, list) else 0


@given(values, st.integers(0, DEEPEST + 5), st.text(alphabet='[{"\\', max_size=DEEPEST * 2))
def test_the_depth_of_json_is_found_whatever_its_texts_hold(value, around, words):
    document = [value, words]
    for level in range(around):
        document = [document] if level % 2 else {words: document}
    assert is_too_deep(json.dumps(document).encode()) == (depth_of(document) > DEEPEST)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 2**20,
        b"[]" * 2**19,
        (b"[" * 40 + b"]" * 40) * 13_000,
        b"[" * 41 + b'"' + b'\\"' * 2**19,
        b"[" * 41 + b'"' + b"\\" * 2**20,
        b"[" * 41 + b'"' * 2**20,
        b'["' * 2**19,
        b"[{" * 2**18 + b"}]" * 2**18,
    ],
)
def test_no_body_takes_longer_than_reading_it(body):
    began = time.process_time()
    is_too_deep(body)
    assert time.process_time() - began < 0.5
