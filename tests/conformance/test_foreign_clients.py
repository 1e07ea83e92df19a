"""Clients that others wrote for Toxiproxy work unchanged, against both engines."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import toxiproxy.server
from toxiproxy import Toxiproxy
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from tests.support.engine_subject import Subject, Upstream, connect, end_of, receive
from tests.support.paths import FETCHED

NODE_CLIENT = "toxiproxy-node-client@4.1.0"


@pytest.fixture
def python_client(engine: Subject, monkeypatch: pytest.MonkeyPatch) -> Toxiproxy:
    """toxiproxy-python, whose server is a class attribute."""
    monkeypatch.setattr(toxiproxy.server.APIConsumer, "host", "127.0.0.1")
    monkeypatch.setattr(toxiproxy.server.APIConsumer, "port", engine.port)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return Toxiproxy()


def test_toxiproxy_python_works_unchanged(python_client: Toxiproxy, upstream: Upstream) -> None:
    server = python_client
    assert server.running()
    assert b'"version"' in server.version()
    proxy = server.create(upstream=upstream.address, name="python")
    assert proxy.enabled
    with pytest.raises(ProxyExists):
        server.create(upstream=upstream.address, name="python")
    assert server.get_proxy("python").upstream == upstream.address

    port = int(proxy.listen.rpartition(":")[2])
    proxy.add_toxic(type="limit_data", name="cut", stream="upstream", attributes={"bytes": 2})
    proxy.add_toxic(type="latency", toxicity=0.5)
    assert set(proxy.toxics()) == {"cut", "latency_downstream"}
    toxic = proxy.get_toxic("latency_downstream")
    assert (toxic.type, toxic.stream, toxic.toxicity) == ("latency", "downstream", 0.5)
    client = connect(port)
    client.sendall(b"abcd")
    assert receive(upstream.accept(), 10) == b"ab"
    client.close()
    with pytest.raises(InvalidToxic):
        proxy.add_toxic(type="magic")
    assert proxy.destroy_toxic("cut")
    with pytest.raises(NotFound):
        proxy.destroy_toxic("cut")

    with proxy.down(), pytest.raises(ConnectionRefusedError):
        connect(port)
    client = connect(port)
    upstream.accept().close()
    assert end_of(client) == "fin"
    client.close()

    assert server.reset()
    assert proxy.toxics() == {}
    made = server.populate(
        [
            {"name": "python", "upstream": upstream.address, "listen": proxy.listen},
            {"name": "second", "upstream": upstream.address, "listen": "127.0.0.1:0"},
        ]
    )
    assert [each.name for each in made] == ["second"]
    assert set(server.proxies()) == {"python", "second"}
    assert server.destroy(made[0])
    server.destroy_all()
    assert server.proxies() == {}


@pytest.fixture(scope="session")
def node_client() -> Path:
    """The folder with toxiproxy-node-client, installed once; skips where it cannot be."""
    folder = FETCHED / "node"
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("no toxiproxy-node-client: Node is not installed")
    if not (folder / "node_modules" / "toxiproxy-node-client").exists():
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", NODE_CLIENT],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode != 0:
            pytest.skip(f"no toxiproxy-node-client: npm install failed: {done.stderr[-300:]}")
    return folder / "node_modules"


@pytest.fixture
def echo(upstream: Upstream) -> Iterator[str]:
    """The address of a server that sends back what it gets."""

    is_over = threading.Event()

    def answer() -> None:
        while not is_over.is_set():
            server = upstream.accept()
            try:
                server.sendall(server.recv(100))
            except OSError:
                continue

    thread = threading.Thread(target=answer)
    thread.start()
    yield upstream.address
    is_over.set()
    connect(int(upstream.address.rpartition(":")[2])).close()  # wakes it
    thread.join()


def test_toxiproxy_node_client_works_unchanged(
    engine: Subject, echo: str, node_client: Path
) -> None:
    done = subprocess.run(
        [
            "node",
            str(Path(__file__).with_name("node_client.cjs")),
            f"http://127.0.0.1:{engine.port}",
            echo,
        ],
        env={**os.environ, "NODE_PATH": str(node_client)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "all of it works\n"), done.stderr
