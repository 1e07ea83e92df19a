"""A template of many nodes: how many operators run them, in which zones, and how they are asked.

    nodes: {count: 20, zones: {aws-us-east-1: 50%, homes: 50%}, ask: 3, agree: 2, re_pick: 2}

It unfolds into one link for each node (`node-1` to `node-20`) whose providers are its zone and its
client, so that faults, the review and reports take them as any other link. A call `to: nodes` asks
some of them, drawn anew for each call. With `gateway` it asks one link in front, and that one them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import floor
from typing import Annotated, Any, Literal, Protocol, TypeVar

from pydantic import BeforeValidator, Field

from paychain.declaration.quantity import Share, Span
from paychain.declaration.schema import Declared, Short
from paychain.model.fallbacks.failover import FailoverTo
from paychain.model.lifecycle import ServiceTime
from paychain.model.pick import Pick
from paychain.model.policy import Call
from paychain.payments.chance import draw

NODES = "nodes"  # what calls name the template by
GATEWAY = "node-gateway"
PATIENCE_S = 0.7  # of a gateway with one node, unless declared
MAX_NODES = 60  # a chain has at most 100 links


class HasCalls(Protocol):
    """A link, as far as its calls go."""

    @property
    def calls(self) -> dict[str, Call]:
        """Its calls by operation."""


Made = TypeVar("Made", bound=HasCalls)


class Churn(Declared):
    """A node leaves and comes back: times on and off are drawn, exponentially distributed.

    While it is off it answers nothing.
    """

    on: Annotated[Share, Field(gt=0, lt=1)]
    lasts: Span

    @property
    def off_lasts(self) -> float:
        """Seconds that it is off each time, on average."""
        return self.lasts * (1 - self.on) / self.on


def _with_share(value: Any) -> Any:
    return value if isinstance(value, dict | Zone) else {"share": value}


class Zone(Declared):
    """The nodes that depend on one provider: its share of all, and what is different there."""

    share: Annotated[Share, Field(gt=0)]
    churn: Churn | None = None
    answers_in: ServiceTime | None = None


ShareOfNodes = Annotated[Zone, BeforeValidator(_with_share), Short(Share)]


def _with_provider(value: Any) -> Any:
    return value if isinstance(value, dict | NodeGateway) else {"provider": value}


class NodeGateway(Declared):
    """One link in front of all nodes, as hosted access to a network of operators has."""

    provider: str
    answers_in: ServiceTime = ServiceTime.model_construct(median=0.004, p99=0.02)


class Nodes(Declared):
    """Many nodes of one chain: a template that unfolds into links.

    A read needs `agree` of them to say the same: `ask` are asked at once, and one of at most
    `re_pick` others in place of each that gives no answer. A transfer is sent to `ask` of them, and
    one that takes it is enough.
    """

    count: Annotated[int, Field(ge=1, le=MAX_NODES)]
    zones: Annotated[dict[str, ShareOfNodes], Field(min_length=1, max_length=20)]
    clients: Annotated[dict[str, Share], Field(max_length=20)] = {}
    liars: Share = 0.0
    gateway: Annotated[
        NodeGateway | None,
        BeforeValidator(lambda value: value and _with_provider(value)),
        Short(str),
    ] = None
    ask: Annotated[int, Field(ge=1, le=MAX_NODES)] = 1
    agree: Annotated[int, Field(ge=1, le=MAX_NODES)] = 1
    re_pick: Annotated[int, Field(ge=0, le=MAX_NODES)] = 0
    timeout: Span | None = None
    answers_in: ServiceTime = ServiceTime.model_construct(median=0.01, p99=0.06)
    calls: dict[Literal["transfer", "read"], Call]

    @property
    def names(self) -> tuple[str, ...]:
        """The links that it unfolds into, without the gateway."""
        return tuple(f"node-{number}" for number in range(1, self.count + 1))

    @property
    def all_names(self) -> tuple[str, ...]:
        """The links into which the template unfolds, with its gateway if it has one."""
        return (*self.names, GATEWAY) if self.gateway is not None else self.names

    def pick(self, operation: str, call: Call) -> Pick:
        """How a call of an operation chooses among the nodes."""
        return Pick(
            of=self.names,
            ask=self.ask,
            agree=self.agree if operation == "read" else 1,
            re_pick=self.re_pick,
            timeout=call.timeout,
            needs=self.agree,
        )

    def links(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """What each link that it stands for declares, by name."""
        zones, clients = spread(self.names, self.zone_shares), spread(self._mixed, self.clients)
        liars = set(_liars(self.names, self.liars))
        for name in self.names:
            zone = self.zones[zones[name]]
            yield (
                name,
                {
                    "role": "node",
                    "providers": [zones[name], *([clients[name]] if clients else [])],
                    "answers_in": zone.answers_in or self.answers_in,
                    "churn": zone.churn,
                    "lies": name in liars,
                    "calls": dict(self.calls),
                },
            )
        if self.gateway is not None:
            yield (
                GATEWAY,
                {
                    "role": "node",
                    "provider": self.gateway.provider,
                    "answers_in": self.gateway.answers_in,
                    "calls": {operation: self.spread_call(operation) for operation in self.calls},
                },
            )

    def spread_call(self, operation: str, call: Call | None = None) -> Call:
        """A call, with its own policy, that goes to the nodes."""
        first, *others = self.names
        given = call or Call.model_validate({"to": first, "timeout": f"{PATIENCE_S}s"})
        changed = given.model_copy(
            update={
                "to": first,
                "timeout": self.timeout or given.timeout,
                "fallback": [*(FailoverTo(to=name) for name in others), *given.fallback],
            }
        )
        changed.choose(self.pick(operation, changed))
        return changed

    @property
    def zone_shares(self) -> dict[str, float]:
        """The share of each zone."""
        return {name: zone.share for name, zone in self.zones.items()}

    @property
    def _mixed(self) -> list[str]:
        """The nodes in an order in which those of one zone do not follow one another."""
        return sorted(self.names, key=lambda name: draw(0, "client", name))


def unfold(nodes: Nodes, links: dict[str, Made], made: Callable[[dict[str, Any]], Made]) -> None:
    """Add the links that a template stands for, and let calls to it go to them.

    Where a link has one of its names already nothing is done: the checks say so.
    """
    if {NODES, *nodes.all_names} & set(links):
        return
    for link in links.values():
        for operation, call in link.calls.items():
            if call.to != NODES:
                continue
            if nodes.gateway is not None:
                link.calls[operation] = call.model_copy(update={"to": GATEWAY})
            else:
                link.calls[operation] = nodes.spread_call(operation, call)
    links.update((name, made(declared)) for name, declared in nodes.links())


def spread(names: Iterable[str], shares: Mapping[str, float]) -> dict[str, str]:
    """Which part each name is in, so that the parts are as large as their shares say.

    Parts that would be a fraction larger than a whole number get what is left, largest first.
    """
    names = list(names)
    total = sum(shares.values())
    exact = {part: len(names) * share / total for part, share in shares.items()}
    counts = {part: floor(size + 1e-9) for part, size in exact.items()}
    by_rest = sorted(exact, key=lambda part: counts[part] - exact[part])
    for part in by_rest[: len(names) - sum(counts.values())]:
        counts[part] += 1
    parts = [part for part, size in counts.items() for _ in range(size)]
    return dict(zip(names, parts, strict=bool(parts)))


def _liars(names: tuple[str, ...], share: float) -> list[str]:
    """Those that lie, wherever they are: the same ones in every run."""
    mixed = sorted(names, key=lambda name: draw(0, "liar", name))
    return mixed[: round(len(names) * share)]
