"""Queries to a wallet by the link that had it send a transfer, until the outcome is known."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import msgspec

from paychain.model.chain import Chain
from paychain.payments.codes import APPROVED, NOT_FOUND
from paychain.payments.money import PRICE_UNIT, coins_for
from paychain.payments.outcome import HopResult, Outcome
from paychain.payments.rails import RailLimits
from paychain.protocol.message import Answer, PaymentRequest
from paychain.services.context import Context
from paychain.services.policies.policy import PolicyCall

Known = TypeVar("Known")
_GIVE_UP_S = 2 * 86_400.0  # after the wallet: what is pending still is for people to look at
_PAUSE_S = 0.5  # before a wallet that gave no final answer gets the request once more, at least
_PAUSE_SHARE = 1 / 8  # of the time that the transfer has taken


@dataclass(frozen=True, slots=True)
class Ended:
    """The outcome of a transfer: approved, which is final, or declined with a code."""

    outcome: Outcome
    code: str = ""


def on_ledger(request: PaymentRequest, chain: Chain) -> PaymentRequest:
    """The payment in the asset of the ledger, to which its currency is at par."""
    if chain.asset == chain.currency:
        return request
    coins_minor = coins_for(request.amount_minor, chain.scale, PRICE_UNIT)
    return msgspec.structs.replace(request, amount_minor=coins_minor, currency=chain.asset)


def rail_of(chain: Chain) -> RailLimits:
    """The limits of a clearing's rail: the checks ask banks for a clearing, and it for a rail."""
    assert chain.rail is not None
    return chain.rail


def nothing() -> None:
    """Do nothing while a transfer has no final answer."""


async def transferred(
    call: PolicyCall,
    request: PaymentRequest,
    parent: str,
    context: Context,
    on_no_answer: Callable[[], None] = nothing,
) -> Ended | None:
    """Query a wallet until the outcome of a transfer is known; None if it never is.

    `on_no_answer` is called after each try that brought no final answer.
    """
    return await until_known(partial(_asked, call, request, parent), context, on_no_answer)


async def until_known(
    ask: Callable[[], Awaitable[Known | None]], context: Context, on_no_answer: Callable[[], None]
) -> Known | None:
    """Ask again and again, with ever longer pauses; None if the outcome is never known."""
    began_ns = context.now_ns()
    while (known := await ask()) is None:
        on_no_answer()
        taken_s = (context.now_ns() - began_ns) / 1e9
        if taken_s > _GIVE_UP_S:
            return None
        await asyncio.sleep(max(_PAUSE_S, taken_s * _PAUSE_SHARE))
    return known


async def _asked(call: PolicyCall, request: PaymentRequest, parent: str) -> Ended | None:
    """The outcome of a transfer, as the wallet says; None while it says none."""
    end = await call.execute(request, parent)
    answer = end.reply.answer
    if answer is None or not is_about(answer, request):
        return None
    if end.reply.result is HopResult.APPROVED:
        return Ended(Outcome.APPROVED) if answer.code == APPROVED else None
    # What a wallet does not know it may get yet; a technical decline says nothing about money.
    if end.reply.result is HopResult.DECLINED and answer.code != NOT_FOUND:
        return Ended(Outcome.DECLINED, answer.code)
    return None


def is_about(answer: Answer | None, request: PaymentRequest) -> bool:
    """Whether an answer is about this transfer, and not about another one."""
    return (
        answer is not None
        and answer.reference == request.reference
        and (answer.outcome is not Outcome.APPROVED or answer.amount_minor == request.amount_minor)
    )
