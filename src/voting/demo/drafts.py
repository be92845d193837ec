"""The demo's drafts: what lies on an official's desk, one nearly ready and one just begun."""

from __future__ import annotations

from datetime import timedelta

from voting.demo.script import DemoPoll, aged, everybody, hard_to_say, option, single, t

CROSSING = DemoPoll(
    slug="diagonalnyy-perekhod",
    opens=timedelta(days=4),
    closes=timedelta(days=18),
    content={
        "title": t("Нужен ли диагональный переход у вокзала?", "Should the station get a diagonal crossing?"),
        "summary": t("Светофор остановит все машины сразу.", "The lights will stop all cars at once."),
        "topic": "safety",
        "territory": "msk-sao",
        "department": "Департамент транспорта",
        "audience": everybody(aged(14)),
        "questions": [
            single(
                1, "Сделать переход диагональным?", "Make the crossing diagonal?",
                [option(1, "Да", "Yes"), option(2, "Нет, оставить как есть", "No, leave it as it is"), hard_to_say()],
            )
        ],
    },
)  # fmt: skip

STOPS = DemoPoll(
    slug="ostanovki-s-knigami",
    opens=timedelta(days=10),
    closes=timedelta(days=24),
    content={
        "title": t("Остановки с книжными полками", ""),
        "topic": "culture",
        "department": "Департамент транспорта",
        "questions": [single(1, "На каких остановках поставить полки?", "", [option(1, "У парков", "")])],
    },
)  # fmt: skip

DRAFTS = (CROSSING, STOPS)
