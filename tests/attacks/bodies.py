"""What each write carries, so that it reaches the object it is about: fields that are read and found right.

A body that is refused field by field never comes to the object, and then says nothing about who may touch it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from tests.browser.city import a_picture

from voting.identity.demo import PASSWORD

Values = Mapping[str, Any]
Sent = dict[str, Any]
PROOF = {"step_up_password": PASSWORD}
HEADER = {"x-step-up": json.dumps({"password": PASSWORD})}
OF_OTHERS = {"department": "Департамент парков", "territory": "msk-cao"}
"""Where the documents of the matrix belong: out of reach of every caller with a scope."""
WHY = {"reason": "Работы начинаются раньше срока."}
SEEN = "5f0c" * 16
NEW_STEP = {"text": {"ru": "Закупить лампы"}, "planned_on": "2027-03-31"}
STEP = {**NEW_STEP, "reason": {"ru": "Задержка поставки"}}
DECISION = {"text": {"ru": "Посадим липы"}, "owner": "Управа", "status": "in_progress", "deadline": "2027-05-31",
            "reason": {"ru": "Задержка поставки"}, "based_on": 0}  # fmt: skip

Made = Callable[[Values, Any], Sent]
"""From the parts of the address and the example of the API's description, what is sent."""

FORMS: dict[str, Mapping[str, str]] = {
    "POST /decisions/{slug}/rating": {"stars": "4"},
    "POST /officials/accounts/{number}/disable": PROOF,
    "POST /officials/accounts/{number}/enable": PROOF,
    "POST /officials/accounts/{number}/roles": {"change": "grant", "role": "observer"},
    "POST /officials/approvals/{number}/agree": {"seen": SEEN, **PROOF},
    "POST /officials/approvals/{number}/decline": {"note": "Опечатка во втором вопросе"},
    "POST /officials/people/{reference}/confirm": {"seen": SEEN, "answer": "Проверено"},
    "POST /officials/polls/{public_id}/cancel": WHY,
    "POST /officials/polls/{public_id}/close-early": WHY,
    "POST /officials/polls/{public_id}/pause": WHY,
    "POST /officials/polls/{public_id}/extend": {**WHY, "closes_at": "2027-12-31T18:00"},
    "POST /officials/polls/{public_id}/erratum": {"text.ru": "Не сквер, а парк", "text.en": ""},
    "POST /officials/polls/{public_id}/decision": {
        "op": "save", "text.ru": "Посадим липы", "owner": "Управа", "status": "in_progress", "deadline": "2027-05-31",
        "reason.ru": "Задержка поставки", "based_on": "0",
    },
    "POST /officials/polls/{public_id}/decision/steps": {"step.ru": "Закупить", "step.planned_on": "2027-03-31"},
    "POST /officials/polls/{public_id}/decision/steps/{step}": {
        "op": "save", "text.ru": "Закупить", "planned_on": "2027-03-31", "reason.ru": "Задержка", "based_on": "32000",
    },
    "POST /officials/polls/{public_id}/decision/steps/{step}/files/{file}/withdraw": {"why.ru": "На снимке лицо"},
    "POST /officials/polls/{public_id}/protocol/prepare": {"seen": SEEN, "reason": ""},
    "POST /officials/polls/{public_id}/protocol/certify": {"seen": SEEN, "agreed": "1", **PROOF},
    "POST /officials/polls/{public_id}/protocol/withdraw": {"seen": SEEN, "note": "Не тот адрес"},
    "POST /officials/polls/{public_id}/revisions/{number}/restore": {"based_on": "1"},
    "POST /officials/polls/{public_id}/schedule": {"understood": "1", "revision": "1"},
    "POST /polls/{slug}/exports": {"kind": "results.xlsx"},
}  # fmt: skip
"""What the forms of the pages say, where an empty one would not be read."""

MADE: dict[str, Made] = {
    "POST /officials/polls/{public_id}/hand-over": lambda values, _: {"data": {"to": str(values["colleague"])}},
    "POST /officials/polls/{public_id}/decision/steps/{step}/files": lambda *_: {
        "data": {"name.ru": "Двор", "role": "after"}, "files": {"file": ("yard.png", _picture(), "image/png")},
    },
    "POST /officials/polls/{public_id}/picture/{question}/{option}": lambda *_: {
        "data": {"alt.ru": "Двор", "alt.en": ""}, "files": {"file": ("yard.png", _picture(), "image/png")},
    },
    "PUT /api/v1/drafts/{poll_id}": lambda values, example: {
        "json": {"definition": {**example["definition"], **OF_OTHERS, "poll_id": values["poll_id"]}, "based_on": 1},
    },
    "POST /api/v1/drafts": lambda _, example: {
        "json": {"definition": {**example["definition"], **OF_OTHERS}, "slug": None},
    },
    "POST /api/v1/definitions": lambda _, example: {"json": {**example, **OF_OTHERS}},
    "POST /api/v1/drafts/{poll_id}/hand-over": lambda values, _: {"json": {"to": values["colleague"]}},
    "POST /api/v1/drafts/{poll_id}/restore": lambda *_: {"json": {"number": 1, "based_on": 1}},
    "POST /api/v1/drafts/{poll_id}/schedule": lambda *_: {"json": {"revision": 1}, "headers": HEADER},
    **{
        f"POST /api/v1/drafts/{{poll_id}}/{move}": lambda _, example: {"json": example, "headers": HEADER}
        for move in ("cancel", "close-early", "extend", "errata")
    },
    "POST /api/v1/polls/{slug}/exports": lambda *_: {"json": {"kind": "results.xlsx"}},  # the resident's is another
    "POST /api/v1/decisions": lambda values, _: {"json": {"poll": values["slug"], **DECISION}},
    "PUT /api/v1/decisions/{slug}/milestones/{milestone}": lambda *_: {"json": {**STEP, "based_on": 32_000}},
    "POST /api/v1/decisions/{slug}/milestones/{milestone}/evidence": lambda values, _: {
        "json": {"sha256": values["stored"], "role": "after", "name": {"ru": "Двор"}},
    },
    "POST /api/v1/approvals/roles": lambda values, _: {
        "json": {"account_id": values["account"], "change": "grant", "role": "observer"}, "headers": HEADER,
    },
    "POST /api/v1/approvals/{approval}/consent": lambda *_: {"json": {"seen": SEEN}, "headers": HEADER},
    "POST /api/v1/polls/{slug}/protocol/certificate": lambda *_: {"json": {"seen": SEEN}, "headers": HEADER},
    "POST /api/v1/polls/{slug}/ballots": lambda *_: {
        "json": {"answers": {"1": 1}}, "headers": {"idempotency-key": secrets.token_hex(16)},
    },
}  # fmt: skip

OF_BODIES = frozenset({
    "POST /api/v1/decisions", "POST /api/v1/drafts", "POST /api/v1/definitions", "POST /api/v1/approvals/roles",
})  # fmt: skip
"""Routes that name their object in the body alone."""


def body_of(name: str, values: Values, examples: Mapping[str, Any]) -> Sent:
    """What a request of a route carries; nothing of its own where an empty form or document is as good."""
    if "{" not in name and name not in OF_BODIES:
        return {}
    example = examples.get(name)
    if name in MADE:
        return MADE[name](values, example)
    if name in FORMS:
        return {"data": dict(FORMS[name])}
    return {} if example is None or name.startswith("GET") else {"json": example}


def _picture() -> bytes:
    return a_picture(f"#{secrets.token_hex(3)}")
