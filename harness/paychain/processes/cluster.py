"""Jobs on the workers of a Dask cluster, for searches on more than one machine.

here ── task(job, argument) ───> scheduler ───> worker ── job process (cluster_job.py)
here <── topic: (job, worker, value so far) ── worker
here <── the last value ────── scheduler <──── worker
here ── event: stop ──────────> scheduler <─── worker  asks now and then

The scheduler gives the work of a worker that is lost to another one, from its beginning; here it is
noticed and said.
"""

from __future__ import annotations

import logging
import pickle
import queue
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from paychain.payments.errors import UserError
from paychain.payments.web_addresses import split_address
from paychain.processes import cluster_job
from paychain.processes.jobs import Job, Report

if TYPE_CHECKING:
    from distributed import Client, Event, Future

CONNECT_WITHIN_S = 10.0
WORKERS_WITHIN_S = 30.0  # a cluster that has none for so long is of no use
LOOK_S = 1.0  # between two looks at who is there
Say = Callable[[str], None]


class Cluster:
    """A connection to a cluster. `say` gets a line when a worker is lost or is new.

    Raises UserError when there is no cluster, it has no workers, or they have not our version.
    """

    def __init__(self, address: str, say: Say) -> None:
        self._address, self._say = address, say
        self._client = _connected(address)
        self._check_workers()

    @property
    def threads(self) -> int:
        """How many jobs its workers do at once."""
        workers = self._client.scheduler_info()["workers"]
        return sum(worker["nthreads"] for worker in workers.values())

    def close(self) -> None:
        """Leave the cluster; its workers stay."""
        self._client.close()

    def _check_workers(self) -> None:
        client, ours = self._client, version("paychain")
        try:
            client.wait_for_workers(1, timeout=WORKERS_WITHIN_S)
        except TimeoutError:
            raise UserError(
                f"--cluster {self._address}: no worker within {WORKERS_WITHIN_S:g} s",
                hint=f"start some: dask worker {self._address}",
            ) from None
        try:
            theirs = client.run(version, "paychain")
        except Exception as error:
            raise UserError(
                f"--cluster {self._address}: its workers cannot be used: {error}", hint=_INSTALL
            ) from None
        others = [f"{worker} has {other}" for worker, other in theirs.items() if other != ours]
        if others:
            raise UserError(
                f"--cluster {self._address}: this is paychain {ours}, but {', '.join(others)}",
                hint="install the same version on all machines",
            )

    @contextmanager
    def start(self, job: Job, arguments: Sequence[Any]) -> Iterator[RunningOnCluster]:
        """Run the job with each argument on the workers; all have stopped at the end."""
        running = RunningOnCluster(self._client, self._address, self._say, job, arguments)
        try:
            yield running
        finally:
            running.end()


class RunningOnCluster:
    """Jobs that workers of a cluster do."""

    def __init__(
        self, client: Client, address: str, say: Say, job: Job, arguments: Sequence[Any]
    ) -> None:
        from distributed import Event

        self._client, self._address, self._say = client, address, say
        self._inbox: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        self._topic = f"paychain-{uuid.uuid4().hex}"
        self._stop: Event = Event(self._topic, client=client)
        self._workers = self._known()
        self._looked_s = self._seen_s = time.monotonic()
        self._at: dict[int, str] = {}  # the worker that does a job
        self._begun: defaultdict[str, set[int]] = defaultdict(set)  # by worker, and not ended there
        client.subscribe_topic(self._topic, self._on_event)
        self._futures: dict[int, Future[bytes]] = {}
        for number, argument in enumerate(arguments):
            # As bytes: the scheduler passes them on, and does not need what they are made of.
            task = cluster_job.Task(number, self._topic, pickle.dumps((job, argument)))
            future = client.submit(
                cluster_job.run_job, task, key=f"{self._topic}-{number}", pure=False
            )
            future.add_done_callback(lambda _, number=number: self._inbox.put((number, None)))
            self._futures[number] = future

    def receive(self) -> list[Report]:
        """Wait for reports of jobs that are not done. Raises what a job raised."""
        reports: list[Report] = []
        while not reports:
            with suppress(queue.Empty):
                reports += self._report(*self._inbox.get(timeout=LOOK_S))
                while True:
                    reports += self._report(*self._inbox.get_nowait())
            if time.monotonic() - self._looked_s >= LOOK_S:
                self.look()
        return reports

    def stop(self) -> None:
        """Ask the jobs to end with what they have."""
        self._stop.set()

    def end(self) -> None:
        """All are stopped: a worker that still has a released job's argument stops it."""
        with suppress(OSError, TimeoutError):
            self._client.cancel(list(self._futures.values()))
            self._client.unsubscribe_topic(self._topic)
        self._futures.clear()

    def _on_event(self, event: tuple[float, Any]) -> None:
        number, worker, value = event[1]
        self._inbox.put((number, (worker, value)))

    def _report(self, number: int, sent: tuple[str, bytes] | None) -> Iterator[Report]:
        future = self._futures.get(number)
        if future is None:  # it is done: what was sent before came late
            return
        if sent is not None:
            self._at[number], value = sent
            self._begun[self._at[number]].add(number)
            if value:
                yield Report(number, pickle.loads(value), False)  # noqa: S301  (of a worker that the user trusts)
            return
        del self._futures[number]
        self._begun[self.place_of(number)].discard(number)
        yield Report(number, pickle.loads(self._result(number, future)), True)  # noqa: S301  (as above)

    def _result(self, number: int, future: Future[bytes]) -> bytes:
        from distributed import CancelledError, KilledWorker

        try:
            result: bytes = future.result()
        except KilledWorker as error:
            raise UserError(
                f"job {number + 1} was abandoned: {error.allowed_failures + 1} workers died while "
                "they ran it",
                hint="see the workers' logs; they may have too little memory",
            ) from None
        except cluster_job.JobDied as error:
            hint = "see the worker's log; it may have too little memory"
            raise UserError(str(error), hint=hint) from None
        except CancelledError:
            raise self._gone() from None
        return result

    def place_of(self, job: int) -> str:
        """The address of the worker that does a job, as far as it is known."""
        return self._at.get(job, "")

    def look(self) -> None:
        """Say which workers are there no more, and which are new. Raises UserError."""
        self._looked_s = time.monotonic()
        try:
            known = self._known()
        except (OSError, TimeoutError):
            raise self._gone() from None
        for worker in sorted(self._workers.keys() - known.keys()):
            had = [str(number + 1) for number in sorted(self._begun.pop(worker, ()))]
            jobs = f"; reassigned: job {', '.join(had)}" if had else ""
            self._say(f"lost worker {self._workers[worker]}{jobs}")
        for worker in sorted(known.keys() - self._workers.keys()):
            self._say(f"new worker {known[worker]}")
        self._workers = known
        if known:
            self._seen_s = self._looked_s
        elif self._looked_s - self._seen_s > WORKERS_WITHIN_S:
            raise UserError(f"--cluster {self._address}: all workers are lost", hint="start others")

    def _known(self) -> dict[str, str]:
        """The workers that are there, by address: what they are called."""
        if self._client.status != "running":
            raise self._gone()
        workers = self._client.scheduler_info()["workers"]
        return {
            address: address if worker["name"] == address else f"{worker['name']} ({address})"
            for address, worker in workers.items()
        }

    def _gone(self) -> UserError:
        return UserError(
            f"the scheduler at {self._address} no longer responds", hint="start it, and try again"
        )


_EXAMPLE = "give the scheduler's address, such as tcp://10.0.0.1:8786"
_INSTALL = "install paychain[cluster], the same version, on the scheduler and on every worker"


def _connected(address: str) -> Client:
    try:
        from distributed import Client
    except ImportError:
        raise UserError("--cluster needs Dask", hint="pip install 'paychain[cluster]'") from None
    where = split_address(address)
    if "://" in address and not where.hostname:
        # Dask would find out, and leave a client behind that waits at its end.
        raise UserError(f"--cluster {address} is not an address", hint=_EXAMPLE)
    # Its log is reported here in a sentence, without stack traces.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        return Client(address, timeout=CONNECT_WITHIN_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise UserError(
            f"--cluster {address}: {error}",
            hint=_EXAMPLE,
        ) from None
