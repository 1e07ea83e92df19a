"""A load over several worker processes, here and elsewhere: whole, or what is missing is named."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.chains import corner_shop, experiment
from tests.support.cli import PAYCHAIN, Running, environment, invoked, python, running
from tests.support.processes import needs_proc
from tests.support.runs import declare, payments_are_under_way, result_in, run_in
from tests.support.waiting import WITHIN_S, let_pass, wait_until

# Declines are drawn per payment from the seed: who sends it must make no difference.
CHAIN = corner_shop(
    deadline="8s", timeout="7s", processor_timeout="6s", issuer={"declines": {"share": "20%"}}
)
TOKEN = "a token of a test, long enough"
pytestmark = needs_proc


def steady(lasts: str = "2s") -> str:
    return experiment(
        name="steady",
        arrivals="40/s, spacing: poisson",
        before=lasts,
        after="500ms",
        tolerances='{technical_success: ">= 99%"}',
    )


class Run:
    """A `paychain run` that goes on, and what it left when it ended."""

    def __init__(self, folder: Path, process: Running) -> None:
        self._folder, self._process = folder, process
        self.out = folder / "runs"

    @property
    def output(self) -> str:
        return self._process.output

    def begins(self) -> None:
        """Wait until payments of both workers are recorded."""

        def both_pay() -> bool:
            spools = list(self.out.glob("*/spool/load-?.spool"))
            return len(spools) == 2 and all(spool.stat().st_size for spool in spools)

        wait_until(both_pay, "payments of both workers")
        payments_are_under_way(self._folder, at_least=40)

    def address(self) -> str:
        self._process.wait_for("--master")
        return self.output.partition("--master ")[2].split()[0]

    def worker(self, name: str) -> int:
        """Its process id."""
        called = f"PAYCHAIN_LOAD_WORKER={name}\0".encode()
        pids = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == self._process.pid and called in (process / "environ").read_bytes():
                    pids.append(int(process.name))
        (pid,) = pids
        return pid

    def ends(self, within_s: float = 200) -> dict[str, Any]:
        self.code = self._process.exit_code(within_s)
        self.folder = run_in(self._folder)
        return result_in(self.folder)

    def payments(self) -> list[tuple[Any, ...]]:
        return payments_in(self.folder)


def payments_in(run: Path) -> list[tuple[Any, ...]]:
    """Everything of the payments of a run that has no clock in it."""
    with sqlite3.connect(run / "run.db") as db:
        return db.execute(
            "SELECT payment, outcome, code, amount_minor, scheme, instrument, merchant, "
            "warm_up FROM txn ORDER BY payment"
        ).fetchall()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Starts runs of the shop, each in a folder of its own."""
    with ExitStack() as going:

        def start(name: str, *options: str, lasts: str = "2s", chain: str = CHAIN) -> Run:
            folder = tmp_path / name
            folder.mkdir()
            declare(folder, shop=chain, steady=steady(lasts))
            words = ["run", "shop.yaml", "steady.yaml", "--out", "runs", *options]
            known = {"PAYCHAIN_TOKEN": TOKEN}
            return Run(folder, going.enter_context(running(folder, *words, variables=known)))

        yield start


@contextmanager
def worker(
    folder: Path, address: str, *, token: str = TOKEN, name: str = "far"
) -> Iterator[subprocess.Popen[bytes]]:
    words = ["worker", "--master", address, "--name", name]
    known = {"PAYCHAIN_TOKEN": token}
    with running(
        folder, *words, log=f"worker-{len(list(folder.glob('worker-*')))}.txt", variables=known
    ) as process:
        yield process.process


def verdict(result: dict[str, Any]) -> str:
    """As it was judged, but for a machine too busy to keep the schedule: not the subject here."""
    if all("behind its schedule" in reason for reason in result["reasons"]):
        return "pass"
    return str(result["verdict"])


def facts(result: dict[str, Any], *names: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(each[name] for name in names) for each in result["load"]["workers"])


@pytest.mark.thorough  # two workers from elsewhere, below, make the payments of a virtual run
@pytest.mark.long(50)
@pytest.mark.parametrize("numbers", [(1, 2), (1, 4)])
def test_one_and_several_workers_make_the_same_payments(
    run: Callable[..., Run], numbers: tuple[int, int]
) -> None:
    results, payments = [], []
    for workers in numbers:
        going = run(str(workers), "--workers", str(workers))
        results.append(going.ends())
        payments.append(going.payments())
        assert verdict(results[-1]) == "pass", going.output
    assert payments[0] == payments[1]
    counts = ("planned", "offered", "recorded")
    loads = [[result["load"][name] for name in counts] for result in results]
    assert loads[0] == loads[1]
    assert loads[0][0] == loads[0][1] == loads[0][2] == len(payments[0])
    assert [len(result["load"]["workers"]) for result in results] == [0, numbers[1]]
    for result in results:
        for share in result["load"]["workers"]:
            assert share["planned"] == share["started"] == share["recorded"]
            assert share["missing"] == 0
            # one machine has one clock: the true offset is 0
            assert abs(share["clock_offset_ms"]) <= share["clock_uncertainty_ms"]


@pytest.mark.slow
def test_a_killed_worker_is_named_with_what_is_missing_of_its_share(
    run: Callable[..., Run],
) -> None:
    going = run("killed", "--workers", "2", lasts="90s")
    going.begins()
    os.kill(going.worker("worker-2"), signal.SIGKILL)
    killed_s = time.monotonic()
    result = going.ends()
    assert time.monotonic() - killed_s < 60  # of the 90 s: everything stops
    assert going.code == 3
    (lost,) = [each for each in result["load"]["workers"] if each["lost"]]
    assert lost["name"] == "worker-2"
    assert 0 < lost["recorded"] <= lost["started"] < lost["planned"]
    assert lost["missing"] == lost["planned"] - lost["recorded"]
    assert result["reasons"][0] == (
        f"worker-2 was lost (killed by signal 9): of its {lost['planned']} payments "
        f"{lost['started']} were started, {lost['recorded']} have a record, "
        f"{lost['missing']} are missing"
    )
    (kept,) = [each for each in result["load"]["workers"] if not each["lost"]]
    assert kept["recorded"] == kept["started"] > 0  # what it started is all there
    assert len(going.payments()) == kept["recorded"] + lost["recorded"]


@pytest.mark.thorough  # CI sees a killed worker, and a load process that stands still
def test_a_frozen_worker_is_lost_after_ten_seconds_of_silence(run: Callable[..., Run]) -> None:
    going = run("frozen", "--workers", "2", lasts="60s")
    going.begins()
    frozen = going.worker("worker-1")
    os.kill(frozen, signal.SIGSTOP)
    result = going.ends()
    assert going.code == 3
    assert result["reasons"][0].startswith("worker-1 was lost (silent for 10 s): of its ")
    assert not Path(f"/proc/{frozen}").exists()


@pytest.mark.thorough  # without the third one, below
def test_workers_that_were_started_elsewhere_need_nothing_but_the_address(
    run: Callable[..., Run], tmp_path: Path
) -> None:
    going = run("here", "--workers", "2", "--master", "127.0.0.2:0")
    address = going.address()
    assert address.startswith("127.0.0.2:")
    with (
        worker(tmp_path, address, token="another token, also long") as stranger,
        worker(tmp_path, address) as first,
        worker(tmp_path, address) as second,
        worker(tmp_path, address) as third,
    ):
        result = going.ends()
        codes = sorted(process.wait(WITHIN_S) for process in (first, second, third))
        assert stranger.poll() is None  # it is not let in, and never counted
    assert codes == [0, 0, 3]  # there were two shares: the third was sent away
    assert verdict(result) == "pass", going.output
    assert facts(result, "name", "missing") == [("far", 0), ("far-2", 0)]
    load = result["load"]
    assert load["planned"] == load["offered"] == load["recorded"]
    declare(tmp_path, shop=CHAIN, steady=steady())
    words = ["run", "shop.yaml", "steady.yaml", "--virtual", "--out", "alone"]
    assert invoked(tmp_path, *words).exit_code == 0
    assert going.payments() == payments_in(run_in(tmp_path, "alone"))
    for share in load["workers"]:
        assert share["planned"] == share["started"] == share["recorded"]
        # One machine has one clock: the true offset is 0.
        assert abs(share["clock_offset_ms"]) <= share["clock_uncertainty_ms"]


@pytest.mark.thorough
def test_a_worker_that_somebody_ends_is_lost_at_once(
    run: Callable[..., Run], tmp_path: Path
) -> None:
    going = run("here", "--workers", "2", "--master", "127.0.0.1:0", lasts="90s")
    address = going.address()
    with (
        worker(tmp_path, address, name="ended") as ended,
        worker(tmp_path, address, name="whole") as whole,
    ):
        going.begins()
        ended.send_signal(signal.SIGINT)
        result = going.ends()  # of the 90 s: everything stops
        assert [ended.wait(WITHIN_S), whole.wait(WITHIN_S)] == [3, 0]
    assert going.code == 3
    assert result["reasons"][0].startswith(
        "ended was lost (it was terminated by a signal): of its "
    )


# A process of its own: Locust's worker modules patch the sockets of the one that imports them.
FAREWELL = """
import sys
from pathlib import Path
from types import SimpleNamespace
import msgspec
from paychain.load.distributed.chunks import ChunkReceipt
from paychain.load.distributed.messages import Share, name_of
from paychain.load.traffic.plan import AmountPlan, EntryPlan, LoadPlan, OfferedLoad
from paychain.load.distributed.worker import Worker

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
    entries=(EntryPlan(link="edge"),), corners=((0.0, 1.0), (1.0, 1.0)), is_random=False, times=(),
    warm_up_s=0.5, lasts_s=1.0, deadline_s=1.0, seed=7, epoch_ns=0, currency="EUR",
    amounts=AmountPlan(median=4000, least=100, most=90000),
)
come(Share(msgspec.json.encode(plan)))
(folder / "load.spool").write_bytes(b"records")
(folder / "load.offered").write_bytes(msgspec.json.encode(OfferedLoad(1, is_over=True)))
worker._heartbeat()
come(ChunkReceipt(6))
print(environment.process_exit_code)
come(ChunkReceipt(7))
print(environment.process_exit_code)
"""


@pytest.mark.slow
def test_the_last_receipt_makes_a_worker_done_before_any_other_message(tmp_path: Path) -> None:
    # Locust's order to quit may come next, before the worker looks again by itself.
    done = python(tmp_path, "-c", FAREWELL, str(tmp_path))
    assert done.stdout.split() == ["3", "0"], done.stderr


class Cable:
    """A connection to a master that the test can cut and restore: a forwarder in a thread."""

    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        self._far = (host, int(port))
        self._loop = asyncio.new_event_loop()
        self._ends: list[asyncio.StreamWriter] = []
        self._is_cut = False
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(WITHIN_S)

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

    def restore(self) -> None:
        self._is_cut = False

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)


@pytest.mark.slow
@pytest.mark.long(35)
def test_workers_from_elsewhere_need_the_address_and_deliver_every_record_once(
    run: Callable[..., Run], tmp_path: Path
) -> None:
    """One of them loses its connection for a while."""
    going = run("here", "--workers", "2", "--master", "127.0.0.2:0", lasts="9s")
    address = going.address()
    assert address.startswith("127.0.0.2:")
    cable = Cable(address)
    try:
        with (
            worker(tmp_path, address, token="another token, also long") as stranger,
            worker(tmp_path, cable.address) as cut,
            worker(tmp_path, address) as whole,
        ):
            going.begins()
            cable.cut()
            let_pass(5)  # Locust itself counts a worker as missing after 3 s
            (spool,) = [
                path
                for path in going.out.glob("*/spool/load-?.spool")
                if path.stat().st_mtime < time.time() - 3
            ]  # nothing came from the one that is cut off
            size = spool.stat().st_size
            cable.restore()
            result = going.ends()
            assert [cut.wait(WITHIN_S), whole.wait(WITHIN_S)] == [0, 0]
            assert stranger.poll() is None  # it is not let in, and never counted
    finally:
        cable.close()
    assert size > 0
    assert verdict(result) == "pass", going.output
    lost = facts(result, "name", "missing", "lost")
    assert lost == [("far", 0, ""), ("far-2", 0, "")]
    load = result["load"]
    assert load["planned"] == load["offered"] == load["recorded"] == len(going.payments())
    for share in load["workers"]:
        assert share["planned"] == share["started"] == share["recorded"]
        # One machine has one clock: the true offset is 0.
        assert abs(share["clock_offset_ms"]) <= share["clock_uncertainty_ms"]
    declare(tmp_path, shop=CHAIN, steady=steady("9s"))
    words = ["run", "shop.yaml", "steady.yaml", "--virtual", "--out", "alone"]
    assert invoked(tmp_path, *words).exit_code == 0
    assert going.payments() == payments_in(run_in(tmp_path, "alone"))


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


@pytest.mark.thorough
def test_workers_in_network_namespaces_of_their_own_make_the_same_payments(
    run: Callable[..., Run], namespaces: list[str]
) -> None:
    alone = run("alone", "--virtual")  # by the same code in one process
    expected = alone.ends()
    allowed = CHAIN + "allow: [10.97.0.0/16]\n"
    going = run("apart", "--workers", "2", "--master", "10.97.1.1:0", chain=allowed)
    address = going.address()
    workers = [
        subprocess.Popen(
            [IP, "netns", "exec", name, *PAYCHAIN, "worker", "--master", address, "--name", name],
            env=environment(PAYCHAIN_TOKEN=TOKEN),
        )
        for name in namespaces
    ]
    result = going.ends()
    assert [process.wait(WITHIN_S) for process in workers] == [0, 0]
    assert verdict(result) == verdict(expected) == "pass", going.output
    assert going.payments() == alone.payments()
    for each in result["load"]["workers"]:
        assert abs(each["clock_offset_ms"]) <= each["clock_uncertainty_ms"]  # one kernel, one clock


def test_a_master_outside_loopback_needs_a_token_and_a_chain_that_allows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(tmp_path, shop=CHAIN, steady=steady())
    words = ["run", "shop.yaml", "steady.yaml", "--workers", "2", "--master", "192.0.2.7"]
    monkeypatch.setenv("PAYCHAIN_TOKEN", "")
    without = invoked(tmp_path, *words)
    monkeypatch.setenv("PAYCHAIN_TOKEN", TOKEN)
    with_token = invoked(tmp_path, *words)
    assert (without.exit_code, with_token.exit_code) == (2, 2)
    assert "192.0.2.7 is not on loopback" in without.stderr
    assert "allow it in shop.yaml: allow: [192.0.2.7]" in with_token.stderr
