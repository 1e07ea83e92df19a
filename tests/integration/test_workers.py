"""A load over several worker processes, here and elsewhere: whole, or said what is missing."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from processes import wait_until

# Declines are drawn per payment from the seed: who sends it must make no difference.
CHAIN = """\
chain: shop
entry: gateway
deadline: 8s
links:
  gateway: {role: gateway, calls: {authorise: {to: processor, timeout: 7s}}}
  processor: {role: processor, calls: {authorise: {to: issuer, timeout: 6s}}}
  issuer: {role: issuer, declines: {share: 20%}}
"""
EXPERIMENT = """\
experiment: steady
load: {arrivals: 40/s, spacing: poisson, warm_up: 500ms, before: LASTS, after: 500ms}
tolerances: {technical_success: ">= 99%"}
"""
TOKEN = "a token of a test, long enough"
CLI = (sys.executable, "-m", "harness.cli")
pytestmark = pytest.mark.skipif(
    not Path("/proc").is_dir(), reason="finds child processes through /proc"
)


class Run:
    """One `paychain run` with what it said and what it left."""

    def __init__(self, folder: Path, *options: str, lasts: str = "2s", chain: str = CHAIN) -> None:
        folder.mkdir()
        (folder / "shop.yaml").write_text(chain)
        (folder / "steady.yaml").write_text(EXPERIMENT.replace("LASTS", lasts))
        self.out, self.said = folder / "runs", folder / "said.txt"
        with self.said.open("wb") as output:
            self.process = subprocess.Popen(
                [*CLI, "run", str(folder / "shop.yaml"), str(folder / "steady.yaml"),
                 "--out", str(self.out), *options],
                stdout=output, stderr=output, env={**os.environ, "PAYCHAIN_TOKEN": TOKEN},
            )  # fmt: skip

    def begins(self) -> None:
        wait_until(lambda: list(self.out.glob("*/spool/load.go")))

    def address(self) -> str:
        wait_until(lambda: "--master" in self.said.read_text())
        return self.said.read_text().partition("--master ")[2].split()[0]

    def worker(self, name: str) -> int:
        """Its process id."""
        called = f"PAYCHAIN_LOAD_WORKER={name}\0".encode()
        pids = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == self.process.pid and called in (process / "environ").read_bytes():
                    pids.append(int(process.name))
        (pid,) = pids
        return pid

    def ends(self, within_s: float = 60) -> dict[str, Any]:
        self.code = self.process.wait(within_s)
        (self.folder,) = self.out.iterdir()
        return dict(json.loads((self.folder / "result.json").read_text()))

    def payments(self) -> list[tuple[Any, ...]]:
        """Everything of a payment that has no clock in it."""
        with sqlite3.connect(self.folder / "run.db") as db:
            return db.execute(
                "SELECT payment, outcome, code, amount_minor, scheme, card, merchant, warm_up "
                "FROM txn ORDER BY payment"
            ).fetchall()


@contextmanager
def worker(
    address: str, *, token: str = TOKEN, name: str = "far"
) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [*CLI, "worker", "--master", address, "--name", name],
        env={**os.environ, "PAYCHAIN_TOKEN": token},
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def verdict(result: dict[str, Any]) -> str:
    """As it was judged, but for a machine too busy to keep the schedule: not the subject here."""
    if all("behind its schedule" in reason for reason in result["reasons"]):
        return "pass"
    return str(result["verdict"])


def facts(result: dict[str, Any], *names: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(one[name] for name in names) for one in result["load"]["workers"])


@pytest.mark.slow
def test_one_two_and_four_workers_make_the_same_payments(tmp_path: Path) -> None:
    results, payments = [], []
    for workers in (1, 2, 4):
        run = Run(tmp_path / str(workers), "--workers", str(workers))
        results.append(run.ends())
        payments.append(run.payments())
        assert verdict(results[-1]) == "pass", run.said.read_text()
    assert payments[0] == payments[1] == payments[2]
    loads = [[one["load"][name] for name in ("planned", "offered", "recorded")] for one in results]
    assert loads[0] == loads[1] == loads[2]
    assert loads[0][0] == loads[0][1] == loads[0][2] == len(payments[0])
    assert [len(one["load"]["workers"]) for one in results] == [0, 2, 4]
    for one in results:
        for share in one["load"]["workers"]:
            assert share["planned"] == share["started"] == share["recorded"]
            assert share["missing"] == 0
            # one machine has one clock: the true offset is 0
            assert abs(share["clock_offset_ms"]) <= share["clock_within_ms"]


def test_a_killed_worker_is_named_with_what_is_missing_of_its_share(tmp_path: Path) -> None:
    run = Run(tmp_path / "killed", "--workers", "2", lasts="20s")
    run.begins()
    time.sleep(2)  # some payments are under way
    os.kill(run.worker("worker-2"), signal.SIGKILL)
    killed_s = time.monotonic()
    result = run.ends()
    assert time.monotonic() - killed_s < 15  # of the 20 s: everything stops
    assert run.code == 3
    (lost,) = [one for one in result["load"]["workers"] if one["lost"]]
    assert lost["name"] == "worker-2"
    assert 0 < lost["recorded"] <= lost["started"] < lost["planned"]
    assert lost["missing"] == lost["planned"] - lost["recorded"]
    assert result["reasons"][0] == (
        f"worker-2 was lost (killed by signal 9): of its {lost['planned']} payments "
        f"{lost['started']} were started, {lost['recorded']} have a record, "
        f"{lost['missing']} are missing"
    )
    (kept,) = [one for one in result["load"]["workers"] if not one["lost"]]
    assert kept["recorded"] == kept["started"] > 0  # what it started is all there
    assert len(run.payments()) == kept["recorded"] + lost["recorded"]


@pytest.mark.slow
def test_a_frozen_worker_is_lost_after_ten_seconds_of_silence(tmp_path: Path) -> None:
    run = Run(tmp_path / "frozen", "--workers", "2", lasts="60s")
    run.begins()
    time.sleep(2)
    frozen = run.worker("worker-1")
    os.kill(frozen, signal.SIGSTOP)
    result = run.ends()
    assert run.code == 3
    assert result["reasons"][0].startswith("worker-1 was lost (not heard for 10 s): of its ")
    assert not Path(f"/proc/{frozen}").exists()


def test_workers_that_were_started_elsewhere_need_nothing_but_the_address(tmp_path: Path) -> None:
    run = Run(tmp_path / "here", "--workers", "2", "--master", "127.0.0.2:0")
    address = run.address()
    assert address.startswith("127.0.0.2:")
    with (
        worker(address, token="another token, also long") as stranger,
        worker(address) as one,
        worker(address) as two,
        worker(address) as three,
    ):
        result = run.ends()
        codes = sorted(each.wait(15) for each in (one, two, three))
        assert stranger.poll() is None  # it is not let in, and never counted
    assert codes == [0, 0, 3]  # there were two shares: the third was sent away
    assert verdict(result) == "pass", run.said.read_text()
    assert facts(result, "name", "missing") == [("far", 0), ("far-2", 0)]
    load = result["load"]
    assert load["planned"] == load["offered"] == load["recorded"]


def test_a_worker_that_somebody_ends_is_lost_at_once(tmp_path: Path) -> None:
    run = Run(tmp_path / "here", "--workers", "2", "--master", "127.0.0.1:0", lasts="20s")
    address = run.address()
    with worker(address, name="ended") as ended, worker(address, name="whole") as whole:
        run.begins()
        time.sleep(2)
        ended.send_signal(signal.SIGINT)
        result = run.ends(15)
        assert [ended.wait(10), whole.wait(10)] == [3, 0]
    assert run.code == 3
    assert result["reasons"][0].startswith("ended was lost (somebody ended it): of its ")


# A process of its own: Locust's worker modules patch the sockets of the one that imports them.
FAREWELL = """
import sys
from pathlib import Path
from types import SimpleNamespace
import msgspec
from harness.load.chunks import Receipt
from harness.load.messages import Share, name_of
from harness.load.plan import LoadPlan, Offered
from harness.load.worker import Worker

folder = Path(sys.argv[1])
heard = {}
environment = SimpleNamespace(
    process_exit_code=None,
    events=SimpleNamespace(quitting=SimpleNamespace(add_listener=lambda _: None)),
)
runner = SimpleNamespace(
    environment=environment,
    send_message=lambda *_: None,
    start_worker=lambda _: None,
    register_message=lambda name, take: heard.__setitem__(name, take),
)
worker = Worker(runner, "far", folder / "plan")

def come(message):
    data = msgspec.to_builtins(message, builtin_types=(bytes,))
    heard[name_of(type(message))](environment, SimpleNamespace(node_id="far", data=data))

plan = LoadPlan(
    "", "edge", ((0.0, 1.0), (1.0, 1.0)), False, (), 0.5, 1.0, 1.0, 7, 0, "EUR", 4000, 100, 90000
)
come(Share(msgspec.json.encode(plan)))
(folder / "load.spool").write_bytes(b"records")
(folder / "load.offered").write_bytes(msgspec.json.encode(Offered(1, is_over=True)))
worker._beat()
come(Receipt(6))
print(environment.process_exit_code)
come(Receipt(7))
print(environment.process_exit_code)
"""


def test_the_last_receipt_makes_a_worker_done_before_any_other_word(tmp_path: Path) -> None:
    # the word to go home may come next, before the worker looks again by itself
    done = subprocess.run(
        [sys.executable, "-c", FAREWELL, str(tmp_path)],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    assert done.stdout.split() == ["3", "0"]


class Cable:
    """A connection to a master that the test can cut and mend: a forwarder in a thread."""

    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        self._far = (host, int(port))
        self._loop = asyncio.new_event_loop()
        self._ends: list[asyncio.StreamWriter] = []
        self._is_cut = False
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(5)

    def _serve(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._join, "127.0.0.1", 0))
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started.set()
        self._loop.run_forever()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection(*self._far)
        self._ends += [writer, far_writer]
        await asyncio.gather(self._pour(reader, far_writer), self._pour(far_reader, writer))

    async def _pour(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

    def cut(self) -> None:
        def abort() -> None:
            self._is_cut = True
            while self._ends:
                self._ends.pop().transport.abort()

        self._loop.call_soon_threadsafe(abort)

    def mend(self) -> None:
        self._is_cut = False

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)


@pytest.mark.slow
def test_after_a_broken_connection_every_record_arrives_once(tmp_path: Path) -> None:
    run = Run(tmp_path / "here", "--workers", "2", "--master", "127.0.0.1:0", lasts="9s")
    address = run.address()
    cable = Cable(address)
    try:
        with worker(cable.address, name="cut") as cut, worker(address, name="whole") as whole:
            run.begins()
            time.sleep(2)
            cable.cut()
            time.sleep(5)  # Locust itself counts a worker as missing after 3 s
            (spool,) = [
                path
                for path in run.out.glob("*/spool/load-?.spool")
                if path.stat().st_mtime < time.time() - 3
            ]  # nothing came from the one that is cut off
            size = spool.stat().st_size
            cable.mend()
            result = run.ends()
            assert [cut.wait(10), whole.wait(10)] == [0, 0]
    finally:
        cable.close()
    assert size > 0
    assert verdict(result) == "pass", run.said.read_text()
    assert facts(result, "name", "missing", "lost") == [("cut", 0, ""), ("whole", 0, "")]
    payments = [row[0] for row in run.payments()]
    assert len(payments) == len(set(payments)) == result["load"]["planned"]


IP = shutil.which("ip") or "/usr/sbin/ip"


def _ip(words: str) -> None:
    subprocess.run([IP, *words.split()], check=True, capture_output=True)


@pytest.fixture
def namespaces() -> Iterator[list[str]]:
    """Two network namespaces that reach this one at 10.97.N.1 and nothing else."""
    if os.geteuid() != 0 or not Path(IP).exists():
        pytest.skip("needs root and iproute2 for network namespaces")
    names = [f"paychain{os.getpid()}-{number}" for number in (1, 2)]
    try:
        try:
            for number, name in enumerate(names, start=1):
                _ip(f"netns add {name}")
                _ip(f"link add pc{number}h type veth peer name pc{number}n netns {name}")
                _ip(f"addr add 10.97.{number}.1/24 dev pc{number}h")
                _ip(f"link set pc{number}h up")
                _ip(f"-n {name} addr add 10.97.{number}.2/24 dev pc{number}n")
                _ip(f"-n {name} link set pc{number}n up")
                _ip(
                    f"-n {name} route add 10.97.1.1/32 via 10.97.{number}.1"
                ) if number > 1 else None
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
        yield names
    finally:
        for number, name in enumerate(names, start=1):
            subprocess.run([IP, "link", "del", f"pc{number}h"], check=False, capture_output=True)
            subprocess.run([IP, "netns", "del", name], check=False, capture_output=True)


@pytest.mark.slow
def test_workers_in_network_namespaces_of_their_own_make_the_same_payments(
    tmp_path: Path, namespaces: list[str]
) -> None:
    alone = Run(tmp_path / "alone", "--virtual")  # by the same code in one process
    expected = alone.ends()
    run = Run(
        tmp_path / "apart", "--workers", "2", "--master", "10.97.1.1:0",
        chain=CHAIN + "allow: [10.97.0.0/16]\n",
    )  # fmt: skip
    address = run.address()
    workers = [
        subprocess.Popen(
            [IP, "netns", "exec", name, *CLI, "worker", "--master", address, "--name", name],
            env={**os.environ, "PAYCHAIN_TOKEN": TOKEN},
        )
        for name in namespaces
    ]
    result = run.ends()
    assert [one.wait(10) for one in workers] == [0, 0]
    assert verdict(result) == verdict(expected) == "pass", run.said.read_text()
    assert run.payments() == alone.payments()
    for one in result["load"]["workers"]:
        assert abs(one["clock_offset_ms"]) <= one["clock_within_ms"]  # one kernel, one clock


def test_a_master_outside_loopback_needs_a_token_and_a_chain_that_allows_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "shop.yaml").write_text(CHAIN)
    (tmp_path / "steady.yaml").write_text(EXPERIMENT.replace("LASTS", "2s"))
    words = [
        *CLI, "run", str(tmp_path / "shop.yaml"), str(tmp_path / "steady.yaml"),
        "--workers", "2", "--master", "192.0.2.7",
    ]  # fmt: skip
    said = [
        subprocess.run(
            words, env={**os.environ, "PAYCHAIN_TOKEN": token}, check=False, capture_output=True,
            text=True, timeout=60,
        )
        for token in ("", TOKEN)
    ]  # fmt: skip
    assert [one.returncode for one in said] == [2, 2]
    assert "192.0.2.7 is not on loopback" in said[0].stderr
    assert "allow it in shop.yaml: allow: [192.0.2.7]" in said[1].stderr
