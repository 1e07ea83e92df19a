"""Where the API of the embedded engine is to listen."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from paychain.engine import engine as engines
from paychain.engine.choice import EngineChoice
from paychain.engine.engine import start
from paychain.payments.errors import PartLost, UserError
from paychain.processes.children import Children


def test_a_port_that_is_taken_is_named_before_a_process_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOXIPROXY_URL", raising=False)
    children = Children(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"port {port} .*; give another --port"):
            start(None, children, 1, port=port)
    assert children.number == 0


def test_a_server_that_dies_at_its_start_is_no_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "toxiproxy-server"
    program.write_text("#!/bin/sh\nexit 9\n")
    program.chmod(0o755)
    choice = EngineChoice("toxiproxy", "asked for", program=str(program))
    monkeypatch.setattr(engines, "choose", lambda *_, **__: choice)
    with pytest.raises(PartLost, match=r"fault engine ended unexpectedly \(exit code 9\)"):
        start(str(program), Children(tmp_path), 1)
