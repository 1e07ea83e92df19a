"""Another account of the machine beside a run: it reaches every port, and changes nothing."""

from __future__ import annotations

import http.client
import json
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.chains import corner_shop, experiment
from tests.support.cli import running
from tests.support.processes import children_of, needs_proc
from tests.support.runs import declare, is_recorded, payments_are_under_way, result_of, run_in
from tests.support.waiting import wait_until

pytestmark = [
    needs_proc,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]

CHAIN = corner_shop()
CUT = experiment(
    "{id: cut, at: 1s, for: 3s, target: {hop: gateway -> processor}, down: {}}",
    "{id: lost, at: 1s, for: 3s, target: {link: issuer}, lost_answer: {share: 100%}}",
    arrivals="20/s",
    warm_up="200ms",
    before="1s",
    after="1s",
)
ASKED = [
    ("POST", "/reset", b""),
    ("POST", "/populate", b"[]"),
    ("GET", "/proxies", b""),
    ("DELETE", "/proxies/gateway.authorise.processor", b""),
    ("POST", "/proxies/gateway.authorise.processor", b'{"enabled": true}'),
    ("DELETE", "/faults/lost", b""),
    ("POST", "/faults/more", json.dumps({"spots": [], "kind": "crash", "parameters": {}}).encode()),
    ("POST", "/routes", b"{}"),
    ("POST", "/drain", b'{"within_s": 0}'),
    ("POST", "/health", b""),
]
CONTROLS = ("paychain.toxics", "paychain.services")


def ports_of(process: int) -> list[int]:
    """The ports on which a process listens."""
    own = set()
    for entry in Path(f"/proc/{process}/fd").iterdir():
        try:
            own.add(str(entry.readlink()))
        except OSError:
            continue
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [
        int(row[1].rpartition(":")[2], 16)
        for row in rows
        if row[3] == "0A" and f"socket:[{row[9]}]" in own
    ]


def status(port: int, method: str, path: str, body: bytes, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request(method, path, body, headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0  # not HTTP, or a fault that is on
    finally:
        connection.close()


def secrets_in(process: int) -> set[str]:
    """What the environment of a process holds of what is secret."""
    names = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    return {name.split(b"=")[0].decode() for name in names} & {
        "PAYCHAIN_SIGNING_KEY",
        "PAYCHAIN_TOKEN",
    }


def test_whoever_reaches_the_ports_of_a_run_changes_nothing_about_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAYCHAIN_SIGNING_KEY", "the key")
    declare(tmp_path, shop=CHAIN, cut=CUT)
    with running(tmp_path, "run", "shop.yaml", "cut.yaml", "--out", "runs") as run:
        payments_are_under_way(tmp_path)
        wait_until(
            lambda: is_recorded(tmp_path, "SELECT 1 FROM switch WHERE action = 'applied'"),
            "a fault is on",
        )
        children = children_of(run.pid)
        assert len(children) >= 3
        refused = 0
        for command, process in children.items():
            assert not secrets_in(process), command
            for port in ports_of(process):
                for method, path, body in ASKED:
                    for headers in ({}, {"authorization": "Bearer "}, {"authorization": "x"}):
                        answer = status(port, method, path, body, **headers)
                        refused += answer == 401
                        if any(mark in command for mark in CONTROLS):
                            # A mock link answers other paths itself; no control API does.
                            assert answer != 204, (command, port, method, path)
        assert refused >= 2 * 3 * len(ASKED), "both APIs were found"
        code = run.exit_code()
    # A busy machine may leave the verdict open; nothing here may turn it.
    result = result_of(tmp_path)
    assert (code, result["verdict"]) in {(1, "fail"), (3, "inconclusive")}, result["reasons"]
    folder = run_in(tmp_path)
    with closing(sqlite3.connect(folder / "run.db")) as db:
        kinds = {row[0] for row in db.execute("SELECT DISTINCT kind FROM engine_event")}
    assert "reset" not in kinds
    written = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".db"]
    assert not [path for path in written if b"the key" in path.read_bytes()]
    assert os.environ["PAYCHAIN_SIGNING_KEY"] == "the key"
