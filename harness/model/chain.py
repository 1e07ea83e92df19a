"""A declared topology: links, the calls between them, the providers they depend on."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field

from harness.model.fallback import StandIn
from harness.model.idempotency import Idempotency, IdempotencyModel
from harness.model.lifecycle import (
    Authentications,
    Cancels,
    Captures,
    Challenge,
    Notifications,
    PartialApprovals,
    Refunds,
    ServiceTime,
    SoftDeclines,
)
from harness.model.placement import Placed
from harness.model.policy import Call
from harness.model.quantity import Duration, Share, Span
from harness.model.reach import Network
from harness.model.schema import Declared, Short

Operation = Literal[
    "forward", "screen", "authenticate", "tokenise", "authorise", "capture", "void", "refund",
    "query", "notify", "advise",
]  # fmt: skip
Role = Literal["edge", "gateway", "fraud", "authentication", "processor", "scheme", "issuer"]
ProviderKind = Literal["edge", "cloud", "carrier", "processor", "scheme", "bank"]
CUSTOMER = "customer"  # the caller of the entry hop
ENTRY_OPERATION = "pay"
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]


class Provider(Declared):
    """Who runs or carries links; links that name the same provider fail together."""

    kind: ProviderKind
    title: str = ""

    @property
    def carries(self) -> bool:
        """It carries traffic to its links (edge, carrier) rather than hosting them."""
        return self.kind in ("edge", "carrier")


class BusinessDeclines(Declared):
    """The share of payments a link declines for business reasons, drawn per payment."""

    share: Share
    code: str = "51"


class Link(Declared):
    """One service of the chain."""

    role: Role
    provider: str | None = None
    title: str = ""
    answers_in: ServiceTime = ServiceTime.model_construct(median=0.002, p99=0.01)
    forwards_to: str | None = None
    calls: dict[Operation, Call] = {}
    declines: BusinessDeclines | None = None
    idempotency: Annotated[Idempotency, Short(IdempotencyModel)] = Idempotency()
    isolate: bool = False  # a process of its own, which a crash kills
    outbox: Literal["memory", "disk"] = "memory"  # reversals, follow-ups: lost in a crash or kept
    # gateway: what the merchant does with an approval
    captures: Captures | None = None
    cancels: Cancels | None = None
    refunds: Refunds | None = None
    accepts_partial: bool = False
    reauthentications: Annotated[int, Field(ge=0, le=5)] = 1  # after soft declines
    forgets_notifications: bool = False  # takes a repeated notification for a new one
    # processor
    notifies: Notifications | None = None
    # processor, scheme, issuer: how long an authorisation is held
    expires_after: Duration | None = None
    # issuer
    partial_approvals: PartialApprovals | None = None
    soft_declines: SoftDeclines | None = None
    # authentication
    outcomes: Authentications | None = None
    challenge: Challenge = Challenge()


class Hop(Declared):
    """One (caller, operation, callee) of a chain: what a proxy of the fault engine stands on."""

    caller: str
    operation: str
    callee: str

    @property
    def name(self) -> str:
        """The proxy's name: URL-safe and readable."""
        return f"{self.caller}.{self.operation}.{self.callee}"

    def __str__(self) -> str:
        """As a person writes it."""
        return f"{self.caller} -> {self.callee} ({self.operation})"


class Chain(Declared):
    """A payment chain. `deadline` is how long the customer waits for a final answer.

    `passes_deadline`: every call tells its callee how much of it is left, unless it says otherwise.
    `allow`: addresses outside loopback where it may be reached. `hosts`: other machines that run
    some of the links. `asks_again`: the customer's side asks again with the same key when so long
    passed without an answer, until the deadline.
    """

    chain: Name
    title: str = ""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "EUR"
    deadline: Span = 10.0
    passes_deadline: bool = False
    allow: list[Network] = []
    asks_again: Duration | None = None
    hosts: Annotated[dict[Name, Placed], Field(max_length=100)] = {}
    providers: dict[Name, Provider] = {}
    entry: str
    links: Annotated[dict[Name, Link], Field(min_length=1, max_length=100)]

    def calls_of(self, link: str) -> dict[str, Call]:
        """The calls of a link by operation; `forwards_to` is the call `forward`."""
        declared = self.links[link]
        calls: dict[str, Call] = {str(name): call for name, call in declared.calls.items()}
        if declared.forwards_to is not None:
            calls["forward"] = Call.model_validate(
                {"to": declared.forwards_to, "timeout": f"{self.deadline}s"}
            )
        if self.passes_deadline:
            calls = {
                name: call
                if call.passes_deadline is not None
                else call.model_copy(update={"passes_deadline": True})
                for name, call in calls.items()
            }
        return calls

    def host_of(self, link: str) -> str | None:
        """The machine that a link is placed on; None where the run is."""
        return next((name for name, one in self.hosts.items() if link in one.links), None)

    def follow_ups(self) -> list[str]:
        """Operations that follow authorisations in this chain: capture, refund, advise."""
        links = self.links.values()
        steps = [step for link in links for call in link.calls.values() for step in call.fallback]
        does = {
            "capture": any(link.captures is not None for link in links),
            "refund": any(link.refunds is not None for link in links),
            "advise": any(isinstance(step, StandIn) for step in steps),
        }
        return [operation for operation, is_done in does.items() if is_done]

    def hops(self) -> tuple[Hop, ...]:
        """Every hop of the chain, the customer's own first, in declared order.

        Reversals and follow-ups take the path of the authorisation, and queries reach its first
        link: all have hops of their own.
        """
        return self._hops

    @cached_property  # a search asks for each schedule; a loaded chain never changes
    def _hops(self) -> tuple[Hop, ...]:
        follow_ups = self.follow_ups()
        found = [Hop(caller=CUSTOMER, operation=ENTRY_OPERATION, callee=self.entry)]
        for caller in self.links:
            for operation, call in self.calls_of(caller).items():
                for callee in call.targets:
                    found.append(Hop(caller=caller, operation=operation, callee=callee))
                    if operation != "authorise":
                        continue
                    for later in ("void", *follow_ups):
                        found.append(Hop(caller=caller, operation=later, callee=callee))
                    if call.on_unknown == "query":
                        found.append(Hop(caller=caller, operation="query", callee=callee))
            notifies = self.links[caller].notifies
            if notifies is not None:
                found.append(Hop(caller=caller, operation="notify", callee=notifies.to))
        unique = {hop.name: hop for hop in found}
        return tuple(unique.values())
