"""Who takes a new connection, when a site has several processes.

On one shared socket whoever wakes first takes what waits, so that one of two processes may have 46 of 64 connections;
and the event loop takes one connection a turn, so that the last of a thousand waits a thousand turns, each as long as
what the earlier ones ask. So each process has a listening socket of its own at the same address (`SO_REUSEPORT`: the
kernel spreads connections evenly over them) and takes up to `AT_ONCE` of those waiting in a turn.

The sockets belong to the parent and outlive any process. Ten times a second each process looks at those of the others,
and takes what has waited there from one look to the next: of a process that hangs, has died or still starts.
"""

import asyncio
import errno
import select
import socket
from collections.abc import Callable, Sequence

import structlog

BACKLOG = 2048
"""Connections that may wait to be taken."""
AT_ONCE = 64
"""Connections taken in one turn of the event loop: some milliseconds."""
PAUSE = 1.0
"""Seconds without taking any after the system has no file left for one."""
NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

logger = structlog.get_logger(__name__)


class Acceptor:
    """Takes connections from a process's own listening socket at once, from those of its siblings after a while."""

    def __init__(
        self, make: Callable[[], asyncio.Protocol], own: socket.socket, others: Sequence[socket.socket] = ()
    ) -> None:
        self._make, self._own, self._others = make, own, {other.fileno(): other for other in others}
        self._loop = asyncio.get_running_loop()
        self._greeted: set[asyncio.Task[object]] = set()
        self._closed = False
        self._waited: set[int] = set()
        """Siblings' sockets on which somebody waited at the last look."""
        self._look = select.poll()
        for number in self._others:
            self._look.register(number, select.POLLIN)

    def open(self, backlog: int) -> None:
        """Begin."""
        for one in (self._own, *self._others.values()):
            one.setblocking(False)
        self._own.listen(backlog)
        self._loop.add_reader(self._own, self._take, self._own)

    def close(self) -> None:
        """Take no more; connections taken stay."""
        self._closed = True
        self._loop.remove_reader(self._own)

    def help_others(self) -> None:
        """Take what has waited for a sibling since the last call."""
        if self._closed:
            return
        waiting = {number for number, _ in self._look.poll(0)}
        overdue = waiting & self._waited
        for number in overdue:
            self._take(self._others[number])
        self._waited = waiting - overdue

    def _take(self, listening: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, _address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in NO_ROOM:
                    raise
                self._pause()
                return
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            greeting = self._loop.create_task(self._greet(connection))
            self._greeted.add(greeting)
            greeting.add_done_callback(self._greeted.discard)

    async def _greet(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make, connection)
        except OSError:  # gone before it was greeted
            connection.close()

    def _pause(self) -> None:
        """The system has no file left for another connection: without a pause this would be tried all the time."""
        logger.error("connections_not_taken", seconds=PAUSE)
        self._loop.remove_reader(self._own)
        self._loop.call_later(PAUSE, self._resume)

    def _resume(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._own, self._take, self._own)
