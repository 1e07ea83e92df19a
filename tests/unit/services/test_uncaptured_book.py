"""What a link's book holds when a link behind refuses what was captured."""

from __future__ import annotations

import asyncio

import msgspec

from paychain.payments.cards import TEST_CARDS
from paychain.payments.codes import APPROVED
from paychain.payments.journal import Movement, Record
from paychain.payments.outcome import Outcome
from paychain.protocol.message import Answer, PaymentRequest
from paychain.services.context import Context
from paychain.services.state.book import Book
from paychain.services.state.kept import Retention
from tests.support.recorded import CHAIN

ASKED = PaymentRequest("p1", 1000, "EUR", TEST_CARDS[0], reference="r")


def test_what_is_refused_after_the_hold_would_have_expired_expires_then() -> None:
    """The run does not wait for an expiry that is over, and the merchant is told of it."""
    journal: list[Record] = []
    expired: list[PaymentRequest] = []
    context = Context(link="psp", seed=1, now_ns=lambda: 0, journal=journal, span_prefix="00010000")

    async def play() -> list[str]:
        retention = Retention(CHAIN, "psp", context.now_ns)
        book = Book(context, retention, expires_after_s=0.01, on_expired=expired.append)
        entry = book.begin("r")
        assert entry is not None
        book.settle(entry, ASKED, Answer(Outcome.APPROVED, APPROVED, "psp", "r", 1000))
        capture = msgspec.structs.replace(ASKED, item="c1")
        assert book.capture(capture) == APPROVED
        await asyncio.sleep(0.05)
        assert not expired
        book.uncapture(capture)
        await asyncio.sleep(0)
        return book.awaited

    assert asyncio.run(play()) == []
    booked = [str(each.kind) for each in journal if isinstance(each, Movement)]
    assert booked == ["authorised", "captured", "uncaptured", "expired"]
    assert expired == [ASKED]
