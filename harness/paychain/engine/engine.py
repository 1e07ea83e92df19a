"""The fault engine of a run: started or attached to, proved to be ours, watched.

A real Toxiproxy server is treated with care (docs/toxiproxy.md §2). Its toxics are added and
removed while payments flow, one call at a time. That keeps it alive: it wedges when a toxic is
switched while more than two chunks of 32 KiB wait behind a client that has gone, and a payment
message is one chunk. Measured against 2.12.0 with 16 clients that give up and disconnect: messages
of 600 B to 30 kB, all seven toxics, 0 of 900 switches wedged or took over 25 ms; bodies of 100 kB,
stalls of 5 s; bodies of 1 MB, wedged by the first switch. On an overloaded machine (four busy loops
beside it, two cores) a client may go within the switch itself: there `slicer`, which sends a
message in many pieces, wedged at 6 of 146 switches, the other six toxics at 0 of 508. Stopping the
proxy around each switch helps with such bodies, but it cuts payments that the fault would not, and
with `bandwidth` it stalls small messages for 5 s. `down` needs no toxic: the proxy is stopped. A
watchdog covers the rest: an engine that does not list its proxies in time is lost, and the run is
inconclusive.
"""

from __future__ import annotations

import json
import secrets
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from paychain.engine.ability import Kind
from paychain.engine.choice import EngineChoice, choose
from paychain.engine.control import CALL_S, EngineControl
from paychain.engine.errors import EngineError
from paychain.engine.owner import run_mark
from paychain.payments.errors import PartLost, UserError
from paychain.processes.children import Child, Children, python_module
from paychain.processes.loopback import LOOPBACK, free_port, kept
from paychain.processes.sessions import BearerAuth

START_WITHIN_S = 10.0
PORT_TRIES = 3  # another process can take a free port before the server does
_POLL_S = 0.02


@dataclass
class Engine:
    """A running engine. `child` is None when it is not ours but was attached to."""

    name: Kind
    control: EngineControl
    version: str
    child: Child | None

    def leave(self, hops: Iterable[str]) -> list[str]:
        """Kill a server of ours that is lost; take the proxies of `hops` off another's server.

        A sentence about what may be left there.
        """
        if self.child is not None:
            if self.control.lost:
                self.child.ends_in_order = False  # it would not react to a gentler signal
                self.child.process.kill()
            return []
        for hop in hops:
            with suppress(EngineError):
                self.control.destroy(hop)
        if not self.control.lost:
            return []
        return [
            f"proxies of this run may be left on {self.control.url}: paychain heal "
            f"--toxiproxy {self.control.url} removes them"
        ]


@dataclass(frozen=True)
class Observing:
    """How the embedded engine observes hops: where it writes exchanges, and the run's epoch."""

    spool: Path
    epoch_ns: int


def start(
    spec: str | None,
    children: Children,
    seed: int,
    observing: Observing | None = None,
    token: str = "",
    port: int = 0,
    within_s: float = CALL_S,
) -> Engine:
    """The engine for `--toxiproxy SPEC`, ready for proxies.

    `observing`: hops may be observed, which only the embedded engine can do. `token`: what the API
    of an embedded engine that is started here asks of every request, so that no other account of
    the machine switches faults; "" lets everybody in. A Toxiproxy server has no such check.
    `port`: of the API of an embedded engine; 0: any. `within_s`: how long a call of the engine may
    take, the first ones among them. Raises UserError when the engine cannot be
    used, and PartLost when its process dies.
    """
    choice = choose(spec, within_s=within_s)
    try:
        if choice.url:
            return _attached(choice, within_s)
        if choice.program:
            return _started(choice, children, within_s)
        return _embedded(children, seed, observing, token, port, within_s)
    except EngineError as error:
        raise UserError(f"the fault engine failed to start: {error}") from error


def further(
    number: int, children: Children, seed: int, token: str, within_s: float = CALL_S
) -> Engine:
    """One more embedded engine beside the first, for some of the hops. `number`: from 2.

    Raises UserError.
    """
    try:
        return _embedded(children, seed, None, token, 0, within_s, f" {number}")
    except EngineError as error:
        raise UserError(f"fault engine {number} failed to start: {error}") from error


def _embedded(
    children: Children,
    seed: int,
    observing: Observing | None,
    token: str,
    port: int,
    within_s: float,
    suffix: str = "",
) -> Engine:
    if port:
        free_port(LOOPBACK, port)  # its own message would be in a log
    ready = children.folder / f"engine{suffix.replace(' ', '-')}.ready"
    options = ["--port", str(port), "--seed", str(seed), "--ready", str(ready)]
    if observing is not None:
        options += ["--exchanges", str(observing.spool), "--epoch-ns", str(observing.epoch_ns)]
    if token:
        options.append("--token")
    command = python_module("paychain.toxics", *options)
    child = children.start(f"fault engine{suffix}", command, token=token, ends_in_order=True)
    children.wait_for(child, ready)
    auth = BearerAuth(token) if token else None
    control = EngineControl(ready.read_text(), within_s=within_s, auth=auth)
    return Engine("embedded", control, control.version(), child)


def _attached(choice: EngineChoice, within_s: float) -> Engine:
    control = EngineControl(choice.url, within_s=within_s, mark=run_mark())
    _prove_it_relays(control)
    return Engine(choice.kind, control, choice.version, None)


def _prove_it_relays(control: EngineControl) -> None:
    """Send a random word through a proxy: a server in a container has its proxies elsewhere."""
    word = secrets.token_hex(8)
    name = f"probe-{word}"
    with socket.create_server((LOOPBACK, 0)) as listener:
        listener.settimeout(START_WITHIN_S)
        upstream = f"{LOOPBACK}:{listener.getsockname()[1]}"
        host, _, port = control.create(name, upstream).rpartition(":")
        try:
            with socket.create_connection((host, int(port)), START_WITHIN_S) as near:
                near.sendall(word.encode())
                far, _address = listener.accept()
                with far:
                    far.settimeout(START_WITHIN_S)
                    received = far.recv(len(word), socket.MSG_WAITALL)
        except OSError as error:
            received = str(error).encode()
        finally:
            control.destroy(name)
    if received != word.encode():
        raise UserError(
            f"the server at {control.url} does not relay to this machine's loopback",
            hint="in a container it needs the host's network (docker run --network host)",
        )


def _started(choice: EngineChoice, children: Children, within_s: float) -> Engine:
    """A server of our own, on a port that was free a moment ago.

    A server whose port was taken meanwhile stays alive without a message, and another server
    answers at that port. Ours is the one that lists the proxy in the configuration we gave it: it
    reads that before it listens.
    """
    config = children.folder / "engine.json"
    for _ in range(PORT_TRIES):
        mark = f"paychain-{secrets.token_hex(8)}"
        proxy = {
            "name": mark,
            "listen": f"{LOOPBACK}:0",
            "upstream": f"{LOOPBACK}:9",
            "enabled": False,
        }
        config.write_text(json.dumps([proxy]))
        port = free_port()
        url = f"http://{LOOPBACK}:{port}"
        with kept(LOOPBACK, port):
            child = children.start(
                "fault engine",
                [choice.program, "-host", LOOPBACK, "-port", str(port), "-config", str(config)],
                {"LOG_LEVEL": "error"},
                is_foreign=True,
            )
            names = _first_names(url, child, within_s)
        if names == [mark]:
            control = EngineControl(url, within_s=within_s)
            control.destroy(mark)
            return Engine("toxiproxy", control, control.version(), child)
        children.kill(child)
    raise UserError(f"other servers took every free port before {choice.program}", hint="try again")


def _first_names(url: str, child: Child, within_s: float) -> list[str]:
    """The proxies of the server that answers first; none when it is not a Toxiproxy."""
    until = time.monotonic() + START_WITHIN_S
    while True:
        control = EngineControl(url, within_s=within_s)
        try:
            return control.names()
        except EngineError as error:
            if child.process.poll() is not None:
                raise PartLost(child.exit_report(), hint=child.where_output) from error
            if time.monotonic() > until:
                return []
        finally:
            control.close()
        time.sleep(_POLL_S)
