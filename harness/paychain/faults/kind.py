"""What every fault kind is made of: parameters, where it acts, words, switches, search.

A kind is one module in `kinds/` and a line in `kinds/__init__.py`. Everything else that names fault
kinds is derived from it: the models of an experiment, the checks, what an engine supports, the
board's switches, and what a search can inject.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Protocol, Self

from pydantic import Field, model_validator

from paychain.declaration.problem import Problem
from paychain.declaration.quantity import Share
from paychain.declaration.schema import Declared
from paychain.declaration.text import KeyPath
from paychain.faults.affected import AffectedPayments
from paychain.faults.toxic_spec import ToxicSpec
from paychain.payments.rails import Finality
from paychain.protocol.message import AnswerOrError, Delivery, PaymentRequest

MAX_NUMBERED = 1_000  # requests of one payment at one link: more than any policy sends
RequestNumber = Annotated[int, Field(ge=1, le=MAX_NUMBERED)]
Values = Mapping[str, str]  # parameters as an experiment file writes them
Limitation = tuple[str, str]  # what cannot be done, and a hint


@dataclass(frozen=True, kw_only=True)
class Search:
    """How a search injects a kind. The time it draws is the value of `magnitude`, if there is one.

    `rank`: the simplest kinds have the lowest; the shrinker prefers them. `fixed`: parameters that
    never change. `on_calls`: also inject it into single calls, not only into whole links.
    `is_on_request`: only a search that names the kind injects it.
    """

    rank: int
    magnitude: str = ""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    on_calls: bool = False
    is_on_request: bool = False

    def parameters(self, magnitude_ms: int) -> dict[str, Any]:
        """The kind's parameters as an experiment file writes them."""
        drawn = {self.magnitude: f"{magnitude_ms}ms"} if self.magnitude else {}
        return {**self.fixed, **drawn}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the board and a search have to know of a kind.

    `meaning`: what happens, in a few words. `switch`: what the kind's switch on the board does
    unless other values are typed in; of several, the first that a link can have. `search`: None for
    a kind that is never searched.
    """

    meaning: str
    switch: tuple[Values, ...]
    search: Search | None


class ServiceTraits(Protocol):
    """What a fault kind may ask about an own service."""

    @property
    def is_started(self) -> bool:
        """The run starts its process, and can stop it."""


class DialectTraits(Protocol):
    """What a fault kind may ask about how a link is spoken to."""

    @property
    def is_vendors(self) -> bool:
        """It answers in the words of another's API, and not in our own."""


class FinalityTraits(Protocol):
    """What a fault kind may ask about when a ledger's transfers are final."""

    @property
    def finality(self) -> Finality:
        """At once, after some blocks, or after a time."""


class LinkTraits(Protocol):
    """What a fault kind may ask about the link it is injected into."""

    @property
    def role(self) -> str:
        """The link's role, such as `processor`."""

    @property
    def isolate(self) -> bool:
        """Whether it runs in its own process."""

    @property
    def service(self) -> ServiceTraits | None:
        """It is the user's process and not a mock."""

    @property
    def dialect(self) -> DialectTraits:
        """How it is spoken to."""

    @property
    def final(self) -> FinalityTraits:
        """Of a ledger: when its transfers are final."""

    @property
    def calls(self) -> Mapping[str, Any]:
        """What it asks of other links, by the operation."""


class FaultKind(Declared):
    """What is injected, with its magnitude.

    `fails_calls`: a call that it affects cannot work, however much time there is, on any machine.
    """

    facts: ClassVar[Facts]
    fails_calls: ClassVar[bool] = False

    @property
    def decline_codes(self) -> Mapping[str, str]:
        """Response codes that it declines with, by the key that has each."""
        return {}

    def stops(self, timeout_s: float) -> bool:
        """Whether no call that it affects comes to anything within its timeout."""
        return self.fails_calls

    def problems(self, at: KeyPath) -> Iterator[Problem]:
        """Values that read well but cannot be meant. `at` is the key path of the kind."""
        yield from ()


class SharedFaultKind(FaultKind):
    """A kind that a part of the traffic meets.

    `share` is of connections on a hop, of requests in a link.
    """

    share: Share = 1.0


class HopFaultKind(SharedFaultKind):
    """What the fault engine does to the bytes of a hop."""

    def toxics(self) -> list[ToxicSpec]:
        """The toxics that stand for it; none when the proxy is stopped instead. Raises Unfit."""
        raise NotImplementedError  # each kind has its own

    @property
    def refuses_all(self) -> bool:
        """Whether nothing listens: then only the callers notice the fault, not the engine."""
        return not self.toxics()

    @property
    def extent(self) -> str:
        """What of it needs the embedded engine, if its toxics do: ` of new connections only`."""
        return ""

    def toxiproxy_limitation(self) -> Limitation | None:
        """Why a Toxiproxy server should not do it although it has the toxics."""
        return None


class LinkFaultKind(FaultKind):
    """What a link does wrong.

    `needs_payments`: a link that only forwards bytes cannot do it. `whole_link`: the link fails for
    all its callers, so that the fault cannot be for one call or hop.
    """

    needs_payments: ClassVar[bool] = False
    whole_link: ClassVar[bool] = False

    def limitation(self, name: str, link: LinkTraits) -> Limitation | None:
        """Why a link of this name cannot have it."""
        return None


class RequestFaultKind(SharedFaultKind, LinkFaultKind):
    """What a link does wrong with a request; `only` these payments, all without it.

    `first` and `requests` choose by number among the requests of one payment at one link that the
    target covers, whatever their operation, counted from 1 while the fault is on. `share` is then a
    share of the chosen requests.

    A link asks in this order, of each fault that applies to a request. The steps are pure: `chance`
    is the request's own draw in 0 to 1, `link` the name of the link.

        held → arrivals → delay_before_s → instead_of_work or the work, then change_answer
             → delay_after_s → delivery, unless the answer is lost

    `holds_requests`: the request waits until the fault is over and is answered pending.
    `loses_answer`: no answer leaves although the work is done. `repeats_last`: where the link has
    answered a request for the same operation before, that answer leaves once more, from in front of
    its application, which does not see the request.
    """

    holds_requests: ClassVar[bool] = False
    loses_answer: ClassVar[bool] = False
    repeats_last: ClassVar[bool] = False

    only: AffectedPayments | None = None
    first: Annotated[
        RequestNumber | None,
        Field(description="Acts on the first N requests of each payment at the target."),
    ] = None
    requests: Annotated[
        list[RequestNumber] | None,
        Field(min_length=1, description="Acts on these requests of each payment at the target."),
    ] = None

    @model_validator(mode="after")
    def _chosen_once(self) -> Self:
        if self.first is not None and self.requests is not None:
            raise ValueError("first and requests both choose requests; give one of them")
        return self

    @property
    def is_numbered(self) -> bool:
        """Whether it depends on how many requests of the payment came before."""
        return self.first is not None or self.requests is not None

    def chooses(self, number: int) -> bool:
        """Whether it acts on the `number`-th request of a payment at the target, from 1."""
        if self.first is not None:
            return number <= self.first
        return self.requests is None or number in self.requests

    @property
    def limit_per_s(self) -> float | None:
        """How many requests per second each link takes; it acts on those above that."""
        return None

    @property
    def fails_in_front(self) -> bool:
        """An error comes from in front of the link's application, which never saw the request.

        Then no idempotency key is used up, and the error is not stored under it.
        """
        return False

    def stops(self, timeout_s: float) -> bool:
        """As any, what holds requests until it is over, and delays longer than a caller waits."""
        shortest_s = self.delay_before_s(0.0) + self.delay_after_s(0.0)
        return self.holds_requests or shortest_s >= timeout_s or super().stops(timeout_s)

    def delay_before_s(self, chance: float) -> float:
        """How much later the link begins its work, in seconds."""
        return 0.0

    def instead_of_work(self, link: str) -> AnswerOrError | None:
        """What the link answers instead of working, None if it works."""
        return None

    def change_answer(self, given: AnswerOrError, request: PaymentRequest) -> AnswerOrError:
        """The link's own answer, made into another one."""
        return given

    def delay_after_s(self, chance: float) -> float:
        """How much later the link answers after its work, in seconds."""
        return 0.0

    @property
    def arrivals(self) -> tuple[float, ...]:
        """When the link receives the request again, in seconds after it received it first."""
        return ()

    def delivery(self, delivery: Delivery) -> Delivery:
        """How the answer leaves the link."""
        return delivery


class ProcessFaultKind(LinkFaultKind):
    """What is done to the link's process, whatever runs in it: an own service can have it."""

    whole_link: ClassVar[bool] = True

    def limitation(self, name: str, link: LinkTraits) -> Limitation | None:
        """A process that the run did not start is not the run's to stop."""
        if link.service is None or link.service.is_started:
            return None
        what = f"{name} runs already (url:): the run does not stop a process that it did not start"
        return what, "give the service a command:, or inject down into the hop in front of it"


class StateFaultKind(LinkFaultKind):
    """What becomes of the state of a link, whoever asks it for what.

    `roles`: those that can have it. `lasts`: it acts on all that comes while it is on; otherwise it
    acts once, when it begins. `of_real_api`: what a link with a provider's API does instead, if it
    cannot have it.
    """

    whole_link: ClassVar[bool] = True
    roles: ClassVar[frozenset[str]]
    lasts: ClassVar[bool] = False
    of_real_api: ClassVar[str] = ""

    def limitation(self, name: str, link: LinkTraits) -> Limitation | None:
        """Only some roles have such a state, and maybe not with a provider's API."""
        if link.role in self.roles:
            if link.dialect.is_vendors and self.of_real_api:
                return f"{name} {self.of_real_api}", "name a link without a dialect"
            return None
        roles = " or ".join(sorted(self.roles))
        article = "an" if roles[0] in "aeiou" else "a"
        return f"{name} is not {article} {roles}", f"name a link with the role {roles}"


class PayeesBankFaultKind(StateFaultKind):
    """What goes wrong between a payee's bank and its accounts."""

    roles = frozenset({"bank"})
    lasts = True

    def limitation(self, name: str, link: LinkTraits) -> Limitation | None:
        """A bank of payers credits nobody."""
        limitation = super().limitation(name, link)
        if limitation is not None or "transfer" not in link.calls:
            return limitation
        return f"{name} has payers, and credits nobody", "name the bank of the payee"


class OutageKind(ProcessFaultKind):
    """The link's process is down while the fault is on; with `forgets` its books are lost, too."""

    forgets: bool = False

    def stops(self, timeout_s: float) -> bool:
        """Nobody is there to answer."""
        return True


class FreezeKind(ProcessFaultKind):
    """The link's process is suspended while the fault is on, then continues where it stopped."""

    def stops(self, timeout_s: float) -> bool:
        """Nothing is done until it continues."""
        return True
