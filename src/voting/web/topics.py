"""The topics pages know by name and by cover art. A poll of any other topic is shown as «other»."""

from __future__ import annotations

from typing import Final

TOPICS: Final = (
    "parks", "transport", "streets", "housing", "ecology", "culture", "education", "health", "sport", "social",
    "safety", "digital", "budget", "other",
)  # fmt: skip
OTHER: Final = "other"
ART: Final = {
    "parks": "park", "ecology": "park", "sport": "park", "transport": "tram", "streets": "tram", "safety": "tram",
    "digital": "tram", "culture": "book", "education": "book", "social": "book", "health": "book",
}  # fmt: skip
"""The motif of the cover art by topic; whatever is not here has that of the budget."""


def known_topic(code: str) -> str:
    """The topic's code, or that of «other»."""
    return code if code in TOPICS else OTHER


def art_of(topic: str) -> str:
    """The motif of a topic's cover art."""
    return ART.get(topic, "budget")
