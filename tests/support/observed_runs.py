"""A run with an own service, made of what the fault engine and the links saw of its requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from paychain.analysis.attribution.observe import add_own_hops
from paychain.analysis.store.store import RunStore
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment, Times
from paychain.payments.exchanges import HttpExchange, ReceivedRequest
from paychain.payments.journal import (
    Decision,
    FaultSwitch,
    HopRecord,
    Movement,
    MovementKind,
    PaymentRecord,
    Record,
)
from paychain.payments.outcome import HopResult, Outcome
from tests.support.chains import checked
from tests.support.own_chains import own_shop
from tests.support.recorded import ns

CHAIN = checked(own_shop())
A, B = "processor-a", "processor-b"


def experiment(*faults: dict[str, Any]) -> Experiment:
    return Experiment.model_validate(
        {
            "experiment": "observed",
            "load": {"arrivals": "1/s", "before": "1s", "after": "1s"},
            "tolerances": {},
            "faults": list(faults),
        }
    )


@dataclass
class ObservedRun:
    """Payments of a customer at `shop`, and the requests of the shop that were observed."""

    records: list[Record] = field(default_factory=list)
    faults: list[dict[str, Any]] = field(default_factory=list)
    ports: int = 40_000
    spans: int = 0

    def pay(
        self,
        name: str,
        at_s: float,
        took_s: float = 1.0,
        result: str = "approved",
        tried: int = 1,
        order: str = "",
        shown_minor: int = 0,
    ) -> None:
        """A payment, or one more try of it. `shown_minor`: what the customer saw as charged."""
        end = HopResult(result)
        outcomes = {
            HopResult.APPROVED: Outcome.APPROVED,
            HopResult.DECLINED: Outcome.DECLINED,
        }
        if tried == 1:
            self.records.append(
                PaymentRecord(
                    payment=name,
                    intended_ns=ns(at_s),
                    started_ns=ns(at_s),
                    ended_ns=ns(at_s + took_s),
                    outcome=outcomes.get(end, Outcome.UNKNOWN),
                    technical=not end.worked,
                    code="",
                    shown=result,
                    amount_minor=1_000,
                    currency="EUR",
                    scheme="visa",
                    instrument="424242…4242",
                    merchant="shop",
                    decided_by="",
                    error=None,
                    warm_up=False,
                    order=order,
                    approved_minor=shown_minor,
                )
            )
        self.records.append(
            HopRecord(
                payment=name,
                attempt=1,
                span=f"c{tried}{name}",
                parent="",
                caller="customer",
                operation="pay",
                callee="shop",
                route=0,
                try_number=tried,
                started_ns=ns(at_s),
                ended_ns=ns(at_s + took_s),
                result=end,
                code="",
            )
        )

    def sent(
        self,
        at_s: float,
        took_s: float = 0.1,
        *,
        to: str = A,
        status: int = 200,
        ended_by: str = "answer",
        payment: str = "",
        key: str = "",
        port: int | None = None,
        method: str = "POST",
        target: str = "/authorise",
        call: str = "authorise",
    ) -> int:
        """A request as the engine saw it; returns the port of its connection to the link."""
        if port is None:
            self.ports += 1
            port = self.ports
        self.records.append(
            HttpExchange(
                hop=f"shop.{call}.{to}",
                connection=port,
                request=1,
                port=port,
                started_ns=ns(at_s),
                sent_ns=ns(at_s),
                ended_ns=ns(at_s + took_s),
                method=method,
                target=target,
                status=status if ended_by == "answer" else 0,
                ended_by=ended_by,  # type: ignore[arg-type]  # as a test writes it
                toxics="",
                payment=payment,
                by="reference" if payment else "nothing",
                key=key,
            )
        )
        return port

    def came(
        self,
        payment: str,
        port: int,
        at_s: float,
        took_s: float = 0.05,
        *,
        to: str = A,
        status: int = 200,
        result: str = "approved",
        attempt: int = 1,
        operation: str = "authorise",
        key: str = "",
        by: str = "reference",
        stated: str = "",
        captures_minor: int = 0,
        is_stale: bool = False,
    ) -> None:
        """A request as the link saw it."""
        self.spans += 1
        self.records.append(
            ReceivedRequest(
                link=to,
                caller="shop",
                port=port,
                span=f"{self.spans:016x}",
                started_ns=ns(at_s),
                ended_ns=ns(at_s + took_s),
                method="POST",
                target=f"/{operation}",
                status=status,
                payment=payment,
                by=by,  # type: ignore[arg-type]  # as a test writes it
                attempt=attempt,
                operation=operation,
                key=key,
                result=HopResult(result),
                code="",
                stated=stated,
                captures_minor=captures_minor,
                is_stale=is_stale,
            )
        )

    def asked(self, payment: str, at_s: float, took_s: float = 0.1, **more: Any) -> None:
        """A request that both saw."""
        shared = {name: more[name] for name in ("to", "status", "key") if name in more}
        shared |= {name: more.pop(name) for name in ("call", "target") if name in more}
        port = self.sent(at_s, took_s, port=more.pop("port", None), **shared)
        self.came(payment, port, at_s + 0.01, **more)

    def booked(
        self,
        payment: str,
        at_s: float,
        kind: str,
        *,
        to: str = A,
        amount: int = 1_000,
        attempt: int = 1,
        item: str = "",
    ) -> None:
        """A line in a link's book."""
        self.records.append(
            Movement(
                link=to,
                payment=payment,
                attempt=attempt,
                kind=MovementKind(kind),
                amount_minor=amount,
                currency="EUR",
                reference=f"{payment}-{attempt}",
                at_ns=ns(at_s),
                decided_by=to,
                item=item,
            )
        )

    def in_books(self, payment: str, at_s: float, kind: str, *, to: str = A, **more: Any) -> None:
        """The same line in the books of a provider and of the bank."""
        for link in (to, "issuer"):
            self.booked(payment, at_s, kind, to=link, **more)

    def is_down(self, hop: str, from_s: float, until_s: float, kind: str = "down") -> None:
        """A fault that lets nobody connect."""
        fault = f"gone{len(self.faults)}"
        self.faults.append(
            {"id": fault, "at": "0s", "for": "1s", "target": {"hop": "shop -> " + A}, kind: {}}
        )
        for action, at_s in (("applied", from_s), ("healed", until_s)):
            self.records.append(
                FaultSwitch(
                    fault=fault,
                    action=action,
                    planned_ns=ns(at_s),
                    effective_ns=ns(at_s),
                    place="hop",
                    targets=[hop],
                    error="",
                )
            )

    @property
    def experiment(self) -> Experiment:
        return experiment(*self.faults)

    def store(self, path: Any, chain: Chain = CHAIN) -> RunStore:
        """The run's store, with the hops and decisions of the own service."""
        store = RunStore.create(path / "run.db")
        store.begin(
            Times(load_start_s=0.0, before_start_s=0.0, faults_start_s=0.0, load_end_s=100.0)
        )
        store.ingest(self.records)
        add_own_hops(store, chain, self.experiment)
        return store


def own_hops(store: RunStore, payment: str) -> list[HopRecord]:
    return [hop for hop in store.story(payment).hops if hop.caller == "shop"]


def decisions(store: RunStore, payment: str) -> list[Decision]:
    return store.story(payment).decisions
