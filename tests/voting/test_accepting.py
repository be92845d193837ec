"""Who takes a connection: each process its own at once, its siblings' later, and none where there is no room."""

import asyncio
import errno
import socket
from collections.abc import Iterator

import pytest

from voting import accepting
from voting.accepting import Acceptor
from voting.joined_writes import LONG, JoinedWrites


class Greeter(asyncio.Protocol):
    """Says hello to whoever is connected."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")


@pytest.fixture
def pair() -> Iterator[list[socket.socket]]:
    """Two listening sockets, as two processes have them."""
    made = [socket.create_server(("127.0.0.1", 0), backlog=accepting.BACKLOG) for _ in range(2)]
    yield made
    for one in made:
        one.close()


def called(listening: socket.socket) -> socket.socket:
    """A client's connection."""
    client = socket.create_connection(listening.getsockname(), timeout=10)
    client.setblocking(False)
    return client


async def heard(client: socket.socket, within: float = 0.2) -> bytes:
    """What the client hears within so many seconds; nothing if nothing."""
    try:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 100), within)
    except TimeoutError:
        return b""


async def test_its_own_are_taken_at_once_however_many(pair: list[socket.socket]) -> None:
    acceptor = Acceptor(Greeter, pair[0], pair[1:])
    acceptor.open(accepting.BACKLOG)
    clients = [called(pair[0]) for _ in range(3 * accepting.AT_ONCE)]
    assert [await heard(client, 10) for client in clients] == [b"hello"] * len(clients)
    acceptor.close()
    late = called(pair[0])
    acceptor.help_others()
    assert await heard(late) == b"", "the socket stays the parent's, and nobody takes from it here any more"
    for client in [*clients, late]:
        client.close()


async def test_a_siblings_are_taken_when_they_have_waited(pair: list[socket.socket]) -> None:
    acceptor = Acceptor(Greeter, pair[0], pair[1:])
    acceptor.open(accepting.BACKLOG)
    client = called(pair[1])
    acceptor.help_others()
    assert await heard(client) == b"", "the sibling may be about to take it"
    acceptor.help_others()
    assert await heard(client, 10) == b"hello"
    taken_by_the_sibling = called(pair[1])
    acceptor.help_others()
    pair[1].accept()[0].close()
    acceptor.help_others()
    acceptor.help_others()
    assert await heard(taken_by_the_sibling) == b""
    acceptor.close()
    client.close()
    taken_by_the_sibling.close()


async def test_without_room_for_a_connection_it_pauses_and_goes_on(
    pair: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "PAUSE", 0.3)
    full, tries = [True], []

    class Full(socket.socket):
        def accept(self) -> tuple[socket.socket, object]:
            tries.append(1)
            if full[0]:
                raise OSError(errno.EMFILE, "too many open files")
            return super().accept()

    listening = Full(fileno=pair[0].detach())
    acceptor = Acceptor(Greeter, listening)
    acceptor.open(accepting.BACKLOG)
    client = called(listening)
    assert await heard(client, 0.1) == b""
    assert len(tries) == 1, "it does not try all the time"
    full[0] = False
    assert await heard(client, 10) == b"hello"
    acceptor.close()
    client.close()
    listening.close()


class Kept(asyncio.Transport):
    """A transport that notes what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("198.51.100.1", 5)})
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


async def test_what_is_written_in_one_turn_goes_out_as_one() -> None:
    kept = Kept()
    joined = JoinedWrites(kept, asyncio.get_running_loop())
    joined.write(b"head")
    joined.write(b"body")
    assert kept.writes == []
    await asyncio.sleep(0)
    assert kept.writes == [b"headbody"]
    joined.write(b"one")
    await asyncio.sleep(0)
    joined.write(b"two")
    await asyncio.sleep(0)
    assert kept.writes == [b"headbody", b"one", b"two"]
    assert joined.get_extra_info("peername") == ("198.51.100.1", 5)


async def test_long_bodies_are_not_held_back_and_nothing_is_lost_at_the_end() -> None:
    kept = Kept()
    joined = JoinedWrites(kept, asyncio.get_running_loop())
    joined.write(b"head")
    joined.write(b"x" * LONG)
    assert [len(data) for data in kept.writes] == [4 + LONG], "at once, so that the reader's slowness is felt"
    joined.write(b"last words")
    joined.close()
    assert kept.writes[1:] == [b"last words"] and joined.is_closing()
    joined.write(b"after the end")
    await asyncio.sleep(0)
    assert len(kept.writes) == 2
