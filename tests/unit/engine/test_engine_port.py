"""Where the API of the embedded engine is to listen."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from paychain.engine.engine import start
from paychain.payments.errors import UserError
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
