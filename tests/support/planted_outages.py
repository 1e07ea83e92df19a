"""Bugs for the search to find: a chain that has it, the code it is planted in, its minimum.

Where a chain file can declare the bug it does; the others are planted in the code that runs there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from paychain.explore.checks import WORKS_AGAIN
from paychain.explore.result import SearchResult, SmallestOutage
from paychain.explore.search import search
from paychain.explore.spec import SearchSpec
from paychain.model.chain import Chain
from paychain.model.loading import load_chain
from paychain.services.policies.breaker import BreakerState, CircuitBreaker
from paychain.services.policies.call_end import SentRequest
from paychain.services.roles import wallet
from paychain.services.roles.merchant import Merchants
from paychain.services.service import MockLink
from paychain.wire.client_connection import ClientConnection
from paychain.wire.http import CallTimeout
from tests.support.paths import PLANTED_CHAINS

Swap = tuple[Any, str, Any]  # a class or module, a name in it, and what takes its place


def _late_answer_for_the_next() -> list[Swap]:
    """A connection is used again after a timeout: the late answer is taken for the next one's."""
    honest, feed = ClientConnection.exchange, ClientConnection.data_received
    early: dict[ClientConnection, bytes] = {}  # came when nobody waited: for whoever asks next

    async def exchange(self: ClientConnection, *rest: Any, **more: Any) -> Any:
        if self in early:
            self._loop.call_soon(feed, self, early.pop(self))
        try:
            return await honest(self, *rest, **more)
        except CallTimeout:
            self.is_usable = not self.is_lost
            raise

    def take(self: ClientConnection, data: bytes) -> None:
        if self._waiter is None or self._waiter.done():
            early[self] = early.get(self, b"") + data
        else:
            feed(self, data)

    return [(ClientConnection, "exchange", exchange), (ClientConnection, "data_received", take)]


def _capture_races_void() -> list[Swap]:
    """A customer cancels what is not shipped yet, without asking whether it is being captured."""
    honest = Merchants.approved

    def approved(self: Merchants, sent: SentRequest, reference: str) -> None:
        honest(self, sent, reference)
        self._background.start(cancel(self, sent, reference))

    async def cancel(self: Merchants, sent: SentRequest, reference: str) -> None:
        await asyncio.sleep(0.4)
        entry = self._book.entry(reference)
        if entry is not None and not entry.captured_minor:
            await self._cancel(sent, reference, 0.0)

    return [(Merchants, "approved", approved)]


def _limit_counted_by_the_process() -> list[Swap]:
    """How often a link stood in is in its memory only: a restart begins at none."""
    honest = MockLink.revive

    def revive(self: MockLink, *, forgets: bool) -> None:
        honest(self, forgets=forgets)
        for call in self._role.calls.values():
            for count in call._fallbacks._stand_ins.values():
                count._all = 0

    return [(MockLink, "revive", revive)]


def _breaker_never_closes() -> list[Swap]:
    """A probe's success is not counted: the breaker stays half open, and refuses."""
    honest = CircuitBreaker._record_probe

    def record(self: CircuitBreaker, failed: bool, is_slow: bool) -> None:
        if failed or is_slow:
            honest(self, failed, is_slow)

    return [(CircuitBreaker, "_record_probe", record)]


def _second_opening_is_the_last() -> list[Swap]:
    """A breaker that was closed again once stays open the next time."""
    honest, open_for = CircuitBreaker._change, CircuitBreaker._open_for
    closed_again = set[CircuitBreaker]()

    def change(self: CircuitBreaker, state: BreakerState, reason: str) -> None:
        if state is BreakerState.CLOSED:
            closed_again.add(self)
        honest(self, state, reason)

    def open_since(self: CircuitBreaker) -> float:
        return 0.0 if self in closed_again else open_for(self)

    return [(CircuitBreaker, "_change", change), (CircuitBreaker, "_open_for", open_since)]


def _one_confirmation_is_final() -> list[Swap]:
    """A wallet takes what is in a block for final."""

    def is_final(transaction: Any) -> bool:
        sighting = transaction.sighting
        return sighting is not None and sighting.mined_at is not None

    return [(wallet, "_is_final", is_final)]


def _nothing() -> list[Swap]:
    return []


@dataclass(frozen=True)
class Planted:
    """One bug and its known minimum: the rule, and the number of faults and times that break it.

    `chain`: one of those in tests/planted, or a shipped one. `kinds`: what the search injects; all
    kinds without it.
    """

    name: str
    chain: str
    rule: str
    faults: int
    swaps: Callable[[], list[Swap]] = _nothing
    payments: int = 5
    rate: int = 5
    kinds: tuple[str, ...] = ()
    times: int = 1  # that each fault must come

    def load(self) -> Chain:
        """The chain that has it."""
        path = PLANTED_CHAINS / f"{self.chain}.yaml"
        return load_chain(str(path) if path.exists() else self.chain).model


PLANTED = [
    Planted("failover without reversal", "gives-up", "no_double_charge", 1),
    Planted("reversal behind a shared breaker", "void-breaker", "unknowns_resolved", 1),
    Planted(
        "late answer matched to the wrong request",
        "plain",
        "books_agree",
        1,
        _late_answer_for_the_next,
    ),
    Planted("retry without an idempotency key", "no-keys", "no_double_charge", 1),
    Planted(
        "capture after void race", "captures", "captured_within_authorised", 1, _capture_races_void
    ),
    Planted(
        "stand-in limit counted per process",
        "stand-in",
        "stand_in_within_limits",
        2,
        _limit_counted_by_the_process,
        payments=20,
        rate=5,
    ),
    Planted("duplicate webhook captured twice", "webhooks", "repeats_without_effect", 1),
    Planted("breaker that never closes", "breaker", WORKS_AGAIN, 1, _breaker_never_closes, 8, 2),
    Planted(
        "breaker that opens for good the second time",
        "breaker",
        WORKS_AGAIN,
        1,
        _second_opening_is_the_last,
        payments=16,
        rate=4,
        kinds=("down",),
        times=2,
    ),
    Planted(
        "stored when both processors fail",
        "stores-last",
        "no_approval_without_money",
        2,
        kinds=("crash",),
    ),
    Planted("signed again without an answer", "stablecoin-payout-new-nonce", "sent_once", 1),
    Planted(
        "reservation freed on a timeout",
        "stablecoin-payout-frees-early",
        "reservation_kept_until_dead",
        1,
    ),
    Planted(
        "reservation freed while the ledger halts",
        "frees-early",
        "reservation_kept_until_dead",
        1,
        kinds=("halt", "reorg"),
    ),
    Planted(
        "signed again while fees are high",
        "stablecoin-payout-replaced-anew",
        "sent_once",
        1,
        kinds=("fee_spike",),
    ),
    Planted(
        "one confirmation taken for final",
        "stablecoin-payout",
        "sequence_without_gaps",
        1,
        _one_confirmation_is_final,
        kinds=("halt", "reorg"),
    ),
    Planted(
        "receipt not checked",
        "stablecoin-payout-any-receipt",
        "no_approval_without_money",
        1,
    ),
    Planted("late confirmation dropped", "sepa-instant-late-dropped", "held_not_lost", 1),
    Planted("rejected credit kept", "sepa-instant-keeps-rejected", "debit_equals_credit", 1),
    Planted("deemed taken for failed", "upi-payment-deemed-failed", "debit_equals_credit", 1),
]
# Mistakes of shipped chains that are slow to play: only the bench searches them. Half the payments
# of exchanges are deposits: of five there is none with one seed of twenty. What follows a nonce
# that is missing waits for a day.
PLANTED_IN_LARGE_CHAINS = [
    Planted(
        "credit after one confirmation",
        "exchange-deposit-one-confirmation",
        "no_credit_before_final",
        1,
        kinds=("halt", "reorg"),
        payments=8,
        rate=20,
    ),
    Planted(
        "network not checked",
        "stablecoin-payout-any-network",
        "no_approval_without_money",
        1,
    ),
    Planted(
        "one node believed about its branch",
        "stablecoin-payout",
        "no_approval_without_money",
        1,
        kinds=("fork",),
    ),
    # One of the two nodes lies all the time: any fault will do.
    Planted(
        "quorum of one in two",
        "exchange-deposit-quorum-of-one",
        "no_credit_without_transfer",
        1,
        payments=8,
        rate=20,
    ),
    Planted("stale price", "crypto-onramp-stale-price", "no_stale_price", 1, payments=3, rate=1),
    Planted(
        "absurd price",
        "crypto-onramp-absurd-price",
        "price_within_bounds",
        1,
        kinds=("price_jump",),
        payments=3,
        rate=1,
    ),
]


@contextmanager
def planted(bug: Planted) -> Iterator[None]:
    """The bug is in the code meanwhile."""
    swaps = bug.swaps()
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in swaps]
    try:
        for owner, name, other in swaps:
            setattr(owner, name, other)
        yield
    finally:
        for owner, name, honest in before:
            setattr(owner, name, honest)


def order_for(bug: Planted, *, seed: int, most: int) -> SearchSpec:
    """A search for this bug's rule."""
    return SearchSpec(
        bug.load(),
        seed=seed,
        budget_s=float("inf"),
        max_schedules=most,
        payments=bug.payments,
        rate=bug.rate,
        rules=(bug.rule,),
        kinds=bug.kinds,
        works_again_s=1.0,
    )


def look_for(
    bug: Planted, *, seed: int, most: int = 6_000
) -> tuple[SmallestOutage | None, SearchResult]:
    """Search with the bug planted; what was found of its rule."""
    with planted(bug):
        searched = search(order_for(bug, seed=seed, most=most), lambda _: None)
    return searched.found.get(bug.rule), searched
