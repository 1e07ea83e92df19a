"""The chain that a search pays on: spaced, started again, or started afresh when it has to be."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from statistics import median

from paychain.environment.running_chain import RunningChain
from paychain.explore.live.batch import Batches
from paychain.explore.live.judged import Batch, Judged
from paychain.explore.live.pace import BASE, Pace
from paychain.explore.live.result import LiveResult, LiveSpec
from paychain.explore.live.steps import Steps
from paychain.explore.live.through import Through
from paychain.model.chain import Chain
from paychain.payments.errors import UserError

ILL_SHARE = 0.25  # of the controls: when more fail technically, batches disturb the service
BASE_RATE = 4.0  # one after the other, more or less
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
        self._pace = Pace(spec.rate, spec.batch, chain.deadline)
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
        return self._pace.is_measured

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
        if not self.is_measured:
            self._batches.begin([], BASE)
        self._batches.rate = self._pace.rate

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
            self._is_understood = self.is_measured
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
        return self._pace.scripts_at_once

    def has_room(self, number: int) -> bool:
        """Whether a batch of that many orders may begin: the service is not behind, either."""
        is_behind = self.now.wait_s() > self._pace.slow_s or self.now.is_settling_late
        return self.now.has_room(number) and not is_behind

    def was_calm(self, batch: Batch) -> bool:
        """Whether most payments of a batch without a script took about as long as at first."""
        waits_s = [order.took_s for order in batch.controls]
        return batch.is_whole and median(waits_s) <= self._pace.slow_s

    def _note_paid(self, took_s: float, rate: float) -> None:
        self._pace.note_paid(took_s, rate)
        self.now.rate = self._pace.rate

    def look_after(self, batch: Batch) -> None:
        """Space the batches when payments without a script fail; then start the chain again.

        Breakers and pools of a service couple its payments: what fails beside others says nothing
        about the script.
        """
        controls = batch.controls
        failed = sum(control.failed for control in controls)
        # Batches that began before they were spaced say nothing about what holds since.
        is_old = batch.rate > self._pace.rate
        if not batch.is_whole or failed <= ILL_SHARE * len(controls) or is_old:
            return
        if self._pace.space():
            self.now.rate = self._pace.rate
            self._result.spaced += 1
            return
        self._restart()

    def _restart(self) -> None:
        self.start_afresh()
        self._result.restarts += 1
