"""The chain that a search pays on: spaced, started again, or started afresh when it has to be."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from statistics import median

from paychain.environment.running_chain import RunningChain
from paychain.explore.live.batch import Batches
from paychain.explore.live.judged import Batch, Judged
from paychain.explore.live.result import LiveResult, LiveSpec
from paychain.explore.live.steps import Steps
from paychain.explore.live.through import Through
from paychain.model.chain import Chain
from paychain.payments.errors import UserError

ILL_SHARE = 0.25  # of the controls: when more fail technically, batches disturb the service
MIN_RATE = 2.0  # payments per second: batches are not spaced further
# Payments per second, until it is known what the service can do: as many at most, and so many times
# as many as it does one after the other. A service on a busy machine is not to drown in its first
# batch, and what is broken then to be its load's doing.
FIRST_RATE, AT_FIRST = 12.0, 1.5
BATCH_S = 8.0  # a batch takes about as long at most: the rate holds for all of it
RISING_S = 2.0  # the same until it is known what the service can do: each may be faster
MIN_SCRIPTS = 8  # of a batch
BASE_RATE = 4.0  # one after the other, more or less
MIN_BASE_S = 0.001
BASE = 8  # payments without failures: how long one takes, and what it requests
# Payments without a script by which the rate is set: half of those of a batch, so that the next one
# may be faster.
WINDOW = 4
SLOWED = 3.0  # times as long as at first: the service has more than it can do
SLOWED_S = 0.3  # and so much longer: what takes milliseconds varies by more
FASTER, SLOWER = 1.5, 0.6  # times the rate
UNANSWERED = 0.95  # of the deadline: who began a little late waits no longer
MAX_DEATHS = 3  # of own services without a payment that was judged in between: there will be none
OpenChain = Callable[[], RunningChain]


class Chains:
    """One running chain after the other.

    `on_judged` gets each order and its batch, `on_changed` those that break a rule later. `on_left`
    gets the scripts of orders that are not judged because their chain was stopped. What happens to
    the chain is counted in `result`. `on_moment`, `keeps_requests`: as of `Batches`.
    """

    def __init__(
        self,
        chain: Chain,
        spec: LiveSpec,
        open_chain: OpenChain,
        result: LiveResult,
        *,
        on_judged: Callable[[Judged, Batch], None],
        on_changed: Callable[[Judged, Batch], None],
        on_left: Callable[[Sequence[Steps]], None],
        on_moment: Callable[[], None] = lambda: None,
        keeps_requests: bool = False,
    ) -> None:
        self.ended: deque[Batch] = deque()  # batches not yet evaluated
        self._chain, self._spec, self._open_chain = chain, spec, open_chain
        self._keeps_requests = keeps_requests
        self._result = result
        self._on_judged, self._on_changed, self._on_left = on_judged, on_changed, on_left
        self._on_moment = on_moment
        self._rate = min(FIRST_RATE, spec.rate)
        self._limit = spec.rate  # of the rate, once payments without a script have failed
        self._is_rising = True  # the rate: the service has kept up with it so far
        self._base_s: float | None = None  # what a payment takes where nothing else happens
        self._took_s: deque[float] = deque()
        self._is_understood = False  # payments where nothing else happens show something
        self._requests = 0  # on chains that were stopped
        self._deaths_in_a_row, self._judged_at_death = 0, 0
        self._running: RunningChain | None = None
        self._batches: Batches | None = None

    @property
    def now(self) -> Batches:
        """The batches on the chain that runs now."""
        assert self._batches is not None, "the chain is started"
        return self._batches

    @property
    def through(self) -> Through:
        """What lets orders meet outages on the chain that runs now."""
        assert self._running is not None, "the chain is started"
        return Through(self._chain, self._running, self.now)

    @property
    def requests(self) -> int:
        """Requests over all hops of all chains."""
        return self._requests + (self._batches.requests if self._batches is not None else 0)

    @property
    def is_measured(self) -> bool:
        """Whether it is known what a payment takes where nothing else happens."""
        return self._base_s is not None

    def start(self) -> None:
        """Start a chain."""
        self._running = self._open_chain()
        self._running.start()
        self._batches = Batches(
            self._chain,
            self._running,
            self._spec.seed,
            BASE_RATE,
            self._on_judged,
            on_changed=self._on_changed,
            on_paid=self._note_paid,
            on_moment=self._on_moment,
            keeps_requests=self._keeps_requests,
        )
        if self._base_s is None:
            self._batches.begin([], BASE)
        self._batches.rate = self._rate

    def stop(self) -> None:
        """Stop the chain. What was judged of batches in flight is among those that have ended."""
        self._requests = self.requests
        batches, self._batches = self._batches, None
        if batches is not None:
            ended, left = batches.abandon()
            self.ended += ended
            self._on_left(left)
        running, self._running = self._running, None
        if running is not None:
            running.stop()

    def start_afresh(self) -> None:
        """Restart the chain: traces of earlier scripts in the service must not break later ones."""
        self.stop()
        self.start()

    def look(self) -> None:
        """Let the chain run for a moment; restart it if an own service has died.

        Raises UserError if none of the entry's answers match its declaration, if most payments get
        none, or if a service dies whenever it is started.
        """
        self.ended += self.now.look()
        assert self._running is not None, "the chain is started"
        if not self._is_understood:
            if misfit := self._running.misfit:
                raise UserError(misfit)
            self._is_understood = self._base_s is not None
        if self._running.own.broken:
            self._note_death(self._running.own.failure_words)
            self._restart()

    def _note_death(self, words: str) -> None:
        result = self._result
        result.deaths.append(words)
        judged = result.scripts + result.controls
        self._deaths_in_a_row = 1 + self._deaths_in_a_row * (judged == self._judged_at_death)
        self._judged_at_death = judged
        if self._deaths_in_a_row >= MAX_DEATHS:
            hint = "it ends before any payment is over: start it with paychain up, and pay once"
            raise UserError(words, hint=hint)

    @property
    def scripts_at_once(self) -> int:
        """How many scripts a batch may have: a slow service gets smaller ones."""
        lasts_s = RISING_S if self._is_rising else BATCH_S
        return min(self._spec.batch, max(MIN_SCRIPTS, int(lasts_s * self._rate)))

    def has_room(self, number: int) -> bool:
        """Whether a batch of that many orders may begin: the service is not behind, either."""
        is_behind = self.now.wait_s() > self._slow_s or self.now.is_settling_late
        return self.now.has_room(number) and not is_behind

    def was_calm(self, batch: Batch) -> bool:
        """Whether most payments of a batch without a script took about as long as at first."""
        waits_s = [order.took_s for order in batch.controls]
        return batch.is_whole and median(waits_s) <= self._slow_s

    def _note_paid(self, took_s: float, rate: float) -> None:
        """Pay faster while payments without a script take as long as at first, else slower."""
        if self._base_s is not None and rate != self._rate:
            return  # it says nothing about the rate now
        self._took_s.append(took_s)
        if len(self._took_s) < (BASE if self._base_s is None else WINDOW):
            return
        now_s = median(self._took_s)
        self._took_s.clear()
        if self._base_s is None:
            self._check_answers(now_s)
            self._base_s = now_s
            self._pay_at(max(MIN_RATE, min(self._rate, AT_FIRST / max(now_s, MIN_BASE_S))))
        elif now_s > self._slow_s:
            self._is_rising = False
            self._pay_at(max(MIN_RATE, SLOWER * self._rate))
        else:
            self._pay_at(min(self._limit, FASTER * self._rate))

    def _check_answers(self, took_s: float) -> None:
        """Raises UserError when payments get no answer although nothing fails."""
        deadline_s = self._chain.deadline
        if took_s >= UNANSWERED * deadline_s:
            what = (
                f"most payments without a script got no answer within {deadline_s:g} s (deadline)"
            )
            hint = "see how one goes with paychain up, or search on a machine that is less busy"
            raise UserError(what, hint=hint)

    @property
    def _slow_s(self) -> float:
        """What payments without a script take when the service has more than it can do."""
        if self._base_s is None:
            return math.inf
        return max(SLOWED * self._base_s, self._base_s + SLOWED_S)

    def _pay_at(self, rate: float) -> None:
        self._rate = rate
        if self._batches is not None:
            self._batches.rate = rate

    def look_after(self, batch: Batch) -> None:
        """Space the batches when payments without a script fail; then start the chain again.

        Breakers and pools of a service couple its payments: what fails beside others says nothing
        about the script.
        """
        controls = batch.controls
        failed = sum(control.failed for control in controls)
        # Batches that began before they were spaced say nothing about what holds since.
        is_old = batch.rate > self._rate
        if not batch.is_whole or failed <= ILL_SHARE * len(controls) or is_old:
            return
        if self._rate > MIN_RATE:
            self._is_rising = False
            self._limit = max(MIN_RATE, self._rate / 2)
            self._pay_at(self._limit)
            self._result.spaced += 1
            return
        self._restart()

    def _restart(self) -> None:
        self.start_afresh()
        self._result.restarts += 1
