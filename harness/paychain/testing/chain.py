"""A chain in a test: pay it, inject faults, and ask what became of the money.

    with start_chain("card-ecommerce") as chain:
        with chain.fault("processor-a", "down"):
            paid = chain.pay(20)
        assert paid.technical_success == 1
        chain.assert_money_right()

It runs in virtual time; with `real=True` it runs as processes on real sockets.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from paychain.analysis.measures.measures import MoneyMeasure
from paychain.analysis.money.findings import money
from paychain.analysis.store.store import RunStore
from paychain.declaration.quantity import amount as read_amount
from paychain.declaration.quantity import duration_seconds, rate_per_second
from paychain.declaration.text import KeyPath
from paychain.engine.timeline import Action, switch_of
from paychain.environment.running_chain import RunningChain, pass_time, still_pending
from paychain.environment.virtual import VirtualChain
from paychain.faults.fault import Fault
from paychain.faults.kinds import KINDS
from paychain.load.traffic.arrivals import Arrival, under_script
from paychain.model.chain import Chain
from paychain.model.checks import check_experiment
from paychain.model.experiment import Experiment
from paychain.model.loading import Loaded, load_chain
from paychain.model.scripts import AssignedScripts, Script, encode_script
from paychain.model.sentence import sentence
from paychain.model.virtual_services import refuse_processes
from paychain.payments.errors import UserError, meant
from paychain.payments.instrument import published
from paychain.payments.journal import (
    Decision,
    DecisionKind,
    Movement,
    MovementKind,
    PaymentRecord,
    Record,
)
from paychain.payments.money import to_minor, written
from paychain.payments.outcome import Outcome
from paychain.testing.scripts import Steps, read_script

if TYPE_CHECKING:
    pass

_LONG = "1000h"  # a fault in a test lasts until its block ends


class Payments(list[PaymentRecord]):
    """Some payments and the outcomes that their customers saw."""

    def _with_outcome(self, outcome: Outcome) -> Payments:
        return Payments(payment for payment in self if payment.outcome is outcome)

    @property
    def approved(self) -> Payments:
        """Those that were approved."""
        return self._with_outcome(Outcome.APPROVED)

    @property
    def declined(self) -> Payments:
        """Those that were declined, for whatever reason."""
        return self._with_outcome(Outcome.DECLINED)

    @property
    def unknown(self) -> Payments:
        """Those whose customers were left without a final answer."""
        return self._with_outcome(Outcome.UNKNOWN)

    @property
    def technical_success(self) -> float:
        """The share that was finally answered, approved or declined for a business reason."""
        return sum(not payment.technical for payment in self) / len(self) if self else 1.0


class ChainUnderTest:
    """A running chain. Time goes on while it pays, advances or drains."""

    def __init__(self, chain: Chain, running: RunningChain) -> None:
        self.chain = chain
        self._running = running
        self._records: list[Record] = []
        self._payments = self._faults = self._scripts = 0

    def pay(
        self,
        count: int = 1,
        *,
        amount: str = "25.00",
        rate: str = "20/s",
        cards: Sequence[str] = (),
        script: Steps | Mapping[str, Any] | Script | None = None,
    ) -> Payments:
        """So many customers pay, evenly at a rate, each with one of the published test cards.

        `cards` are schemes, such as `("visa",)`. `script`: what each payment meets, as steps of an
        experiment file. Returns once every customer knows or gave up. Raises UserError for a step
        that the chain cannot have.
        """
        followed = self._followed(script)
        known_ones = published(self.chain.addressed)
        chosen = [each for each in known_ones if not cards or each.group in cards]
        if not chosen:
            known = sorted({each.group for each in known_ones})
            raise UserError(f"no test card of {', '.join(cards)}", hint=f"one of {known}")
        per_second = _read(rate_per_second, rate)
        minor = to_minor(str(_read(read_amount, amount)), self.chain.currency)
        arrivals: list[Arrival] = []
        for number in range(count):
            self._payments += 1
            nth = self._payments
            arrival = Arrival(
                number=nth,
                at_s=number / per_second,
                payment=f"{self._running.id_prefix}{nth:07d}",
                amount_minor=minor,
                instrument=chosen[nth % len(chosen)],
                merchant="a test",
                warm_up=False,
            )
            arrivals += under_script(arrival, followed)
        if followed is not None:
            assigned = {arrival.payment: followed.id for arrival in arrivals}
            scripts = [encode_script(followed)]
            self._running.follow_scripts(AssignedScripts(scripts=scripts, assigned=assigned))
        arrivals.sort(key=lambda arrival: arrival.at_s)
        return Payments(self._running.pay(arrivals))

    def _followed(self, steps: Steps | Mapping[str, Any] | Script | None) -> Script | None:
        if steps is None:
            return None
        self._scripts += 1
        return read_script(steps, self.chain, self._scripts - 1)

    @contextmanager
    def fault(self, target: str, kind: str, **parameters: str | float) -> Iterator[None]:
        """Inject a fault into a link, a provider, a call (`a.authorise`) or a hop (`a -> b`).

        It is healed at the end of the block.

        Parameters are written as in an experiment file: `delay="2s"`, `share="50%"`. Raises
        UserError for a fault that its target cannot have.
        """
        self._faults += 1
        fault = self._declared(target, kind, parameters)
        self._switch(fault, "apply")
        try:
            yield
        finally:
            self._switch(fault, "heal")

    def _switch(self, fault: Fault, action: Action) -> None:
        switch = switch_of(self.chain, fault, action)
        record = self._running.switch(switch, self._running.now_ns())
        if record.error:
            raise UserError(record.problem)

    def advance(self, duration: str) -> None:
        """Let time pass: `5s`. In virtual time it costs nothing."""
        pass_time(self._running, _read(duration_seconds, duration))

    def drain(self) -> None:
        """Wait until every request and reversal is final. Raises AssertionError when some stay."""
        pending = self._running.drain()
        assert not pending, still_pending(pending)

    def money(self) -> MoneyMeasure:
        """All money rules over all payments so far, and the links' books, after a drain."""
        self.drain()
        with tempfile.TemporaryDirectory() as folder:
            store = RunStore.create(Path(folder) / "run.db")
            store.ingest(self.records())
            try:
                return money(store, self.chain)
            finally:
                store.close()

    def assert_money_right(self) -> None:
        """Raises AssertionError naming the payments that broke a money rule."""
        broken = [
            f"{rule.title.lower()}: {finding.payment}: {finding.text}"
            for rule in self.money().rules
            for finding in rule.payments
        ]
        assert not broken, "\n".join(broken)

    def records(self) -> list[Record]:
        """Everything that was recorded so far."""
        for records in self._running.collect(all_flushed=True):
            self._records.extend(records)
        return list(self._records)

    def decisions(self, kind: str | None = None) -> list[Decision]:
        """What the policies decided: `failover`, `retry`, `reversal_sent`, …"""
        wanted = DecisionKind(kind) if kind is not None else None
        decisions = [record for record in self.records() if isinstance(record, Decision)]
        return [decision for decision in decisions if wanted in (None, decision.kind)]

    def book(self, link: str) -> dict[str, str]:
        """What a link's book adds up to, by kind of movement: `{"authorised": "500.00 EUR"}`."""
        totals: dict[MovementKind, int] = {}
        for record in self.records():
            if isinstance(record, Movement) and record.link == link:
                totals[record.kind] = totals.get(record.kind, 0) + record.amount_minor
        return {str(kind): written(minor, self.chain.currency) for kind, minor in totals.items()}

    def _declared(self, target: str, kind: str, parameters: dict[str, Any]) -> Fault:
        number = self._faults
        if kind not in KINDS:
            raise UserError(f"unknown fault '{kind}'", hint=meant(kind, KINDS))
        try:
            fault = Fault.model_validate(
                {
                    "id": f"{kind}-{number}",
                    "at": "0s",
                    "for": _LONG,
                    "target": self._target(target),
                    kind: {name: _as_written(name, value) for name, value in parameters.items()},
                }
            )
        except ValidationError as error:
            details = error.errors(include_url=False)
            # A misspelt parameter is also a missing one: its own name says more.
            detail = next((each for each in details if each["type"] != "missing"), details[0])
            what, hint, _ = sentence(dict(detail), Experiment, _place_of(detail["loc"]))
            raise UserError(f"fault {kind} on {target}: {what}", hint=hint) from None
        experiment = Experiment.model_validate(
            {"experiment": "test", "load": {"arrivals": "1/s", "before": "1s", "after": "1s"}}
        ).model_copy(update={"faults": [fault]})
        problems = check_experiment(experiment, self.chain)
        if problems:
            raise UserError(f"fault {kind} on {target}: {problems[0].what}", hint=problems[0].hint)
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
        known = [*self.chain.links, *self.chain.providers]
        raise UserError(
            f"the chain has no link or provider called '{name}'", hint=meant(name, known)
        )


@contextmanager
def start_chain(spec: str, *, seed: int = 1, real: bool = False) -> Iterator[ChainUnderTest]:
    """A running chain by name or path, stopped at the end of the block. Raises UserError."""
    loaded = load_chain(spec)
    with ExitStack() as left:
        running = _running(loaded, seed, left, real=real)
        left.callback(running.stop)
        running.start()
        yield ChainUnderTest(loaded.model, running)


def _running(loaded: Loaded[Chain], seed: int, left: ExitStack, *, real: bool) -> RunningChain:
    if not real:
        what = "a test in virtual time"
        refuse_processes(loaded.model, what, hint="start it with real=True")
        return VirtualChain(loaded.model, seed, home=loaded.path.parent)
    from paychain.environment.real import RealChain  # virtual time needs no HTTP clients
    from paychain.processes.scratch import scratch_folder

    return RealChain(loaded, left.enter_context(scratch_folder()), seed=seed)


def _as_written(name: str, value: Any) -> Any:
    """A share given as a number in 0 to 1, as a file writes it: 0.5 is `50%`."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value * 100:g}%" if name == "share" and is_number and 0 <= value <= 1 else value


def _place_of(location: tuple[str | int, ...]) -> KeyPath:
    """Where a fault's key would stand in an experiment file."""
    return ("faults", 0, *location)


def _read(read: Any, text: str) -> Any:
    try:
        return read(text)
    except ValueError as error:
        raise UserError(str(error)) from None
