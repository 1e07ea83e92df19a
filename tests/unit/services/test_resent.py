"""What a link sent again by itself, over a connection that was not lost, is in the journal."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from paychain.payments.cards import TEST_CARDS
from paychain.payments.journal import Decision, DecisionKind, HopRecord, Record
from paychain.protocol.dialects import DIALECTS
from paychain.protocol.message import PaymentRequest
from paychain.services.channel import Channel
from paychain.services.context import Context
from paychain.services.transport import Caller
from paychain.wire.http import ConnectionBroken, HttpResponse


class LosesConnections:
    """A pool on which two connections are lost before one brings an answer, or is lost as well."""

    def __init__(self, *, answers: bool) -> None:
        self.answers = answers

    async def request(self, *_: Any, on_resend: Any, **__: Any) -> HttpResponse:
        for _ in range(2 if on_resend is not None else 0):
            on_resend()
        if not self.answers:
            raise ConnectionBroken("cut", sent=True)
        return HttpResponse(404, b"{}")


@pytest.mark.parametrize("answers", [True, False])
@pytest.mark.parametrize(("is_repeatable", "times"), [(True, 2), (False, 0)])
def test_each_time_that_a_request_was_sent_again_is_noted_beside_its_hop(
    answers: bool, is_repeatable: bool, times: int
) -> None:
    journal: list[Record] = []
    context = Context(link="psp", seed=1, now_ns=lambda: 0, journal=journal, span_prefix="0001")

    async def scenario() -> None:
        caller = Caller(DIALECTS["paychain"], "127.0.0.1", 1, is_repeatable=is_repeatable)
        caller._pool = LosesConnections(answers=answers)  # type: ignore[assignment]  # no network
        request = PaymentRequest("p1", 100, "EUR", TEST_CARDS[0], reference="p1-1")
        channel = Channel(context, "authorise", "shop", caller)
        reply = await channel.send(request, "", timeout_s=1.0, try_number=3)
        assert reply.resent == times

    asyncio.run(scenario())
    resent = [each for each in journal if isinstance(each, Decision)]
    assert [(each.kind, each.target, each.payment) for each in resent] == [
        (DecisionKind.RESEND, "shop", "p1")
    ] * times
    assert all(each.detail == "try 3: its connection was lost" for each in resent)
    assert [each.try_number for each in journal if isinstance(each, HopRecord)] == [3]
