"""Works out which figures of a large poll stay hidden, in a process of its own: `python -m voting.publication_child`.

For a city that takes up to minutes of a processor. In a thread it would slow everything its process serves, and keep
the worker from stopping. Both ends are this program's own: the pickles between them come from nowhere else.
"""

from __future__ import annotations

import asyncio
import pickle
import sys

from results.protection import Publication
from results.publication import Due, work_out


async def work_out_apart(due: Due) -> Publication:
    """The publication that is due. Cancelling kills the process. Raises RuntimeError where it failed, with its words
    in the log's stream."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, stdin=pipe, stdout=pipe)
    try:
        made, _ = await process.communicate(pickle.dumps(due))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise RuntimeError(f"the process that works out tables ended with {process.returncode}")
    found: Publication = pickle.loads(made)  # noqa: S301 -- of our own process
    return found


def main() -> None:
    """Read what is due, write what was made of it."""
    due: Due = pickle.load(sys.stdin.buffer)  # noqa: S301 -- of the process that started this one
    sys.stdout.buffer.write(pickle.dumps(work_out(due)))


if __name__ == "__main__":
    main()
