"""The fault engine of a run: an external Toxiproxy server, or the embedded one (the default)."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from harness.children import Child, Children
from harness.faults.control import EngineControl, EngineError
from harness.payments.errors import UserError

START_WITHIN_S = 10.0
VARIABLE = "TOXIPROXY_URL"


@dataclass
class Engine:
    """A running engine. `child` is None when somebody else runs it."""

    name: str  # "embedded" or "toxiproxy"
    control: EngineControl
    version: str
    child: Child | None


def start(spec: str | None, children: Children, seed: int) -> Engine:
    """The engine to use: `spec` (URL or path) › TOXIPROXY_URL › embedded.

    Raises UserError when the one that was asked for cannot be used.
    """
    spec = spec or os.environ.get(VARIABLE)
    if not spec:
        return _embedded(children, seed)
    if spec.startswith(("http://", "https://")):
        return _attached(spec)
    return _server(spec, children)


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


def _attached(url: str) -> Engine:
    control = EngineControl(url)
    try:
        version = control.version()
        control.names()
    except (EngineError, ValueError, KeyError) as error:
        raise UserError(
            f"no Toxiproxy server answers at {url} ({error})",
            mend="start it, or leave --toxiproxy out to use the embedded engine",
        ) from error
    return Engine("toxiproxy", control, version, None)


def _server(path: str, children: Children) -> Engine:
    binary = shutil.which(path)
    if binary is None or not Path(binary).is_file():
        raise UserError(
            f"no Toxiproxy server at '{path}'",
            mend="give the path of toxiproxy-server, its URL, or leave --toxiproxy out",
        )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    child = children.start(
        "fault engine", [binary, "-host", "127.0.0.1", "-port", str(port)], {"LOG_LEVEL": "error"}
    )
    control = EngineControl(f"http://127.0.0.1:{port}")
    until = time.monotonic() + START_WITHIN_S
    while True:
        try:
            names = control.names()
            break
        except EngineError as error:
            if child.process.poll() is not None or time.monotonic() > until:
                raise UserError(f"{binary} did not start: {error}") from error
            time.sleep(0.02)
    if names:  # a server whose port was taken stays alive and says nothing (toxiproxy.md §0.4)
        raise UserError(f"port {port} belongs to another Toxiproxy server; try again")
    return Engine("toxiproxy", control, control.version(), child)
