"""Payments that went alike are judged once: see `store.fingerprints` for what that means.

stories_to_judge ──► story, fingerprint ──► rules ──► no finding and `is_plain` ──► sound
      ▲                                                                               │
      └──────────────── skips payments whose fingerprint is known to be sound ◄───────┘
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from paychain.analysis.money.orders import Orders
from paychain.analysis.store.queries import asking_beside
from paychain.analysis.store.shapes import Likeness, Likenesses
from paychain.analysis.store.store import RecordedPayment, RunStore
from paychain.payments.rules import RULES

MAX_SOUND = 50_000  # likenesses that are remembered: some 10 MB
_BEYOND = tuple(rule.beyond for rule in RULES.values() if rule.beyond is not None)


def stories_to_judge(
    store: RunStore,
    sound: set[str],
    orders: Orders,
    own_closed: Mapping[str, Collection[str]],
) -> Iterator[tuple[RecordedPayment, str]]:
    """Stories with their fingerprints, without those whose fingerprint is in `sound`.

    Payments of an order of several are judged each: those of one order together. So are those of
    which a service asked what must come first while it sent the authorisation, since no shape says
    what came first; `own_closed`: see `Parties`. `sound` may grow between two stories. A
    fingerprint is "" where it does not say everything: then the payment is judged by itself.
    """
    known = store.fingerprints()
    by_itself = orders.payments | asking_beside(store, own_closed)
    for payment, fingerprint in known.payments(sound, by_itself):
        says_all = fingerprint.says_all and payment not in by_itself
        yield store.story(payment), fingerprint.text if says_all else ""
    # Rules are about what a customer paid or about what nobody did, never about both: the order of
    # a rule's findings is that of the payments, but for orders of which a record is missing.
    for payment in known.strangers:
        yield store.story(payment), ""


def is_plain(story: RecordedPayment) -> bool:
    """Whether the fingerprint says all that any money rule may ask of this payment.

    It does not when the customer's side is unknown, or when a rule says that it looks beyond the
    payment's own records here: at times, or at other payments.
    """
    return story.customer is not None and not any(beyond(story) for beyond in _BEYOND)


class SoundPayments:
    """What sound payments went like in many short runs of one chain: it is not judged again.

    A run of a search has some twenty payments, nearly all like those of the run before.
    """

    def __init__(self) -> None:
        self._likenesses = Likenesses()
        self._sound: set[Likeness] = set()

    def likeness(self, story: RecordedPayment) -> Likeness | None:
        """What a payment went like; None where it is to be judged by itself."""
        paid = story.customer
        # What is paid of an order in parts depends on its other payments.
        if paid is None or paid.order_minor not in (0, paid.amount_minor):
            return None
        return self._likenesses.of(paid, story.hops, story.movements, story.decisions)

    def __contains__(self, likeness: object) -> bool:
        return likeness in self._sound

    def add(self, likeness: Likeness, story: RecordedPayment) -> None:
        """Remember what a payment without a finding went like, where that says all."""
        if is_plain(story) and len(self._sound) < MAX_SOUND:
            self._sound.add(likeness)
