"""Orders that meet outages, one outage after the other, while nothing else is in flight.

customers pay ─ the outage comes and goes ─ they are done, services are back ─┬─> the next one
                                                                              └─> all have ended

What is still to be settled when the next one comes has all the time for it that there is after the
last one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from paychain.environment.running_chain import RunningChain, pass_time
from paychain.explore.live.batch import Batches
from paychain.explore.live.judged import Batch
from paychain.explore.live.outages import AT_S, LiveOutage
from paychain.explore.live.steps import Steps
from paychain.model.chain import Chain

SEEN_S = 4.0  # after services are back, what looks wrong shows
Met = tuple[LiveOutage, Sequence[Steps]]  # an outage, and what the orders that meet it follow


class Through:
    """Lets orders meet outages on one running chain."""

    def __init__(self, chain: Chain, running: RunningChain, batches: Batches) -> None:
        self._chain, self._running, self._batches = chain, running, batches

    def run(
        self,
        outages: Iterable[Met],
        further: Callable[[frozenset[str]], Sequence[Met]] = lambda _: (),
    ) -> list[Batch]:
        """Let orders follow scripts, () for none, while an outage comes and goes; a batch for each.

        `further` gets the rules that orders look like breaking once services are back, and gives
        outages that follow at once: it is waited for all of them together.
        """
        batches = self._batches
        while batches.in_flight:
            batches.pass_moment()
        batches.forget_judged()
        met = [self._meet(*each) for each in outages]
        batches.settle_from_now()
        if followed := [self._meet(*each) for each in self._foreseen(met, further)]:
            batches.settle_from_now()
        return list(map(batches.wait_for, [*met, *followed]))

    def _meet(self, outage: LiveOutage, scripts: Sequence[Steps]) -> Batch:
        """Let orders meet an outage, when customers are done with the last one."""
        self._wait_until_back()
        batch = Batch(number=len(scripts), rate=self._batches.rate, outage=outage)
        self._batches.pay(batch, list(zip(scripts, outage.times(len(scripts)), strict=True)))
        pass_time(self._running, AT_S)
        outage.switch("apply", self._chain, self._running)
        pass_time(self._running, outage.lasts_ms / 1000)
        outage.switch("heal", self._chain, self._running)
        return batch

    def _wait_until_back(self) -> None:
        """Until customers are done and services are ready."""
        while not (self._batches.are_customers_done and self._running.own.are_ready):
            self._batches.pass_moment()

    def _foreseen(
        self, met: Sequence[Batch], further: Callable[[frozenset[str]], Sequence[Met]]
    ) -> Sequence[Met]:
        """What is to follow as soon as something looks wrong."""
        self._wait_until_back()
        until_ns = self._running.now_ns() + SEEN_S * 1e9
        while True:
            rules = frozenset(rule for batch in met for rule in batch.looks_broken)
            if followed := further(rules):
                return followed
            # Where all were judged by then, what they broke has been seen.
            if not self._batches.in_flight or self._running.now_ns() >= until_ns:
                return ()
            self._batches.pass_moment()
