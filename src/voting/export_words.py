"""Why an export failed, in words for people: those of the refusal it met, or of what only a worker meets."""

from __future__ import annotations

from voting.problems import all_refusals

OF_THE_WORKER = {
    "disk_full": "There is no room on the disk. The file was deleted; the operators know. Try again later.",
    "failed": "Something went wrong while the file was made, several times. The unfinished file was deleted.",
}


def why_it_failed(code: str | None) -> str:
    """The message of a code, to be translated; that of ``failed`` for one nobody knows."""
    if code is not None and code not in OF_THE_WORKER and (refusal := all_refusals().get(code)) is not None:
        return refusal.detail
    return OF_THE_WORKER.get(code or "failed", OF_THE_WORKER["failed"])
