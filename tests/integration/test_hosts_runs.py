"""Runs whose links are on several machines: here, on several addresses of loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from processes import children_of, wait_until

from harness.analysis.store import RunStore
from harness.faults.control import EngineError
from harness.faults.engine import free_port
from harness.hosts.remote import Remote
from harness.model.loading import load_chain
from harness.payments.journal import EngineEvent

CHAIN = """\
chain: shop
entry: gateway
deadline: 3s
links:
  gateway: {role: gateway, calls: {authorise: {to: processor, timeout: 1s, on_unknown: give_up}}}
  processor: {role: processor, calls: {authorise: {to: issuer, timeout: 500ms}}}
  issuer: {role: issuer}
"""
HOSTS = """\
hosts:
  m1: {address: 127.0.0.2, port: P1, links: [processor], engine: true}
  m2: {address: 127.0.0.3, port: P2, links: [issuer]}
"""
EXPERIMENT = """\
experiment: brief
load: {arrivals: 40/s, warm_up: 500ms, before: 1500ms, after: AFTER}
faults:
  - {id: lost, at: 0s, for: 2s, target: {link: processor}, lost_answer: {share: 30%}}
  - {id: late, at: 1s, for: 1s, target: {hop: processor -> issuer}, latency: {delay: 50ms}}
  - {id: shut, at: 1500ms, for: 500ms, target: {hop: gateway -> processor}, down: {}}
tolerances: {technical_success: {before: ">= 99%", during: ">= 70%"}, double_charges: 0}
"""
TOKEN = "a-token-of-this-test"
needs_loopback = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8"
)
pytestmark = needs_loopback


def files(folder: Path, after: str = "1500ms") -> tuple[Path, Path]:
    """A chain over two machines, and an experiment."""
    chain, experiment = folder / "spread.yaml", folder / "brief.yaml"
    hosts = HOSTS.replace("P1", str(free_port())).replace("P2", str(free_port()))
    chain.write_text(CHAIN + hosts)
    experiment.write_text(EXPERIMENT.replace("AFTER", after))
    return chain, experiment


@contextmanager
def up(chain: Path, only: str, token: str = TOKEN) -> Iterator[subprocess.Popen[bytes]]:
    said = chain.with_name(f"{only}.txt")
    command = [sys.executable, "-m", "harness.cli", "up", str(chain), "--only", only]
    environment = {**os.environ, "PAYCHAIN_TOKEN": token}
    with said.open("wb") as output, subprocess.Popen(
        command, stdout=output, stderr=output, env=environment
    ) as process:  # fmt: skip
        try:
            wait_until(lambda: "wait for a run" in said.read_text() or process.poll() is not None)
            assert process.poll() is None, said.read_text()
            yield process
        finally:
            process.terminate()
            process.wait(timeout=20)


def command(chain: Path, experiment: Path) -> list[str]:
    return [
        sys.executable, "-m", "harness.cli", "run", str(chain), str(experiment),
        "--out", str(chain.parent / "runs" / chain.stem), "--quiet",
    ]  # fmt: skip


def run(chain: Path, experiment: Path, token: str = TOKEN) -> dict[str, Any]:
    subprocess.run(
        command(chain, experiment), timeout=90, check=False,
        env={**os.environ, "PAYCHAIN_TOKEN": token},
    )  # fmt: skip
    return newest(chain)


def newest_folder(chain: Path) -> Path:
    return max((chain.parent / "runs" / chain.stem).iterdir(), key=lambda one: one.name)


def newest(chain: Path) -> dict[str, Any]:
    return dict(json.loads((newest_folder(chain) / "result.json").read_text()))


def engine_events(chain: Path) -> list[EngineEvent]:
    """What all engines told of the newest run."""
    with closing(RunStore.open(newest_folder(chain) / "run.db")) as store:
        return list(store.rows(EngineEvent))


def broken(result: dict[str, Any]) -> set[str]:
    return {one["rule"] for one in result["money"]["rules"] if one["findings"]}


@pytest.mark.slow
def test_links_elsewhere_give_the_verdict_of_links_here_run_after_run(tmp_path: Path) -> None:
    chain, experiment = files(tmp_path)
    here = tmp_path / "here.yaml"
    here.write_text(CHAIN)
    local = run(here, experiment)
    assert local["verdict"] == "fail"  # 30 % of the answers are lost, and nobody clears that up
    with up(chain, "m1"), up(chain, "m2"):
        for _ in range(2):  # books and keys are empty again in the second
            result = run(chain, experiment)
            assert result["verdict"] == local["verdict"], result["reasons"]
            assert broken(result) == broken(local)
            # 40/s for 0.5 + 1.5 + 2 + 1.5 s
            assert result["load"]["recorded"] == local["load"]["recorded"] == 220
            # every link's book came back over the network
            assert set(result["money"]["books"]) == {"gateway", "processor", "issuer"}
            for one, other in zip(result["faults"], local["faults"], strict=True):
                assert one["hits"] > 0
                # a few calls at the edges of a window; connections are as many as the load needs
                assert one["id"] == "late" or abs(one["hits"] - other["hits"]) <= 6, one["id"]
            # m1 has an engine, m2 has none: the hops into the issuer are on the run's machine
            into = ["gateway.authorise.processor", "gateway.void.processor"]
            assert [sorted(one["hops"]) for one in result["hosts"]] == [into, []]
            assert [one["links"] for one in result["hosts"]] == [["processor"], ["issuer"]]
            for host in result["hosts"]:
                # One machine has one clock: the truth is 0, and must be within what is said.
                assert abs(host["clock_offset_ms"]) <= host["clock_within_ms"]
            told = engine_events(chain)
            stopped = {one.proxy for one in told if one.kind == "proxy_disabled"}
            assert stopped == set(into)  # by the engine of m1
            assert {one.fault for one in told if one.kind == "toxic_hit"} == {"late"}


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("harness.hosts", "m1 no longer answers"),
        ("harness.toxics", "the fault engine of m1 no longer answers: GET /"),
    ],
)
def test_a_machine_or_an_engine_that_is_lost_ends_the_run_inconclusive(
    tmp_path: Path, what: str, reason: str
) -> None:
    chain, experiment = files(tmp_path, after="60s")
    runs = tmp_path / "runs" / chain.stem
    with ExitStack() as both:
        first = both.enter_context(up(chain, "m1"))
        both.enter_context(up(chain, "m2"))
        environment = {**os.environ, "PAYCHAIN_TOKEN": TOKEN}
        with subprocess.Popen(command(chain, experiment), env=environment) as process:
            wait_until(lambda: any(one.stat().st_size for one in runs.glob("*/spool/host-m1.*")))
            os.kill(below(first.pid)[what], signal.SIGKILL)
            assert process.wait(timeout=40) == 3
        assert what == "harness.hosts" or first.poll() is None
    result = newest(chain)
    assert result["verdict"] == "inconclusive"
    assert reason in result["reasons"][0]
    assert result["load"]["recorded"] > 0


def below(pid: int) -> dict[str, int]:
    """What an `up` has started: the waiting links, and under them their engine, by module."""
    (waiting,) = children_of(pid).values()
    (engine,) = children_of(waiting).values()
    return {"harness.hosts": waiting, "harness.toxics": engine}


def test_an_engine_elsewhere_is_on_loopback_there_and_reached_only_with_a_proof(
    tmp_path: Path,
) -> None:
    loaded = load_chain(str(files(tmp_path)[0]))
    placed = loaded.model.hosts["m1"]
    with up(loaded.path, "m1") as process:
        remote = Remote("m1", placed, loaded, TOKEN)
        remote.begin(1, 0, tmp_path / "m1.spool")
        control = remote.engine
        assert control is not None
        assert control.is_ours()
        address = control.create("a.pay.b", "127.0.0.2:9", placed.address)
        assert address.startswith("127.0.0.2:")
        assert control.names() == ["a.pay.b"]
        with pytest.raises(EngineError, match="proxy not found") as refused:
            control.destroy("another")  # its own answer, handed on
        assert refused.value.status == 404
        assert requests.get(f"{remote.url}/engine/proxies", timeout=5).status_code == 403
        engine = below(process.pid)["harness.toxics"]
        # 0100007F and 0200007F are 127.0.0.1 and 127.0.0.2: the API, and the one proxy
        assert sorted(listening(engine)) == ["0100007F", "0200007F"]
        os.kill(engine, signal.SIGKILL)
        with pytest.raises(EngineError, match="no answer") as lost:
            control.names()
        assert lost.value.status == 503
        assert control.lost is not None
        assert remote.end() == ""  # its links are well, and their books are here


def listening(pid: int) -> list[str]:
    """Addresses on which a process listens, as /proc writes them."""
    sockets = {str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir()}
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [
        row[1].partition(":")[0]
        for row in rows
        if row[3] == "0A" and f"socket:[{row[9]}]" in sockets
    ]


@pytest.mark.parametrize("fault", ["token", "chain"])
def test_a_machine_that_is_not_the_right_one_is_told_and_not_used(
    tmp_path: Path, fault: str
) -> None:
    chain, experiment = files(tmp_path)
    with up(chain, "m1"), up(chain, "m2"):
        if fault == "chain":
            chain.write_text(chain.read_text() + "# another file\n")
        result = run(chain, experiment, TOKEN if fault == "chain" else "not-the-same-token")
        assert result["verdict"] == "inconclusive"
        what = "has another spread.yaml" if fault == "chain" else "does not know this run's token"
        assert what in result["reasons"][0]
        assert f"m1 {what}" in result["reasons"][0] or "m1 at 127.0.0.2" in result["reasons"][0]
