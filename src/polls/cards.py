"""What lists of polls show and search, written beside the document when it is saved.

A list of 24 polls must not read 24 documents, so each poll keeps a small card and the words it is found by. Both follow
from the document alone; what decides a result is read from the sealed bytes, never from here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, func, literal_column, or_

from polls.definition import Definition, Visibility
from polls.document import Text
from polls.tables import poll

LONGEST = 50_000
"""Characters of one weight that are searched: the search of a poll stays far below what PostgreSQL can hold."""
MOST_TOKENS = 12
_TOKEN = re.compile(r"[^\W_]+", re.UNICODE)


def card_of(definition: Definition) -> dict[str, Any]:
    """The summary in both languages, the kinds of questions, the first picture, whether results are shown live."""
    pictures = (o.picture.sha256 for q in definition.questions for o in q.options if o.picture)
    return {
        "summary_ru": definition.summary.ru,
        "summary_en": definition.summary.en,
        "kinds": [question.kind for question in definition.questions],
        "picture": next(pictures, None),
        "live": definition.visibility is Visibility.LIVE,
    }


def search_of(definition: Definition) -> ColumnElement[Any]:
    """The words a poll is found by, as SQL: titles weigh most, then summaries, then questions and options."""
    heads = [definition.title]
    bodies = [definition.summary, definition.description]
    rest = [text for question in definition.questions for text in (question.text, *(o.text for o in question.options))]
    parts = [*_vectors(heads, "A"), *_vectors(bodies, "B"), *_vectors(rest, "C")]
    parts.append(_weighed("simple", _joined(heads, "ru") + " " + _joined(heads, "en"), "A"))
    found = parts[0]
    for part in parts[1:]:
        found = found.op("||")(part)
    return found


def matching(words: str) -> ColumnElement[bool]:
    """Polls that hold these words in some form, in Russian or in English; the last may be only begun («сквер па»).

    Without a letter or digit in it, the text is looked for in titles as it stands.
    """
    tokens = _TOKEN.findall(words.casefold())[:MOST_TOKENS]
    if not tokens:
        like = "%" + words.strip().replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%"
        return or_(poll.c.title_ru.ilike(like), poll.c.title_en.ilike(like))
    plain = " ".join(tokens)
    begun = " & ".join([*tokens[:-1], f"{tokens[-1]}:*"])
    queries = (
        func.plainto_tsquery(_config("russian"), plain),
        func.plainto_tsquery(_config("english"), plain),
        func.to_tsquery(_config("simple"), begun),
    )
    return or_(*(poll.c.search.bool_op("@@")(query) for query in queries))


def _vectors(texts: Iterable[Text], weight: str) -> list[ColumnElement[Any]]:
    listed = list(texts)
    return [_weighed("russian", _joined(listed, "ru"), weight), _weighed("english", _joined(listed, "en"), weight)]


def _weighed(config: str, words: str, weight: str) -> ColumnElement[Any]:
    vector = func.to_tsvector(_config(config), words[:LONGEST])
    return func.setweight(vector, literal_column(f"'{weight}'"))


def _joined(texts: Iterable[Text], language: str) -> str:
    return "\n".join(text.ru if language == "ru" else text.en for text in texts)


def _config(name: str) -> ColumnElement[Any]:
    return literal_column(f"'{name}'::regconfig")
