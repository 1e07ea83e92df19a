"""A chain in a test: pay it, strike it, and ask what became of the money.

    with start_chain("card-ecommerce") as chain:
        with chain.fault("processor-a", "down"):
            paid = chain.pay(20)
        assert paid.technical_success == 1
        chain.assert_money_right()

It runs in virtual time; with `real=True` it runs as processes on real sockets.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.analysis.measured import Money
from harness.analysis.reconcile import money
from harness.analysis.store import RunStore
from harness.load.arrivals import Arrival
from harness.model.chain import Chain
from harness.model.checks import check_experiment
from harness.model.experiment import Experiment
from harness.model.fault import Fault
from harness.model.loading import load_chain
from harness.model.quantity import amount as read_amount
from harness.model.quantity import duration_seconds, rate_per_second
from harness.payments.cards import TEST_CARDS
from harness.payments.errors import UserError
from harness.payments.journal import (
    Decision,
    DecisionKind,
    Movement,
    MovementKind,
    PaymentRecord,
    Record,
)
from harness.payments.money import to_minor, written
from harness.payments.outcome import Outcome
from harness.simulation.ground import VirtualGround
from harness.testing.ground import Ground, RealGround

_LONG = "1000h"  # a fault in a test lasts until its block ends


class Payments(list[PaymentRecord]):
    """Some payments and what the customers were told."""

    def _told(self, outcome: Outcome) -> Payments:
        return Payments(one for one in self if one.outcome is outcome)

    @property
    def approved(self) -> Payments:
        """Those that were approved."""
        return self._told(Outcome.APPROVED)

    @property
    def declined(self) -> Payments:
        """Those that were declined, for whatever reason."""
        return self._told(Outcome.DECLINED)

    @property
    def unknown(self) -> Payments:
        """Those whose customers were left without a final answer."""
        return self._told(Outcome.UNKNOWN)

    @property
    def technical_success(self) -> float:
        """The share that was finally answered, approved or declined for a business reason."""
        return sum(not one.technical for one in self) / len(self) if self else 1.0


class ChainUnderTest:
    """A running chain. Time goes on while it pays, advances or drains."""

    def __init__(self, chain: Chain, ground: Ground) -> None:
        self.chain = chain
        self._ground = ground
        self._payments = self._faults = 0

    def pay(
        self, count: int = 1, *, amount: str = "25.00", rate: str = "20/s",
        cards: Sequence[str] = (),
    ) -> Payments:  # fmt: skip
        """So many customers pay, evenly at a rate, each with one of the published test cards.

        `cards` are schemes, such as `("visa",)`. Returns once every customer knows or gave up.
        """
        chosen = [one for one in TEST_CARDS if not cards or one.scheme in cards]
        if not chosen:
            known = sorted({one.scheme for one in TEST_CARDS})
            raise UserError(f"no test card of {', '.join(cards)}", mend=f"one of {known}")
        per_second = _read(rate_per_second, rate)
        minor = to_minor(str(_read(read_amount, amount)), self.chain.currency)
        arrivals = []
        for number in range(count):
            self._payments += 1
            nth = self._payments
            arrivals.append(
                Arrival(nth, number / per_second, f"p{nth:07d}", minor,
                        chosen[nth % len(chosen)], "a test", warm_up=False)
            )  # fmt: skip
        return Payments(self._ground.pay(arrivals))

    @contextmanager
    def fault(self, target: str, kind: str, **parameters: str | int) -> Iterator[None]:
        """Strike a link, a provider, a call (`a.authorise`) or a hop (`a -> b`) for a while.

        Parameters are written as in an experiment file: `delay="2s"`, `share="50%"`. Raises
        UserError for a fault that its target cannot have.
        """
        self._faults += 1
        fault = self._declared(target, kind, parameters)
        self._ground.switch(fault, "apply")
        try:
            yield
        finally:
            self._ground.switch(fault, "heal")

    def advance(self, duration: str) -> None:
        """Let time pass: `5s`. In virtual time it costs nothing."""
        self._ground.advance(_read(duration_seconds, duration))

    def drain(self) -> None:
        """Wait until every request and reversal is final. Raises AssertionError when some stay."""
        pending = self._ground.drain()
        assert not pending, f"{pending} requests or reversals are still on their way"

    def money(self) -> Money:
        """All money rules over all payments so far, and the links' books, after a drain."""
        self.drain()
        with tempfile.TemporaryDirectory() as folder:
            store = RunStore.create(Path(folder) / "run.db")
            store.set_meta("timeline", {"load_start_s": 0.0, "before_start_s": 0.0,
                                        "faults_start_s": 0.0, "load_end_s": 0.0})  # fmt: skip
            store.ingest(self.records())
            try:
                return money(store, self.chain)
            finally:
                store.close()

    def assert_money_right(self) -> None:
        """Raises AssertionError naming the payments that broke a money rule."""
        broken = [
            f"{rule.title.lower()}: {one.payment}: {one.text}"
            for rule in self.money().rules
            for one in rule.payments
        ]
        assert not broken, "\n".join(broken)

    def records(self) -> list[Record]:
        """Everything that was recorded so far."""
        return self._ground.records()

    def decisions(self, kind: str | None = None) -> list[Decision]:
        """What the policies decided: `failover`, `retry`, `reversal_sent`, …"""
        wanted = DecisionKind(kind) if kind is not None else None
        found = [one for one in self.records() if isinstance(one, Decision)]
        return [one for one in found if wanted in (None, one.kind)]

    def book(self, link: str) -> dict[str, str]:
        """What a link's book adds up to, by kind of movement: `{"authorised": "500.00 EUR"}`."""
        totals: dict[MovementKind, int] = {}
        for one in self.records():
            if isinstance(one, Movement) and one.link == link:
                totals[one.kind] = totals.get(one.kind, 0) + one.amount_minor
        return {str(kind): written(minor, self.chain.currency) for kind, minor in totals.items()}

    def _declared(self, target: str, kind: str, parameters: dict[str, Any]) -> Fault:
        number = self._faults
        try:
            fault = Fault.model_validate(
                {"id": f"{kind}-{number}", "at": "0s", "for": _LONG, "target": self._target(target),
                 kind: parameters}
            )  # fmt: skip
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            where = ".".join(str(step) for step in detail["loc"])
            raise UserError(f"fault {kind} on {target}: {where}: {detail['msg']}") from None
        experiment = Experiment.model_validate(
            {"experiment": "test", "load": {"arrivals": "1/s", "before": "1s", "after": "1s"}}
        ).model_copy(update={"faults": [fault]})
        problems = check_experiment(experiment, self.chain)
        if problems:
            raise UserError(f"fault {kind} on {target}: {problems[0].what}", mend=problems[0].mend)
        return fault

    def _target(self, name: str) -> dict[str, str]:
        if "->" in name:
            return {"hop": name}
        if name in self.chain.links:
            return {"link": name}
        if name in self.chain.providers:
            return {"provider": name}
        if "." in name:
            return {"call": name}
        known = ", ".join([*self.chain.links, *self.chain.providers])
        raise UserError(f"nothing in the chain is called '{name}'", mend=f"there are: {known}")


@contextmanager
def start_chain(spec: str, *, seed: int = 1, real: bool = False) -> Iterator[ChainUnderTest]:
    """A running chain by name or path, stopped at the end of the block. Raises UserError."""
    loaded = load_chain(spec)
    ground: Ground = RealGround(loaded, seed) if real else VirtualGround(loaded.model, seed)
    try:
        ground.start()
        yield ChainUnderTest(loaded.model, ground)
    finally:
        ground.stop()


def _read(read: Any, text: str) -> Any:
    try:
        return read(text)
    except ValueError as error:
        raise UserError(str(error)) from None
