"""When payments arrive and what they are: a seeded schedule, the same for every run of a seed."""

from __future__ import annotations

import re
from bisect import bisect_right, insort
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import accumulate, islice
from typing import TYPE_CHECKING

import msgspec

from paychain.load.traffic.merchants import made_up
from paychain.load.traffic.plan import LoadPlan, MerchantPlan
from paychain.load.traffic.schedule import moments, second_s
from paychain.load.traffic.scripted import script_of, second_press
from paychain.load.traffic.unique_amounts import DrawnAmount, UniqueAmounts
from paychain.payments.cards import TEST_CARDS, Card
from paychain.payments.chance import draw, log_normal
from paychain.payments.instrument import Instrument, published

if TYPE_CHECKING:
    from paychain.model.scripts import Script

SECOND_PAYER = 128  # above any number of payments that one customer makes for one order
_FURTHER = re.compile(r"r\d{1,3}$")  # after a number of seven digits
SEEDS_KEPT = 8  # a search makes one seed's schedule again and again


class Arrival(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One payment to be made. `at_s` counts from the start of the load.

    `order` is what it pays for, of `order_minor` in all; "" and 0: the payment alone is the order.
    """

    number: int
    at_s: float
    payment: str
    amount_minor: int
    instrument: Instrument
    merchant: str
    warm_up: bool
    entry: int = 0  # number of the entry in the plan
    order: str = ""
    key: str = ""  # "": its own
    nth: int = 1  # payment of its order; the second payer's begin after SECOND_PAYER
    order_minor: int = 0
    script: str = ""  # the failure script that it follows, as `encode_script` writes it
    is_after_decline: bool = False


class Purchases:
    """What is paid, to whom and with what: drawn for each number, whenever it arrives."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._merchants = plan.merchants or _merchants_of(plan.seed)
        self._until = list(accumulate(merchant.share for merchant in self._merchants))
        self._has_orders = plan.has_orders
        self._unique = UniqueAmounts(self._drawn) if plan.unique_amounts else None

    def arrival(self, number: int, at_s: float, entry: int | None = None) -> Arrival:
        """A payment that arrives so long after the start of the load.

        Without an entry it is drawn: each takes its equal part.
        """
        plan = self._plan
        merchant = self._merchant(number)
        payment = f"{plan.id_prefix}{number:07d}"
        amount_minor = (
            self._amount_minor(number, merchant)
            if self._unique is None
            else self._unique.amount_of(number)
        )
        instrument = self._instrument(number)
        return Arrival(
            number=number,
            at_s=at_s,
            payment=payment,
            amount_minor=amount_minor,
            instrument=instrument,
            merchant=(
                plan.recorded_merchants[number] if plan.recorded_merchants else merchant.name
            ),
            warm_up=at_s < plan.warm_up_s,
            entry=self._entry(number) if entry is None else entry,
            order=payment if self._has_orders else "",
            script=script_of(plan, number, amount_minor, instrument.masked),
        )

    def _entry(self, number: int) -> int:
        count = len(self._plan.entries)
        return int(draw(self._plan.seed, "entry", number) * count) if count > 1 else 0

    def _merchant(self, number: int) -> MerchantPlan:
        nth = bisect_right(self._until, draw(self._plan.seed, "merchant", number))
        return self._merchants[min(nth, len(self._merchants) - 1)]  # shares are 1 but for rounding

    def _drawn(self, number: int) -> DrawnAmount:
        """A payment's amount as it is drawn, and how far it may be moved."""
        merchant = self._merchant(number)
        amount_minor = self._amount_minor(number, merchant)
        if self._plan.recorded_amounts:
            return DrawnAmount(amount_minor, amount_minor, amount_minor)
        amounts = merchant.amounts or self._plan.amounts
        return DrawnAmount(amount_minor, amounts.least, amounts.most)

    def _amount_minor(self, number: int, merchant: MerchantPlan) -> int:
        plan = self._plan
        if plan.recorded_amounts:
            return plan.recorded_amounts[number]
        amounts = merchant.amounts or plan.amounts
        amount = log_normal(draw(plan.seed, "amount", number), amounts.median, amounts.median * 8)
        return round(min(max(amount, amounts.least), amounts.most))

    def _instrument(self, number: int) -> Instrument:
        plan = self._plan
        uniform = draw(plan.seed, "card", number)
        cards: Sequence[Instrument] = published(plan.network)
        if plan.recorded_schemes:
            cards = _cards_of(plan.recorded_schemes[number])
        elif plan.schemes:
            cards, uniform = _of_schemes(plan.schemes, uniform)
        return cards[int(uniform * len(cards))]


def again(arrival: Arrival) -> Arrival:
    """The next payment of a customer who orders again, with a key of its own: `p0000012r2`."""
    first = _FURTHER.sub("", arrival.payment)  # a run's prefix may have an r, too
    nth = arrival.nth + 1
    return msgspec.structs.replace(
        arrival, payment=f"{first}r{nth % SECOND_PAYER}", key="", nth=nth
    )


def after_decline(plan: LoadPlan, arrival: Arrival) -> Arrival:
    """The next payment of a customer who saw a decline, with another card where the plan says so.

    It is another one that customers of the plan have; the same, where there is only one. A recorded
    payment may have been made with a card of none of the plan's schemes: then it is one of that.
    """
    instrument = arrival.instrument
    if plan.changes_card:
        schemes = [scheme for scheme, _ in plan.schemes]
        cards: Sequence[Instrument] = [
            each for each in published(plan.network) if not schemes or each.scheme in schemes
        ]
        if instrument not in cards:
            cards = _cards_of(instrument.scheme) or (instrument,)
        instrument = cards[(cards.index(instrument) + 1) % len(cards)]
    return msgspec.structs.replace(again(arrival), instrument=instrument, is_after_decline=True)


def second(arrival: Arrival, at_s: float, *, same_key: bool) -> Arrival:
    """The payment of the second payer of the same order: `p0000012b`."""
    return msgspec.structs.replace(
        arrival,
        at_s=at_s,
        payment=f"{arrival.payment}b",
        key=arrival.payment if same_key else "",
        nth=arrival.nth + SECOND_PAYER,
    )


def under_script(arrival: Arrival, script: Script | None) -> list[Arrival]:
    """The payments of a customer who follows a script: two, where the button is pressed twice."""
    if script is None:
        return [arrival]
    from paychain.model.scripts import encode_script

    text = encode_script(script)
    order = arrival.payment if script.pays_again else arrival.order
    first = msgspec.structs.replace(arrival, script=text, order=order)
    pressed = second_press(text)
    if pressed is None:
        return [first]
    return [first, second(first, first.at_s + pressed.after, same_key=pressed.key == "same")]


def arrivals(plan: LoadPlan) -> Iterator[Arrival]:
    """Every arrival of the plan's share in the order of their times.

    The n-th order belongs to share n modulo `shares`; so do all of its payments.
    """
    waiting: list[Arrival] = []  # second payments, in the order of their times
    for arrival in _first_payments(plan):
        while waiting and waiting[0].at_s <= arrival.at_s:
            yield waiting.pop(0)
        yield arrival
        again_s = second_s(plan, arrival.number, arrival.at_s, arrival.script)
        if again_s is not None:
            pressed = second_press(arrival.script)
            same_key = plan.twice_same_key if pressed is None else pressed.key == "same"
            insort(waiting, second(arrival, again_s, same_key=same_key), key=_at_s)
    yield from waiting


def _at_s(arrival: Arrival) -> float:
    return arrival.at_s


def _first_payments(plan: LoadPlan) -> Iterator[Arrival]:
    purchases = Purchases(plan)
    for number, moment in islice(enumerate(moments(plan)), plan.share, None, plan.shares):
        yield purchases.arrival(number, moment.at_s, moment.entry)


def with_merchants(plan: LoadPlan) -> LoadPlan:
    """The plan with all of its merchants' names: no process that pays has to make any up."""
    if plan.merchants:
        return plan
    return msgspec.structs.replace(plan, merchants=_merchants_of(plan.seed))


@lru_cache(maxsize=SEEDS_KEPT)
def _merchants_of(seed: int) -> tuple[MerchantPlan, ...]:
    return made_up(seed)


@cache
def _cards_of(scheme: str) -> tuple[Card, ...]:
    return tuple(card for card in TEST_CARDS if card.scheme == scheme)


def _of_schemes(
    schemes: Sequence[tuple[str, float]], uniform: float
) -> tuple[tuple[Card, ...], float]:
    """The cards of the scheme that a number in [0, 1) falls to, and a number in [0, 1) for them."""
    passed = 0.0
    for scheme, share in schemes:
        if uniform < passed + share:
            return _cards_of(scheme), (uniform - passed) / share
        passed += share
    return _cards_of(schemes[-1][0]), 0.0  # shares add up to 1 but for rounding
