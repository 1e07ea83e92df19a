"""Which payment a request of an own service is for, by the surest evidence that it shows.

    traceparent, baggage > reference, metadata > idempotency key > any other text of the request
    > vendor's object > card and amount

Each request is attributed once. Nothing here knows a vendor: whoever reads a vendor's requests says
which text is which. Source: docs/own-services.md.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple

AttributedBy = Literal[
    "trace", "reference", "key", "other text", "object", "card and amount", "nothing"
]
WAYS: tuple[AttributedBy, ...] = (
    "trace",
    "reference",
    "key",
    "other text",
    "object",
    "card and amount",
)
TRACE, BAGGAGE = "traceparent", "baggage"
# Under which header each provider's SDK sends its idempotency key.
KEY_HEADERS = ("idempotency-key", "cko-idempotency-key", "paypal-request-id", "x-idempotency-key")
UNKNOWN = "?"  # prefix of the name of an unknown payment
_TRACE_DIGITS = 32
# Payments whose amounts all differ: enough for those of a minute and more that are in progress.
UNIQUE_AMOUNTS = 5_000
# A payment may begin so much before it is expected: clocks differ, the machine may be busy.
EARLY_NS = 5_000_000_000
_WHICH_OF_ITS_ORDER = re.compile(r"(?:b(?:r\d{1,3})?|r\d{1,3})$")


def first_payment(payment: str) -> str:
    """The name of the first payment of the order that a payment is for: its own, if it is that."""
    return _WHICH_OF_ITS_ORDER.sub("", payment)


class PaymentIds:
    """Finds the run's payment ids in any text. `prefix`: what all of them begin with.

    An id is a number of seven digits, and maybe which payment of its order it is: `pk3fa0000042`,
    `pk3fa0000042r2` (the customer orders again), `pk3fa0000042b` (somebody else pays, too).
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        end = "(?![0-9a-z])"  # a text may go on in other words, but then they are not the suffix
        suffix = rf"(?:b(?:r\d{{1,3}})?{end}|r\d{{1,3}}{end})?"
        pattern = rf"{re.escape(prefix)}\d{{7}}{suffix}"
        self._pattern = re.compile(pattern)
        self._in_bytes = re.compile(pattern.encode())
        self._beginning = prefix.encode()

    def in_text(self, text: str) -> str:
        """The payment id that a text contains in any case, the longest of several; "" for none."""
        return max(self._pattern.findall(text.lower()), key=len, default="")

    def in_bytes(self, data: bytes) -> str:
        """As `in_text`, without decoding."""
        # Finding a fixed text costs a fortieth of looking for a pattern in any case.
        lower = data.lower()
        if self._beginning not in lower:
            return ""
        return max(self._in_bytes.findall(lower), key=len, default=b"").decode("ascii")

    def in_trace(self, traceparent: str) -> str:
        """The payment whose id became the trace id of a W3C `traceparent`; "" for another trace."""
        parts = traceparent.split("-")
        if len(parts) != 4 or len(parts[1]) != _TRACE_DIGITS:
            return ""
        try:
            named = bytes.fromhex(parts[1]).lstrip(b"\0").decode("ascii")
        except ValueError:  # no hex digits, or no ASCII
            return ""
        return named if self._pattern.fullmatch(named) else ""


def find_payment(
    ids: PaymentIds,
    *,
    headers: Mapping[str, str],
    texts: Iterable[str] = (),
    key: str = "",
    of_other_text: Callable[[], str] = lambda: "",
    of_object: Callable[[], str] = lambda: "",
    of_card_and_amount: Callable[[], str] = lambda: "",
    ways: Iterable[AttributedBy] = WAYS,
) -> tuple[str, AttributedBy]:
    """The payment that a request is for, and by what it was found; `("", "nothing")` without one.

    `headers` by lower-case name. `texts`: what the merchant sent along (reference, description,
    metadata). `of_other_text`, `of_object`, `of_card_and_amount`: find the payment by that, and are
    only called when nothing surer was found. `ways`: those that count, in this order whatever is
    given.
    """
    finders: dict[AttributedBy, Callable[[], str]] = {
        "trace": lambda: (
            ids.in_trace(headers.get(TRACE, "")) or ids.in_text(headers.get(BAGGAGE, ""))
        ),
        "reference": lambda: max(map(ids.in_text, texts), key=len, default=""),
        "key": lambda: ids.in_text(key),
        "other text": of_other_text,
        "object": of_object,
        "card and amount": of_card_and_amount,
    }
    wanted = frozenset(ways)
    for way, finder in finders.items():
        found = finder() if way in wanted else ""
        if found:
            return found, way
    return "", "nothing"


class Expected(NamedTuple):
    """A payment that the load will make, `at_ns` since the run's epoch.

    `order`: the number of its order. The card is masked.
    """

    payment: str
    order: int
    card: str
    amount_minor: int
    at_ns: int


class CardAmounts:
    """Finds a payment by card and amount, among the newest that are expected to have begun.

    The load draws amounts so that no two of UNIQUE_AMOUNTS payments in a row share one. What two
    payments could mean all the same (amounts that an experiment fixes) is nobody's: a payment is
    never guessed. Only of the payments of one order, which are alike, it is the newest.
    """

    def __init__(self) -> None:
        self._ahead: deque[Expected] = deque()
        self._begun: deque[Expected] = deque()
        self._by_amount: dict[int, list[Expected]] = {}

    def expect(self, payments: Iterable[Expected]) -> None:
        """Add further payments, in the order in which they start."""
        self._ahead.extend(payments)

    def payment_of(self, card: str, amount_minor: int, now_ns: int) -> str:
        """The only payment with this amount and card, "" without one. `card` "": not known."""
        while self._ahead and self._ahead[0].at_ns <= now_ns + EARLY_NS:
            self._begin(self._ahead.popleft())
        alike = self._by_amount.get(amount_minor, [])
        of_card = [expected for expected in alike if expected.card == card]
        # A test token stands for a scheme's card, maybe for another one than the customer's.
        found = of_card or alike
        is_clear = len({expected.order for expected in found}) == 1
        return found[-1].payment if is_clear else ""

    def _begin(self, expected: Expected) -> None:
        self._begun.append(expected)
        self._by_amount.setdefault(expected.amount_minor, []).append(expected)
        if len(self._begun) <= UNIQUE_AMOUNTS:
            return
        oldest = self._begun.popleft()
        alike = self._by_amount[oldest.amount_minor]
        alike.remove(oldest)
        if not alike:
            del self._by_amount[oldest.amount_minor]
