"""What the tests of all xdist workers share: each real run is made once, some at a time."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from paychain.processes.files import write_atomically
from tests.support.cli import Done, paychain
from tests.support.runs import run_in
from tests.support.waiting import wait_until

TRIES = 3  # a busy machine may end a run inconclusive
TRY_S = 180.0
# A run's reader waits as long as all its tries may take, and pytest lets it.
WAITS_S = TRIES * TRY_S + 30
TEST_S = WAITS_S + 60
AT_ONCE = 4  # real runs on the whole machine: two processors carry that many
OUTCOME = "outcome.json"
INCONCLUSIVE = 3  # the exit code
Pair = tuple[str, str]  # a chain and an experiment
Runner = Callable[[Path, Pair, str], Done]


class Outcome(msgspec.Struct, frozen=True):
    """How the run of a pair ended: its folder, or what went wrong."""

    out: str = ""
    error: str = ""


def run_pair(folder: Path, pair: Pair, out: str) -> Done:
    """Run a pair once, as a user does."""
    return paychain(folder, "run", *pair, "--out", out, timeout_s=TRY_S)


def tried(folder: Path, pair: Pair, runner: Runner) -> Outcome:
    for number in range(TRIES):
        done = runner(folder, pair, str(number))
        if done.exit_code != INCONCLUSIVE:
            break
    if not (folder / str(number)).exists():
        return Outcome(error=f"exit code {done.exit_code}: {done.stderr}")
    return Outcome(out=str(number))


def ensure_run(pair: Pair, shared: Path, runner: Runner = run_pair) -> None:
    """Run a pair unless another thread or worker has begun it; leave its outcome, whatever it is.

    A thread's exception is lost with the thread, so that it goes to the readers in the outcome.
    """
    folder = shared / "-".join(pair)
    try:
        folder.mkdir()
    except FileExistsError:
        return
    outcome = Outcome(error="its runner was interrupted")
    try:
        outcome = tried(folder, pair, runner)
    except Exception:
        outcome = Outcome(error=traceback.format_exc())
    finally:
        write_atomically(folder / OUTCOME, msgspec.json.encode(outcome).decode())


def finished_run(pair: Pair, shared: Path, runner: Runner = run_pair) -> Path:
    """The folder of a pair's run, once it is there; run here if nobody has begun it."""
    ensure_run(pair, shared, runner)
    folder = shared / "-".join(pair)
    wait_until((folder / OUTCOME).exists, f"the real run of {pair}", within_s=WAITS_S)
    outcome = msgspec.json.decode((folder / OUTCOME).read_bytes(), type=Outcome)
    assert not outcome.error, f"the real run of {pair}: {outcome.error}"
    return run_in(folder, outcome.out)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that one of the xdist workers makes, while those that need it too wait.

    For what a fixture of a module runs: its tests may be spread over several workers. `name` is of
    this session; no test may change the folder.
    """
    folder = _common(factory) / f"once-{name}"
    try:
        folder.mkdir()
    except FileExistsError:
        wait_until((folder / OUTCOME).exists, f"what makes {name}", within_s=WAITS_S)
    else:
        outcome = Outcome(error="its maker was interrupted")
        try:
            make(folder)
            outcome = Outcome()
        except Exception:
            outcome = Outcome(error=traceback.format_exc())
        finally:
            write_atomically(folder / OUTCOME, msgspec.json.encode(outcome).decode())
    outcome = msgspec.json.decode((folder / OUTCOME).read_bytes(), type=Outcome)
    assert not outcome.error, f"{name}: {outcome.error}"
    return folder


def _common(factory: pytest.TempPathFactory) -> Path:
    """The temporary folder that all workers of xdist have in common."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@contextmanager
def begun(pairs: Sequence[Pair], factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Run pairs in threads, shared with the other workers; the folder of their runs."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    in_order = list(pairs)
    if os.environ.get("PYTEST_XDIST_WORKER", "gw0") != "gw0":  # whose tests are the last ones
        in_order.reverse()
    shared = _common(factory) / "real-runs"
    shared.mkdir(exist_ok=True)
    with ThreadPoolExecutor(max(1, AT_ONCE // workers)) as pool:
        for pair in in_order:
            pool.submit(ensure_run, pair, shared)
        yield shared
        pool.shutdown(cancel_futures=True)  # every test of this worker has its run
