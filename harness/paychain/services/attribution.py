"""Which payment a request at a vendor's API is for: own services do not say it in our words.

One table for all links of a process: attempts of a payment are counted over all of its providers.
Source of the order: docs/own-services.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from paychain.payments.attribution import (
    UNKNOWN,
    WAYS,
    CardAmounts,
    Expected,
    PaymentIds,
    find_payment,
)
from paychain.payments.bounded import BoundedDict
from paychain.payments.rules.position import REPEAT
from paychain.payments.whole_number import whole_number
from paychain.protocol.short_ids import LONG, lengthen
from paychain.protocol.vendor import Attributed, AttributedBy, Evidence
from paychain.protocol.vendor_ids import BASE32, HEX, MIXED, UPPER, decode

MAX_KNOWN = 200_000  # keys that are remembered: a repeat comes within seconds


class Attribution:
    """Finds payments and counts their attempts. `prefix`: what the run's payment ids begin with.

    `ways`: what a payment may be found by, see `payments/attribution.py`.
    """

    def __init__(self, prefix: str, ways: Iterable[AttributedBy] = WAYS) -> None:
        self.ids = PaymentIds(prefix)
        self._ways = frozenset(ways)
        self._card_amounts = CardAmounts()
        self._attempts: Counter[str] = Counter()
        self._known: BoundedDict[tuple[str, str], Attributed] = BoundedDict(MAX_KNOWN)
        self._newest: BoundedDict[tuple[str, str], int] = BoundedDict(MAX_KNOWN)
        self._strangers = 0

    def expect(self, payments: Iterable[Expected]) -> None:
        """Know payments that the load will make, in their order."""
        self._card_amounts.expect(payments)

    def attribute(
        self, link: str, evidence: Evidence, now_ns: int = 0, whole: Callable[[], bytes] = bytes
    ) -> Attributed:
        """The payment and attempt of a request at `link`; nothing is ever attributed twice.

        `whole`: all that the request says, for where its vendor's reader knows of nothing.

        The same key, or an object that was made before, is a repeat of its attempt. Anything else
        is a new one, and so is a key that another payment has used: the request says whose it is.
        What makes no attempt and names only the payment (a query by the merchant's reference, say)
        is about the newest attempt at this link, whatever other links were asked since.
        """
        by_object = self._of_object(evidence.object_id)
        if by_object is not None:
            return by_object
        payment, by = self._payment_of(evidence, now_ns, whole)
        known = self.known(link, evidence.key)
        # A payment that was found by something else than the key, and is another one.
        is_reused = known is not None and by in ("trace", "reference") and payment != known.payment
        if known is not None and not is_reused:
            return known
        if not evidence.makes_attempt:
            attempt = self._newest.get((link, payment)) or max(1, self._attempts[payment])
            return Attributed(
                payment=payment, attempt=attempt, reference=f"{payment}-{attempt}", by=by
            )
        stated = self._stated(evidence) if by == "trace" else ""
        if not payment:
            self._strangers += 1
            payment = f"{UNKNOWN}{link}-{self._strangers}"
        self._attempts[payment] += 1
        attempt = self._newest[link, payment] = self._attempts[payment]
        found = Attributed(
            payment=payment,
            attempt=attempt,
            reference=f"{payment}-{attempt}",
            by=by,
            stated=stated if stated != payment else "",
        )
        if evidence.key and not is_reused:
            self._known[link, evidence.key] = found
        return found

    def shown_in(self, headers: Mapping[str, str], body: bytes) -> tuple[str, AttributedBy]:
        """The payment that a request shows whatever its vendor, by its trace or in its body."""
        texts = (body.decode("utf-8", "replace"),)
        return find_payment(self.ids, headers=headers, texts=texts, ways=self._ways - {"key"})

    def known(self, link: str, key: str) -> Attributed | None:
        """The attempt that a key came with before."""
        return self._known.get((link, key)) if key else None

    def _payment_of(
        self, evidence: Evidence, now_ns: int, whole: Callable[[], bytes]
    ) -> tuple[str, AttributedBy]:
        card = evidence.instrument.masked if evidence.instrument is not None else ""
        return find_payment(
            self.ids,
            headers=evidence.headers,
            texts=evidence.texts,
            key=evidence.key,
            of_other_text=lambda: self.ids.in_bytes(whole()),
            of_card_and_amount=lambda: self._card_amounts.payment_of(
                card, evidence.amount_minor, now_ns
            ),
            ways=self._ways,
        )

    def _stated(self, evidence: Evidence) -> str:
        """The payment that a request's own words name: its headers repeat its trace."""
        return find_payment(self.ids, headers={}, texts=evidence.texts, key=evidence.key)[0]

    def _of_object(self, object_id: str) -> Attributed | None:
        """The attempt whose reference the id of a vendor's object was made from."""
        authorisation = reference_of(object_id) if "object" in self._ways else ""
        if not authorisation:
            return None
        payment, _, number = authorisation.rpartition("-")
        attempt = number.partition(REPEAT)[0]
        return Attributed(
            payment=payment,
            attempt=whole_number(attempt) or 1,
            reference=authorisation,
            by="object",
        )


def reference_of(object_id: str) -> str:
    """The authorisation that the id of a vendor's object was made from, "" for any other text."""
    digits = object_id.rpartition("_")[2]
    made_by = (
        lengthen(digits),
        lengthen(digits, LONG),
        *(decode(digits, each) for each in (MIXED, UPPER, HEX, BASE32)),
    )
    reference = next((found for found in made_by if found is not None), "")
    return reference.partition("/")[0]


def payment_of_hints(hints: str, card_amounts: CardAmounts, at_ns: int) -> tuple[str, AttributedBy]:
    """The payment of a request that reached no link, by the words that the fault engine kept.

    An object's id among them was made for its payment; else one of the amounts may be one's.
    """
    words = hints.split()
    for word in words:
        reference = reference_of(word)
        if reference:
            return reference.rpartition("-")[0], "object"
    card = next((word.replace("x", "…") for word in words if _is_card(word)), "")
    for word in words:
        minor = whole_number(word.replace(".", ""))
        if minor is not None and (found := card_amounts.payment_of(card, minor, at_ns)):
            return found, "card and amount"
    return "", "nothing"


def _is_card(word: str) -> bool:
    first, _, last = word.partition("x")
    return len(first) == 6 and len(last) == 4 and (first + last).isdigit()
