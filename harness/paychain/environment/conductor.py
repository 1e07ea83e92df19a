"""One experiment on a running chain, from its first payment to its last final answer.

    begin the load ─┬─ apply and heal each fault at its moment ─┬─ the load is over ─ drain
                    └─ collect records, watch stop conditions ──┘

The same for real and virtual time: the chain alone knows how time passes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from paychain.analysis.measures.measures import Stopped
from paychain.analysis.watch import Watch
from paychain.engine.timeline import Switch, compile_timeline
from paychain.environment.running_chain import RunningChain, unfinished_payments
from paychain.load.traffic.plan import LoadPlan
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment, Times
from paychain.model.scripts import AssignedScripts
from paychain.payments.journal import FaultSwitch, Record


class RunObserver:
    """Receives the events of an experiment while it runs. This one ignores them."""

    wants_looks = False  # whether `look` is called during the load

    def begin(self, times: Times) -> None:
        """The load begins."""

    def add(self, records: Sequence[Record]) -> None:
        """Records have come."""

    def look(self, now_s: float, faults: Sequence[str], load: str) -> None:
        """The experiment has come to here; these faults are on. `load`: a few words about it."""

    def message(self, text: str) -> None:
        """Something worth a line happened."""


@dataclass(kw_only=True)
class ExperimentProgress:
    """How far an experiment got and what is known of it. Filled while it runs.

    Seconds are on the chain's clock.
    """

    times: Times | None = None  # None: the load did not begin
    stopped: Stopped | None = None
    drained_s: float | None = None  # None: it did not come to its drain
    pending: list[str] = field(default_factory=list)  # payments that were not final by then
    collecting: list[str] = field(default_factory=list)  # those of which nothing gives money back
    fault_hits: dict[str, int] | None = None  # of in-link faults; None: unknown
    problems: list[str] = field(default_factory=list)  # of the harness, in plain sentences
    misfit: str = ""  # why nothing that customers were answered is understood: so the load ended

    def end_load(self, now_ns: int) -> None:
        """The load ended now, unless it was over before."""
        assert self.times is not None
        lasted_s = now_ns / 1e9 - self.times.load_start_s
        if lasted_s < self.times.load_end_s - self.times.load_start_s:
            self.times = self.times.cut_short(max(0.0, lasted_s))


def conduct(
    chain: RunningChain,
    declared: Chain,
    experiment: Experiment,
    plan: LoadPlan,
    conducted: ExperimentProgress,
    observer: RunObserver,
) -> None:
    """Run an experiment on a chain that is started, and drain it.

    Raises what the chain raises; `conducted` then holds what was known by that time.
    """
    if experiment.scripts:
        chain.follow_scripts(AssignedScripts.of(experiment.scripts))
    start_ns = chain.begin_load(plan)
    conducted.times = experiment.times(start_ns / 1e9)
    try:
        observer.begin(conducted.times)
        drive = _Drive(chain, declared, experiment, conducted, observer)
        while not chain.is_load_over:
            chain.advance(drive.step(chain.now_ns()))
        drive.finish()
    except BaseException:
        # Whatever ended the load before its time: what was to come later was not seen.
        conducted.end_load(chain.now_ns())
        raise
    # A payment that is still in progress is not judged by what is left in the end; all others are.
    conducted.pending, conducted.collecting = unfinished_payments(chain.drain())
    conducted.drained_s = chain.now_ns() / 1e9
    conducted.fault_hits = chain.fault_hits()


class _Drive:
    """What is done during the load: faults, checks, and conditions to stop."""

    def __init__(
        self,
        chain: RunningChain,
        declared: Chain,
        experiment: Experiment,
        conducted: ExperimentProgress,
        observer: RunObserver,
    ) -> None:
        assert conducted.times is not None
        self._chain, self._conducted, self._observer = chain, conducted, observer
        self._due = deque(_moments(declared, experiment, conducted.times))
        self._is_broken = False  # an own service ended or is not understood: so does the load
        self._was_struck = False
        self._on: dict[str, None] = {}  # faults, in the order they were applied
        self._watch = Watch(experiment.stop_when, declared, conducted.times.load_start_s)
        # A load in virtual time is only watched if it may have to be stopped.
        looks = observer.wants_looks or bool(experiment.stop_when)
        self._look_ns = int(chain.look_every_s * 1e9) if looks else None
        self._next_look_ns = int(conducted.times.load_start_s * 1e9)

    def step(self, now_ns: int) -> int | None:
        """Do what is due by now; when the next thing is, None when nothing is."""
        # Answers under a fault say nothing about how customers are declared to pay.
        if not (self._was_struck or self._is_broken) and self._chain.misfit:
            self._is_broken = True
            self._conducted.misfit = self._chain.misfit
            self._end_early(now_ns / 1e9, f"the load ends early: {self._chain.misfit}")
        # One switch at a time: in another order of events, others may come between two of them.
        if self._due and self._due[0][0] <= now_ns:
            self._switch(*self._due.popleft())
        if self._chain.own.broken and not self._is_broken:
            self._is_broken = True
            self._end_early(now_ns / 1e9, f"{self._chain.own.broken} ended by itself")
        upcoming = [self._due[0][0]] if self._due else []
        if self._look_ns is not None:
            if now_ns >= self._next_look_ns:
                # Looks that were missed are skipped, not made up for.
                self._next_look_ns += self._look_ns * max(
                    1, (now_ns - self._next_look_ns) // self._look_ns + 1
                )
                self._look(now_ns / 1e9)
            upcoming.append(self._next_look_ns)
        return min(upcoming, default=None)

    def finish(self) -> None:
        """The load is over: heal what is still on, and say what was wrong with the load."""
        self.collect()
        problems = self._chain.load_problems()
        self._conducted.problems += problems
        while self._due:
            at_ns, switch = self._due.popleft()
            # A load that ended by itself was answered before its end. One that failed leaves
            # nothing to wait for.
            while not problems and self._chain.now_ns() < at_ns:
                self._chain.advance(at_ns)
            self._switch(at_ns, switch)

    def collect(self) -> None:
        """Pass on what was recorded."""
        for records in self._chain.collect():
            self._observer.add(records)
            self._watch.add(records)

    def _look(self, now_s: float) -> None:
        self.collect()
        self._observer.look(now_s, list(self._on), self._chain.load_line())
        # A run stops at the first condition that is met.
        met = self._watch.judge(now_s) if self._conducted.stopped is None else None
        if met is not None:
            self._stop_early(met)

    def _stop_early(self, met: Stopped) -> None:
        """A condition of the experiment to stop is met."""
        self._conducted.stopped = met
        self._end(met.at_s, met.sentence)

    def _end_early(self, now_s: float, why: str) -> None:
        """No customer is left to pay."""
        assert self._conducted.times is not None
        self._end(max(0.0, now_s - self._conducted.times.load_start_s), why)

    def _end(self, at_s: float, why: str) -> None:
        """From now on no customer starts to pay, and no fault is on. `at_s`: since the start."""
        assert self._conducted.times is not None
        self._conducted.times = self._conducted.times.cut_short(at_s)
        self._due.clear()
        self._chain.stop_load()
        for record in self._chain.heal_all():
            self._note(record)
        self._observer.message(why)

    def _switch(self, at_ns: int, switch: Switch) -> None:
        self._note(self._chain.switch(switch, at_ns))

    def _note(self, record: FaultSwitch) -> None:
        if record.error:
            self._conducted.problems.append(record.problem)
        if record.action == "applied":
            self._on[record.fault] = None
            self._was_struck = True
        else:
            self._on.pop(record.fault, None)


def _moments(chain: Chain, experiment: Experiment, times: Times) -> list[tuple[int, Switch]]:
    """Every switch of a fault, with its moment on the chain's clock."""
    return [
        (int((times.faults_start_s + switch.at_s) * 1e9), switch)
        for switch in compile_timeline(chain, experiment)
    ]
