"""One virtual run from start to verdict: the same files and the same judgement as a real run."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import msgspec

from harness.analysis.analyse import analyse
from harness.analysis.store import RunStore
from harness.analysis.watch import cut_short
from harness.faults.ability import refuse_unable
from harness.order import Finished, Order, make_folder
from harness.payments.errors import UserError
from harness.progress import Progress
from harness.report.outputs import publish
from harness.report.result import EngineFacts
from harness.simulation.determinism import digest, first_difference, replay
from harness.simulation.simulate import FAILURES
from harness.simulation.world import Played, interleaved, play
from harness.toxics.api import VERSION
from harness.verdict import result_of


def run(
    order: Order, progress: Progress, *, check_determinism: bool = False, interleaving: int = 0
) -> Finished:
    """Run an experiment on a chain in virtual time and judge it.

    `interleaving`: another order of events than the usual one (0), as an exploration found it.

    A failure of the simulation itself never raises: the verdict is inconclusive and says why.
    Raises FileMistakes when a fault asks for what no toxic can do.
    """
    refuse_unable(order.experiment, "embedded")
    started = datetime.now(UTC)
    folder = make_folder(order, started)
    chain, experiment = order.chain.model, order.experiment.model
    progress.say(
        f"{experiment.experiment} on {chain.chain} in virtual time, seed {order.seed}; "
        f"{experiment.load_lasts:.0f} s of load"
    )
    played = Played()
    was_interrupted = False
    begun_s = time.perf_counter()
    try:
        with _interruptible():
            play(chain, experiment, order.seed, played=played, **interleaved(interleaving))
    except KeyboardInterrupt:
        was_interrupted = True
        played.problems.insert(0, "the run was interrupted")
    except FAILURES as error:
        played.problems.append(f"the simulation failed: {type(error).__name__}: {error}")
    took_s = time.perf_counter() - begun_s
    if played.stopped is not None:
        progress.say(played.stopped.sentence)
    compression = played.ended_s / took_s if played.ended_s else None
    if compression is not None:
        progress.say(f"{played.ended_s:.1f} s passed in {took_s:.1f} s: x {compression:.0f}")
    if check_determinism and not played.problems:
        _check(order, folder, played, progress, interleaving)
    progress.close()
    store = RunStore.create(folder / "run.db")
    store.set_meta("timeline", cut_short(experiment.moments(played.start_s), played.stopped))
    store.set_meta("stopped", msgspec.to_builtins(played.stopped))
    store.ingest(played.records)
    store.set_meta("drained_s", played.drained_s)
    store.set_meta("planned", played.planned)
    if played.drained_s:
        store.set_meta("offered", played.offered)
    store.set_meta("fault_hits", played.fault_hits)
    analysis = analyse(store, chain, experiment, problems=played.problems)
    store.thin(order.seed)
    store.close()
    result = result_of(
        order, folder, started, analysis, EngineFacts("embedded", VERSION), virtual=True,
        compression=compression,
    )  # fmt: skip
    return Finished(folder, publish(result, folder), was_interrupted)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C ends the loop between two of its callbacks. Raised wherever the program happens to
    be, it is lost where C calls Python: in the HTTP parser's callbacks and in weak references'."""
    before = signal.getsignal(signal.SIGINT)
    is_ours = before is signal.default_int_handler and (
        threading.current_thread() is threading.main_thread()
    )
    heard: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        heard.append(number)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise KeyboardInterrupt from None
        if len(heard) > 1:  # it does not come to its next callback
            raise KeyboardInterrupt
        loop.call_soon(_raise)

    if is_ours:
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        if is_ours:
            signal.signal(signal.SIGINT, before)


def _raise() -> None:
    raise KeyboardInterrupt


def _check(
    order: Order, folder: Path, played: Played, progress: Progress, interleaving: int
) -> None:
    """Play once more in another process and compare every record."""
    inputs = folder / "inputs"
    try:
        again = replay(
            inputs / order.chain.path.name,
            inputs / order.experiment.path.name,
            order.seed,
            interleaving,
        )
    except UserError as error:
        played.problems.append(str(error))
        return
    difference = first_difference(played.records, again)
    if difference is None:
        progress.say(
            f"determinism: 2 runs, {len(again):,} records each, the same bytes "
            f"(sha256 {digest(again)[:16]})"
        )
    else:
        played.problems.append(f"two runs of one seed differ: {difference}")
