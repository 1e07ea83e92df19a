"""Which role each link of a chain has for its money, and the limits of what it may decide alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from paychain.model.book_limits import overcapture
from paychain.model.chain import Chain
from paychain.model.fallbacks.queue import Queue
from paychain.model.fallbacks.stand_in import StandIn, StandInLimits
from paychain.model.fallbacks.step import GoOn
from paychain.model.policy import Call
from paychain.model.query_limits import query_limits
from paychain.model.roles import ROLES, RoleFacts
from paychain.model.third_parties import closed_calls, lacking
from paychain.payments.journal import DecisionKind
from paychain.payments.money import PRICE_UNIT, to_minor
from paychain.payments.rules.rule import Needs

QUEUE_GRACE_S = 1.0  # a queue's last try may begin just before its time is over


@dataclass(frozen=True, slots=True)
class FallbackLimit:
    """How far one fallback may go.

    `up_to_minor` None: any amount. `within_s`: how long a queue may keep a payment, its last try
    included.
    """

    up_to_minor: int | None
    within_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Parties:
    """Which role each link of a chain has for its money.

    `settling`: their book says whether money exists. `merchants` keep a merchant's book,
    `creditors` pay merchants: the links that merchants authorise at. `gives_parts`: settling links
    that may approve less than was asked, and which share of it, None where nothing says that.
    `presented_to`: who counts as the scheme that an instrument is presented to. `limits` are by
    link, operation and decision, `overcapture` by link: see `model.book_limits`. `tenders`: calls
    that authorise a payment in parts, by the merchant's link. `closed`: by mock, the calls that
    must fail closed with what each gives; `own_closed`: by own service, what the targets of such
    calls give. `without_book`: own services keep no book of ours.
    `has`: what some rules need. `providers` speak a provider's own API: merchants are booked there
    by the names of their accounts. `gives_card`: customers say which card pays, wherever they are.
    `funding`: what payouts are paid from, by link, in minor units. `scale`: minor units of the
    asset that moves on the ledger in one of the currency. `price_ages`: how old a price may be when
    something is sold, `quote_times`: how long a quote holds, both in ns by link. `price_bounds`:
    the lowest and the highest price, in millionths of the currency. `query_limits`: by link, how
    long after a request its first query may come, in ns, and how many queries may follow it, None
    for any number. `duplicate_codes`: by which links refuse a payment as the repeat of another one.
    """

    settling: frozenset[str]
    merchants: frozenset[str]
    creditors: frozenset[str]
    accept_partial: frozenset[str]
    gives_parts: Mapping[str, float | None]
    presented_to: frozenset[str]
    stand_in: dict[str, StandInLimits]  # by the link that may stand in
    limits: dict[tuple[str, str, DecisionKind], FallbackLimit]
    overcapture: dict[str, float]
    tenders: dict[str, Call]
    currency: str
    closed: dict[str, dict[str, str]] = field(default_factory=dict)
    own_closed: dict[str, dict[str, str]] = field(default_factory=dict)
    without_book: frozenset[str] = frozenset()
    has: frozenset[Needs] = frozenset({""})
    funding: Mapping[str, int] = field(default_factory=dict)
    providers: frozenset[str] = frozenset()
    gives_card: bool = True
    scale: int = 1
    price_ages: Mapping[str, int] = field(default_factory=dict)
    quote_times: Mapping[str, int] = field(default_factory=dict)
    duplicate_codes: frozenset[str] = frozenset()
    price_bounds: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    query_limits: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)

    @classmethod
    def of(cls, chain: Chain) -> Parties:
        """By the roles of the links; without a scheme, instruments are presented to the issuer."""

        def links_that(is_meant: Callable[[RoleFacts], bool]) -> frozenset[str]:
            return frozenset(
                name for name, link in chain.links.items() if is_meant(ROLES[link.role])
            )

        settling = links_that(lambda role: role.settles == "in")
        merchants = links_that(lambda role: role.party == "merchant")
        calls = {name: chain.links[name].calls.get("authorise") for name in merchants}
        closed, own_closed = _closed(chain), _own_closed(chain)
        prices = {name: link.price for name, link in chain.links.items() if link.price is not None}
        return cls(
            settling=settling,
            merchants=merchants,
            creditors=frozenset(
                target for call in calls.values() if call is not None for target in call.targets
            ),
            accept_partial=frozenset(
                name for name, link in chain.links.items() if link.accepts_partial
            ),
            gives_parts={
                name: partial.of if (partial := chain.links[name].partial_approvals) else None
                for name in sorted(settling)
                if chain.links[name].partial_approvals or chain.links[name].service
            },
            presented_to=links_that(lambda role: role.party == "scheme") or settling,
            stand_in=_stand_ins(chain),
            limits=_limits(chain),
            overcapture={name: overcapture(chain, name) or 0.0 for name in chain.links},
            tenders={name: call for name, call in calls.items() if call and call.tenders},
            currency=chain.currency,
            closed=closed,
            own_closed=own_closed,
            without_book=frozenset(chain.own_services()),
            has=_what_there_is(chain) | ({"closed call"} if closed or own_closed else set()),
            duplicate_codes=frozenset(
                link.duplicates.code for link in chain.links.values() if link.duplicates is not None
            ),
            funding={
                name: to_minor(str(link.funding.amount), chain.currency)
                for name, link in chain.links.items()
                if link.funding is not None
            },
            scale=chain.scale,
            price_ages={name: int(price.max_age * 1e9) for name, price in prices.items()},
            quote_times={
                name: int(price.holds_for * 1e9)
                for name, price in prices.items()
                if price.holds_for is not None
            },
            price_bounds={
                name: (int(bounds.lowest * PRICE_UNIT), int(bounds.highest * PRICE_UNIT))
                for name, price in prices.items()
                if (bounds := price.bounds) is not None
            },
            query_limits={
                name: (int(limits.first_after * 1e9), limits.attempts)
                for name, limits in query_limits(chain).items()
            },
            providers=frozenset(
                name for name, link in chain.links.items() if link.dialect.is_vendors
            ),
            gives_card=all(
                link.pays is None or link.pays.gives_card for link in chain.links.values()
            ),
        )


def _what_there_is(chain: Chain) -> frozenset[Needs]:
    """What the chain has of that which some rules are about."""
    found: set[Needs] = {""}
    if chain.own_services():
        found.add("own service")
    if any(link.books is not None for link in chain.links.values()):
        found.add("books")
    if chain.network:
        found |= {"ledger", "reports"}
    if any(link.price is not None for link in chain.links.values()):
        found.add("prices")
    if any(link.price is not None and link.price.holds_for for link in chain.links.values()):
        found.add("quotes")
    if any(link.price is not None and link.price.bounds for link in chain.links.values()):
        found.add("price bounds")
    if any(link.credits for link in chain.links.values()):
        found.add("deposits")
    if query_limits(chain):
        found.add("query limits")
    if chain.rail is not None:
        found |= {"banks", "reports"}
    return frozenset(found)


def _stand_ins(chain: Chain) -> dict[str, StandInLimits]:
    """The limits of every link that may approve alone."""
    return {
        name: step.stand_in
        for name, link in chain.links.items()
        for call in link.calls.values()
        for step in call.fallback
        if isinstance(step, StandIn)
    }


def _closed(chain: Chain) -> dict[str, dict[str, str]]:
    """The calls of mocks that must fail closed."""
    mocks = (name for name, link in chain.links.items() if link.service is None)
    calls = {
        link: {name: lacking(chain, link, name) for name in closed_calls(chain, link)}
        for link in mocks
    }
    return {link: closed for link, closed in calls.items() if closed}


def _own_closed(chain: Chain) -> dict[str, dict[str, str]]:
    """Whom own services ask that must have agreed. What they ask has no name but the link's."""
    found = {
        link: {
            target: lacking(chain, link, name)
            for name in closed_calls(chain, link)
            for target in chain.links[link].calls[name].targets
        }
        for link in chain.own_services()
    }
    return {link: asked for link, asked in found.items() if asked}


def _limits(chain: Chain) -> dict[tuple[str, str, DecisionKind], FallbackLimit]:
    """The limits of every skip, exempt and queue; of several alike the widest."""
    found: dict[tuple[str, str, DecisionKind], FallbackLimit] = {}
    for name, link in chain.links.items():
        for operation, call in link.calls.items():
            for step in call.fallback:
                if not isinstance(step, GoOn | Queue):
                    continue
                up_to = step.largest
                minor = to_minor(str(up_to), chain.currency) if up_to.is_finite() else None
                within_s = None
                if isinstance(step, Queue):
                    within_s = step.queue.within + call.timeout + QUEUE_GRACE_S
                key = (name, operation, step.decision)
                known = found.get(key)
                if known is not None and (
                    known.up_to_minor is None or (minor is not None and minor < known.up_to_minor)
                ):
                    continue
                found[key] = FallbackLimit(minor, within_s)
    return found
