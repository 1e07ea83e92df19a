"""A port that nobody else gets while its server does not listen."""

from __future__ import annotations

import asyncio
import errno
import socket
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator

import pytest

from paychain.wire.held_port import HeldPort
from paychain.wire.http import HttpRequest, HttpResponse
from paychain.wire.server import HttpServer

Runner = Callable[[Coroutine[object, object, None]], None]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the port is given away")
HOSTS = ["127.0.0.1", pytest.param("::1", marks=pytest.mark.skipif(not socket.has_ipv6, reason=""))]


def runners() -> Iterator[Runner]:
    yield asyncio.run
    try:
        import uvloop
    except ImportError:
        return
    yield uvloop.run


def reaches(address: tuple[str, int]) -> bool:
    """Whether somebody accepts at an address. Raises anything but a refusal."""
    try:
        socket.create_connection(address, 5).close()
    except ConnectionRefusedError:
        return False
    return True


def is_to_be_had(address: tuple[str, int], *, reuse: bool) -> bool:
    """Whether another program could listen at an address."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        try:
            other.bind(address)
            other.listen()
        except OSError:
            return False
    return True


async def look(address: tuple[str, int]) -> tuple[bool, bool, bool]:
    """Whether it accepts, and whether others get it, without and with SO_REUSEADDR."""
    return await asyncio.to_thread(
        lambda: (
            reaches(address),
            is_to_be_had(address, reuse=False),
            is_to_be_had(address, reuse=True),
        )
    )


@LINUX
@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("run", list(runners()))
def test_a_port_stays_ours_whether_or_not_somebody_listens(run: Runner, host: str) -> None:
    async def play() -> None:
        port = HeldPort.hold(host, 0)
        loop = asyncio.get_running_loop()
        assert await look(port.address) == (False, False, False)
        for _ in range(3):
            server = await port.serve(loop, asyncio.Protocol, 10)
            assert await look(port.address) == (True, False, False)
            # One that stands must not prevent that we listen again.
            client = await asyncio.to_thread(socket.create_connection, port.address)
            server.close()
            port.refuse()
            await asyncio.sleep(0)
            assert await look(port.address) == (False, False, False)
            client.close()
        port.release()
        # What stood may still stand in the way of who does not ask for reuse.
        accepts, _, is_free = await look(port.address)
        assert (accepts, is_free) == (False, True)

    run(play())


@LINUX
def test_where_a_socket_cannot_stop_to_listen_another_holds_the_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def shutdown(*_: object) -> None:
        raise OSError(errno.ENOTCONN, "as macOS says of a socket that listens")

    async def play() -> None:
        port = HeldPort.hold("127.0.0.1", 0)
        for _ in range(3):
            server = await port.serve(asyncio.get_running_loop(), asyncio.Protocol, 10)
            client = await asyncio.to_thread(socket.create_connection, port.address)
            server.close()
            port.refuse()
            await asyncio.sleep(0)
            assert await look(port.address) == (False, False, False)
            assert port.descriptor > 0
            client.close()
        port.release()

    monkeypatch.setattr(socket.socket, "shutdown", shutdown)
    asyncio.run(play())


@LINUX
def test_a_free_port_is_never_one_that_is_held() -> None:
    ports = [HeldPort.hold("127.0.0.1", 0) for _ in range(200)]
    try:
        assert len({port.address for port in ports}) == 200
    finally:
        for port in ports:
            port.release()


LISTENS = """
import asyncio, sys
from paychain.wire.held_port import HeldPort

async def serve():
    port = HeldPort.inherited(int(sys.argv[1]))
    await port.serve(asyncio.get_running_loop(), asyncio.Protocol, 10)
    print("listening", flush=True)
    await asyncio.sleep(60)

asyncio.run(serve())
"""


@LINUX
def test_a_killed_process_is_refused_for_and_its_successor_gets_the_port() -> None:
    port = HeldPort.hold("127.0.0.1", 0)
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", LISTENS, str(port.descriptor)],
            pass_fds=[port.descriptor],
            stdout=subprocess.PIPE,
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"listening\n"
            assert reaches(port.address)
            child.kill()
            child.wait()
        port.refuse()
        assert not reaches(port.address)
        assert not is_to_be_had(port.address, reuse=True)
    port.release()


@LINUX
def test_a_server_that_crashes_keeps_its_port_until_it_is_stopped() -> None:
    async def answer(_: HttpRequest) -> HttpResponse:
        return HttpResponse()

    async def play() -> None:
        server = HttpServer(answer)
        address = "127.0.0.1", await server.start("127.0.0.1")
        server.kill()
        assert await look(address) == (False, False, False)
        assert await server.start(*address) == address[1]
        assert await look(address) == (True, False, False)
        await server.stop(0.0)
        accepts, _, is_free = await look(address)
        assert (accepts, is_free) == (False, True)

    asyncio.run(play())
