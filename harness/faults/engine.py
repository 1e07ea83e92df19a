"""The fault engine of a run: started or attached to, proved to be ours, watched.

A real Toxiproxy server is treated with care (toxiproxy.md §0). Its toxics are put on and taken off
while payments flow, one call at a time. That is the placement that keeps it alive: it wedges when a
toxic is switched while more than two chunks of 32 KiB wait behind a client that has gone, and a
payment message is one chunk. Measured against 2.12.0 with 16 clients that give up and disconnect:
messages of 600 B to 30 kB, all seven toxics, 0 of 900 switches wedged or took over 25 ms; bodies of
100 kB, stalls of 5 s; bodies of 1 MB, wedged by the first switch. On an overloaded machine (four
busy loops beside it, two cores) a client may go within the switch itself: there `slicer`, which
sends a message in many pieces, wedged at 6 of 146 switches, the other six toxics at 0 of 508.
Stopping the proxy around each switch helps with such bodies, but it cuts payments that the fault
would not, and with `bandwidth` it stalls small messages for 5 s. `down` needs no toxic: the proxy
is stopped. What is left is the watchdog's: an engine that does not list its proxies in time is
lost, and the run is inconclusive.
"""

from __future__ import annotations

import json
import secrets
import socket
import sys
import time
from dataclasses import dataclass

from harness.children import Child, Children
from harness.faults.choice import Choice, Kind, choose
from harness.faults.control import EngineControl, EngineError
from harness.faults.owner import run_mark
from harness.payments.errors import UserError

START_WITHIN_S = 10.0
PORT_TRIES = 3
_POLL_S = 0.02


@dataclass
class Engine:
    """A running engine. `child` is None when somebody else runs it."""

    name: Kind
    control: EngineControl
    version: str
    child: Child | None


def start(spec: str | None, children: Children, seed: int) -> Engine:
    """The engine for `--toxiproxy SPEC`, ready for proxies.

    Raises UserError when the one that was asked for cannot be used.
    """
    choice = choose(spec)
    try:
        if choice.url:
            return _attached(choice)
        if choice.program:
            return _started(choice, children)
        return _embedded(children, seed)
    except EngineError as error:
        raise UserError(f"the fault engine failed at its start: {error}") from error


def _embedded(children: Children, seed: int) -> Engine:
    ready = children.folder / "engine.ready"
    child = children.start(
        "fault engine",
        [sys.executable, "-m", "harness.toxics", "--port", "0", "--seed", str(seed),
         "--ready", str(ready)],
    )  # fmt: skip
    children.wait_for(child, ready, START_WITHIN_S)
    control = EngineControl(ready.read_text())
    return Engine("embedded", control, control.version(), child)


def _attached(choice: Choice) -> Engine:
    control = EngineControl(choice.url, mark=run_mark())
    _prove_it_relays(control)
    return Engine(choice.kind, control, choice.version, None)


def _prove_it_relays(control: EngineControl) -> None:
    """Send a word through it: a server in a container answers, but its proxies are elsewhere."""
    word = secrets.token_hex(8)
    name = f"probe-{word}"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(START_WITHIN_S)
        host, _, port = control.create(name, f"127.0.0.1:{listener.getsockname()[1]}").rpartition(
            ":"
        )
        try:
            with socket.create_connection((host, int(port)), START_WITHIN_S) as near:
                near.sendall(word.encode())
                far, _address = listener.accept()
                with far:
                    far.settimeout(START_WITHIN_S)
                    heard = far.recv(len(word), socket.MSG_WAITALL)
        except OSError as error:
            heard = str(error).encode()
        finally:
            control.destroy(name)
    if heard != word.encode():
        raise UserError(
            f"the server at {control.url} does not relay to this machine's loopback",
            mend="in a container it needs the host's network (docker run --network host)",
        )


def _started(choice: Choice, children: Children) -> Engine:
    """A server of our own, on a port that was free a moment ago.

    One whose port was taken meanwhile stays alive and says nothing, and somebody else's server
    answers. Ours is the one that lists the proxy in the configuration we gave it: it reads that
    before it listens.
    """
    config = children.folder / "engine.json"
    for _ in range(PORT_TRIES):
        mark = f"paychain-{secrets.token_hex(8)}"
        proxy = {"name": mark, "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9", "enabled": False}
        config.write_text(json.dumps([proxy]))
        port = free_port()
        child = children.start(
            "fault engine",
            [choice.program, "-host", "127.0.0.1", "-port", str(port), "-config", str(config)],
            {"LOG_LEVEL": "error"},
            is_foreign=True,
        )
        url = f"http://127.0.0.1:{port}"
        if _first_names(url, child) == [mark]:
            control = EngineControl(url)
            control.destroy(mark)
            return Engine("toxiproxy", control, control.version(), child)
        children.discard(child)
    raise UserError(
        f"other servers took every port that was free for {choice.program}", mend="try again"
    )


def _first_names(url: str, child: Child) -> list[str]:
    """The proxies of whoever answers first; none from one that is no Toxiproxy."""
    until = time.monotonic() + START_WITHIN_S
    while True:
        control = EngineControl(url)
        try:
            return control.names()
        except EngineError as error:
            if child.process.poll() is not None:
                raise UserError(child.obituary(), mend=f"its output is in {child.log}") from error
            if time.monotonic() > until:
                return []
        finally:
            control.close()
        time.sleep(_POLL_S)


def free_port() -> int:
    """A loopback port nobody listens on now; it may be taken before it is used."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
