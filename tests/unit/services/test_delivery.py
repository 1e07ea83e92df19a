"""The one loop that sends until a reply is final, and its backoff."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from paychain.payments.outcome import HopResult
from paychain.protocol.reply import Reply
from paychain.services.delivery import DeliveryEnd, backoff_s, deliver, jittered_s
from tests.support.policy_call import in_virtual_time

APPROVED, TIMEOUT = Reply(HopResult.APPROVED), Reply(HopResult.TIMEOUT)
REJECTED = Reply(HopResult.REJECTED, "429")


def delivered(*replies: Reply, max_tries: int = 9) -> tuple[DeliveryEnd, list[float]]:
    """A delivery with a pause of 1 s after the first try, 2 s after the second, …; send times."""
    sent: list[float] = []

    async def send(number: int) -> Reply:
        sent.append(asyncio.get_running_loop().time())
        return replies[number - 1]

    async def run() -> DeliveryEnd:
        return await deliver(
            send,
            is_final=lambda reply: reply.result.worked,
            pause_s=lambda tries: float(tries) if tries < max_tries else None,
        )

    return in_virtual_time(run), [at - sent[0] for at in sent]


def test_a_final_reply_ends_the_delivery() -> None:
    end, sent = delivered(APPROVED)
    assert (end.reply, end.tries, end.is_final, end.is_unknown) == (APPROVED, 1, True, False)
    assert sent == [0.0]


def test_a_request_is_sent_again_after_each_pause() -> None:
    end, sent = delivered(TIMEOUT, REJECTED, APPROVED)
    assert sent == pytest.approx([0.0, 1.0, 3.0])
    assert (end.tries, end.is_final, end.is_unknown) == (3, True, True)


def test_a_delivery_gives_up_when_no_pause_is_left() -> None:
    end, sent = delivered(TIMEOUT, REJECTED, max_tries=2)
    assert (end.reply, end.tries, end.is_final, end.is_unknown) == (REJECTED, 2, False, True)
    assert len(sent) == 2


def test_refusals_alone_leave_nothing_unknown() -> None:
    end, _ = delivered(REJECTED, REJECTED, max_tries=2)
    assert not end.is_unknown


def test_the_back_off_doubles_up_to_its_maximum_and_half_of_it_is_drawn() -> None:
    declared = SimpleNamespace(backoff=0.25, max_backoff=1.5)
    assert [backoff_s(declared, tries) for tries in (1, 2, 3, 4, 9)] == [0.25, 0.5, 1.0, 1.5, 1.5]
    assert jittered_s(declared, 3, 0.0) == 0.5  # half of 1 s
    assert jittered_s(declared, 3, 0.5) == 0.75
