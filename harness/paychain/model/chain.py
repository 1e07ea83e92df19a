"""A declared topology: links, the calls between them, the providers they depend on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from paychain.declaration.quantity import Share, Span
from paychain.declaration.schema import Declared, Line, Short, several
from paychain.declaration.text import KeyPath
from paychain.model.accepted import Accepted
from paychain.model.accounts import AccountSettings, after_transfers
from paychain.model.books import Books
from paychain.model.codes import Code, OwnCode
from paychain.model.crypto import LedgerSettings
from paychain.model.customer import Customer
from paychain.model.dialects import Spoken
from paychain.model.disputes import DISPUTE, reporters_of
from paychain.model.duplicates import Duplicates
from paychain.model.fallbacks.stand_in import StandIn
from paychain.model.hop import Hop
from paychain.model.idempotency import Idempotency, IdempotencyModel
from paychain.model.identity import Identity
from paychain.model.lifecycle import (
    Authentications,
    BusinessDeclines,
    Cancels,
    Capacity,
    Captures,
    Challenge,
    Disputes,
    PartialApprovals,
    Refunds,
    ServiceTime,
    SoftDeclines,
    Webhooks,
)
from paychain.model.links_behind import callers
from paychain.model.lookups import Lookups
from paychain.model.named_calls import OneOrSeveral, by_name, path_in_file
from paychain.model.nodes import GATEWAY, Churn, Nodes, unfold
from paychain.model.operations import CUSTOMER, ENTRY_OPERATION, RESOLVED
from paychain.model.pays import Pays
from paychain.model.placement import Placed
from paychain.model.policy import Call
from paychain.model.provider import Provider
from paychain.model.reach import Network
from paychain.model.roles import ROLES
from paychain.model.service import OwnService, Receives
from paychain.payments.money import exponent
from paychain.payments.rails import RailLimits, account_rails

Operation = Literal[
    "forward",
    "serve",
    "tokenise",
    "screen",
    "authenticate",
    "authorise",
    "transfer",
    "read",
    "scan",
    "quote",
    "capture",
    "void",
    "refund",
    "query",
    "notify",
    "advise",
    "recall",
    "confirm",
]
if TYPE_CHECKING:
    Calls = dict[str, Call]
else:
    Calls = Annotated[dict[Operation, OneOrSeveral], AfterValidator(by_name)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]


class Link(LedgerSettings, AccountSettings, Identity):
    """One service of the chain."""

    capacity: Annotated[
        Capacity | None, Field(description="Default: no limit on concurrent requests.")
    ] = None
    answers_in: ServiceTime = ServiceTime.model_construct(median=0.002, p99=0.01)
    service: Annotated[
        OwnService | None,
        Field(description="The user's own process as this link; default: a mock."),
    ] = None
    receives: Annotated[
        Receives | None, Field(description="Where an own service receives webhooks.")
    ] = None
    tls: Annotated[
        bool,
        Field(
            description="Own services reach the mock by https, with a certificate authority made "
            "for the run; faults act on the plaintext behind."
        ),
    ] = False
    pays: Annotated[Pays | None, Field(description="How customers pay an own service.")] = None
    books: Annotated[
        Books | None, Field(description="The service's own view of its orders, after the run.")
    ] = None
    forwards_to: str | None = None
    calls: Calls = {}
    declines: BusinessDeclines | None = None
    dialect: Spoken = Spoken()  # how it speaks on the wire, and how its callers ask it
    idempotency: Annotated[Idempotency, Short(IdempotencyModel)] = Idempotency()
    isolate: bool = False  # runs in a process of its own, which a crash kills
    outbox: Literal["memory", "disk"] = "memory"  # reversals, follow-ups: lost in a crash or kept
    # gateway: what the merchant does with an approval
    captures: Captures | None = None
    cancels: Cancels | None = None
    refunds: Refunds | None = None
    accepts_partial: bool = False
    reauthentications: Annotated[int, Field(ge=0, le=5)] = 1  # after soft declines
    deduplicates: bool = True  # a webhook that comes again has no effect
    # processor
    webhooks: Webhooks | None = None
    # processor, scheme, issuer: how long an authorisation is held
    expires_after: Span | None = None
    checks_refunds: Annotated[
        bool | None,
        Field(
            description="Whether the link refuses to refund more than was captured and not yet "
            "refunded; default: as the links in front of it, and true where none says."
        ),
    ] = None
    overcapture: Annotated[
        Share | None,
        Field(
            description="How much more than the authorised amount may be captured; without it, as "
            "much as the other links on the way declare."
        ),
    ] = None
    # gateway, processor, scheme: a mistake that is common, so it can be declared and tested
    exponent: Annotated[
        int | None,
        Field(
            ge=0,
            le=4,
            description="Number of decimals that the link wrongly assumes for every currency.",
        ),
    ] = None
    # processor, issuer: beside idempotency keys
    duplicates: Duplicates | None = None
    # issuer
    disputes: Annotated[
        Disputes | None,
        Field(description="Cardholders dispute captured payments, and the issuer charges back."),
    ] = None
    partial_approvals: PartialApprovals | None = None
    soft_declines: SoftDeclines | None = None
    # service
    lookups: Annotated[
        Lookups | None,
        Field(description="For a directory: how many lookups it answers, and what brings more."),
    ] = None
    # fraud
    screens: Annotated[
        Literal["fraud", "sanctions"],
        Field(
            description="What it screens for. Without the answer of a sanctions screening no "
            "payment may go on."
        ),
    ] = "fraud"
    # authentication
    outcomes: Authentications | None = None
    valid_for: Annotated[
        list[str],
        Field(
            max_length=20,
            description="The links that accept its authentications; without it every link does. "
            "At another one a payment counts as not authenticated.",
        ),
    ] = []
    challenge: Challenge = Challenge()
    # node
    churn: Churn | None = None
    lies: bool = False  # keeps transfers to itself, and says that each is final

    @model_validator(mode="after")
    def _as_its_vendor(self) -> Self:
        """A payment provider clears up what it left unknown behind itself, unless declared else."""
        call = self.calls.get("authorise")
        if self.dialect.is_vendors and call is not None and not call.declares("on_unknown"):
            self.calls["authorise"] = call.with_default("on_unknown", "reverse")
        return self


class Chain(Declared):
    """A payment chain. `deadline` is how long the customer waits for a final answer.

    `propagate_deadline`: every call passes on how much of it is left, unless it says otherwise.
    `settles_within`: how long after the load a real run waits until nothing is in progress any
    more: no reversal, capture or webhook. Payments that still are get no final judgement.
    `allow`: addresses outside loopback where it may be reached. `hosts`: other machines that run
    some of the links. `customer`: what customers do when no answer comes. `entry`: the link, or
    the links, that customers pay at. `accepts`: findings of the review that are not to be removed.
    """

    chain: Name
    title: Line = ""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3,5}$")] = "EUR"
    deadline: Span = 10.0
    propagate_deadline: bool = False
    settles_within: Span = 15.0
    allow: list[Network] = []
    customer: Customer = Customer()
    codes: Annotated[
        dict[Code, OwnCode],
        Field(max_length=1_000, description="Response codes of its acquirers, and what they mean."),
    ] = {}
    hosts: Annotated[dict[Name, Placed], Field(max_length=100)] = {}
    providers: dict[Name, Provider] = {}
    accepts: Annotated[list[Accepted], Field(max_length=500)] = []
    entries: Annotated[
        tuple[str, ...],
        Field(alias="entry", min_length=1, max_length=20),
        BeforeValidator(several),
        Short(str),
    ]
    nodes: Nodes | None = None
    links: Annotated[dict[Name, Link], Field(min_length=1, max_length=100)]

    @model_validator(mode="after")
    def _unfold(self) -> Self:
        if self.nodes is not None:
            unfold(self.nodes, self.links, Link.model_validate)
        return self

    def entry_hops(self) -> tuple[Hop, ...]:
        """The customers' hop to each entry."""
        return tuple(
            Hop(caller=CUSTOMER, operation=ENTRY_OPERATION, callee=entry) for entry in self.entries
        )

    def calls_of(self, link: str) -> dict[str, Call]:
        """The calls of a link by operation; `forwards_to` is the call `forward`."""
        declared = self.links[link]
        calls: dict[str, Call] = {str(name): call for name, call in declared.calls.items()}
        if declared.forwards_to is not None:
            calls["forward"] = Call.model_validate(
                {"to": declared.forwards_to, "timeout": f"{self.deadline}s"}
            )
        if self.propagate_deadline:
            calls = {
                name: call
                if call.propagate_deadline is not None
                else call.model_copy(update={"propagate_deadline": True})
                for name, call in calls.items()
            }
        return calls

    def path_in_file(self, path: KeyPath) -> KeyPath:
        """A key path as the file has it: a call in a list stands under its number there."""
        match path:
            case ("links", str(link), *rest) if self.nodes and link in self.nodes.all_names:
                return ("nodes", *(("gateway",) if link == GATEWAY else ()), *rest)
            case ("links", str(link), "calls", str(name), *rest) if (
                link in self.links and name in self.links[link].calls
            ):
                return (*path[:3], *path_in_file(self.links[link].calls, name), *rest)
            case _:
                return path

    def callees_of(self, link: str) -> list[str]:
        """The links that a link may call, each once, as its calls name them."""
        calls = self.calls_of(link).values()
        return list(dict.fromkeys(target for call in calls for target in call.targets))

    @property
    def network(self) -> str:
        """The ledger that payments go to, by its link's name; "" in a chain without one."""
        ledgers = (name for name, link in self.links.items() if ROLES[link.role].settles == "out")
        return next(ledgers, "")

    @property
    def asset(self) -> str:
        """What moves on the ledger, or the currency where there is none."""
        declared = self.links[self.network].asset if self.network else None
        return declared or self.currency

    @property
    def scale(self) -> int:
        """Minor units of the asset in one of the currency: they are at par."""
        return int(10 ** max(0, exponent(self.asset) - exponent(self.currency)))

    @property
    def addressed(self) -> str:
        """The network or rail whose addresses or accounts are paid to; "" where cards are used."""
        takes_cards = any(link.role == "issuer" for link in self.links.values())
        return "" if takes_cards else self.network or (self.rail.title if self.rail else "")

    @property
    def rail(self) -> RailLimits | None:
        """The limits of the rail that its clearing is on; None in a chain without one."""
        rails = (link.rail for link in self.links.values() if link.rail is not None)
        return next((account_rails()[rail] for rail in rails), None)

    def host_of(self, link: str) -> str | None:
        """The machine that a link is placed on; None: the machine of the run."""
        return next((name for name, host in self.hosts.items() if link in host.links), None)

    def own_services(self) -> dict[str, OwnService]:
        """The links that are the user's processes, by name."""
        return {name: link.service for name, link in self.links.items() if link.service is not None}

    @cached_property
    def rejects_unknown(self) -> frozenset[str]:
        """The links whose "not found" is final; who executes repeats executes a late one, too."""
        return frozenset(
            name
            for name, link in self.links.items()
            if ROLES[link.role].rejects_unknown and link.idempotency.model != "none"
        )

    @cached_property
    def reversed_by_callers(self) -> frozenset[str]:
        """The links at which a link in front may reverse a whole payment."""
        return frozenset(
            target
            for link in self.links.values()
            for operation, call in link.calls.items()
            if operation == "forward" and call.on_unknown == "reverse"
            for target in call.targets
            if target in self.links
        )

    @cached_property
    def authorised_by(self) -> dict[str, list[str]]:
        """The links that may ask a link for authorisations, in declared order."""
        return callers(self.links, "authorise")

    def follow_ups(self) -> list[str]:
        """Operations that follow authorisations in this chain: capture, refund, advise."""
        links = self.links.values()
        steps = [step for link in links for call in link.calls.values() for step in call.fallback]
        # An own service, or any caller of a vendor's API, captures and refunds whenever it likes.
        is_asked = any(link.service is not None or link.dialect.is_vendors for link in links)
        does = {
            "capture": is_asked or any(link.captures is not None for link in links),
            # A forwarded payment that is reversed after its capture is refunded.
            "refund": is_asked
            or any(link.refunds is not None for link in links)
            or any(self.links[name].captures is not None for name in self.reversed_by_callers),
            "advise": any(isinstance(step, StandIn) for step in steps),
        }
        return [operation for operation, is_done in does.items() if is_done]

    def hops(self) -> tuple[Hop, ...]:
        """Every hop of the chain, the customer's own first, in declared order.

        Reversals and what follows take the path of the payment, queries reach its first link: all
        have hops of their own. An own service has one hop to each link that it calls.
        """
        return self._hops

    @cached_property  # a search asks for each schedule; a loaded chain never changes
    def _hops(self) -> tuple[Hop, ...]:
        found = list(self.entry_hops())
        for caller, link in self.links.items():
            found += self._own_hops(caller) if link.service is not None else self._calls(caller)
            if link.webhooks is not None:
                found.append(Hop(caller=caller, operation="notify", callee=link.webhooks.to))
        found += [
            Hop(caller=issuer, operation=DISPUTE, callee=reporter)
            for issuer in self.links
            for reporter in reporters_of(self.links, issuer)
        ]
        unique = {hop.name: hop for hop in found}
        return tuple(unique.values())

    def _calls(self, caller: str) -> Iterator[Hop]:
        """The hops of a mock: one for each operation and callee."""
        of_transfers = after_transfers(self.links.values(), self.rail)
        later_ones = {"authorise": ["void", *self.follow_ups()], "transfer": of_transfers}
        for operation, call in self.calls_of(caller).items():
            for callee in call.targets:
                yield Hop(caller=caller, operation=operation, callee=callee)
                if operation != "authorise" and call.reverses(operation):
                    yield Hop(caller=caller, operation="void", callee=callee)
                for later in later_ones.get(operation, ()):
                    yield Hop(caller=caller, operation=later, callee=callee)
                if operation in RESOLVED and call.on_unknown == "query":
                    yield Hop(caller=caller, operation="query", callee=callee)

    def _own_hops(self, caller: str) -> Iterator[Hop]:
        """The hops of an own service: one for each callee, named by the first call to it."""
        known: set[str] = set()
        for operation, call in self.calls_of(caller).items():
            for callee in call.targets:
                if callee not in known:
                    yield Hop(caller=caller, operation=operation, callee=callee)
                known.add(callee)
