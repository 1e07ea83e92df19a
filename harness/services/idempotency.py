"""What a link does with a repeated request: answer it again, refuse it, or work again.

Providers differ in the case that matters: what a repeat gets after a stored error, while the first
is still in flight, with another body, and when the window is over. Source: domain.md §2.3.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import msgspec

from harness.model.idempotency import Idempotency
from harness.payments.codes import is_technical
from harness.payments.outcome import Outcome
from harness.services.message import Answer, PaymentRequest
from harness.wire.http import HttpResponse

Given = Answer | HttpResponse
Work = Callable[[PaymentRequest], Awaitable[Given]]
KEYS_MOST = 100_000  # kept per link: a repeat comes within seconds, not after so many payments
LONGEST_KEY = 64  # adyen's limit on the header
MISSING, CONFLICT, UNPROCESSABLE = 400, 409, 422
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Model:
    """How one provider treats repeats of a key. `None` where a status stands: not refused."""

    window_s: float = _DAY_S
    stores: Callable[[Given], bool] = lambda _given: True  # whether an outcome is given again
    in_flight: int | None = CONFLICT  # None: the repeat waits for the first
    mismatch: int | None = None  # same key, other body
    replay_header: str = ""
    continues: bool = False  # a repeat of failed work goes on with it instead of beginning anew
    requires_key: bool = False
    longest_key: int | None = None


def _success(given: Given) -> bool:
    return isinstance(given, Answer) or given.status < 300


def _not_4xx(given: Given) -> bool:
    return isinstance(given, Answer) or not 400 <= given.status < 500


def _final(given: Given) -> bool:
    """An answer about the payment, not about the chain's health."""
    if isinstance(given, HttpResponse) or given.outcome is Outcome.UNKNOWN:
        return False
    return not is_technical(given.code)


# keyed is ours, as a careful provider would do it. Confidence of the rest: V, but M where it says.
MODELS: dict[str, Model] = {
    "keyed": Model(in_flight=None, stores=_final, continues=True),
    "stripe-v1": Model(mismatch=400, replay_header="idempotent-replayed"),
    "stripe-v2": Model(window_s=30 * _DAY_S, stores=_success, mismatch=400, continues=True),
    "checkout": Model(stores=_success),
    "ppro": Model(stores=_not_4xx, mismatch=400, replay_header="request-idempotency"),
    "whop": Model(mismatch=400, replay_header="idempotent-replayed"),
    # M: window, conflict and mismatch of adyen; all of ietf (a draft)
    "adyen": Model(
        window_s=7 * _DAY_S, mismatch=UNPROCESSABLE, replay_header="idempotency-key",
        longest_key=LONGEST_KEY,
    ),
    "ietf": Model(mismatch=UNPROCESSABLE, requires_key=True),
}  # fmt: skip


@dataclass(slots=True)
class _Known:
    """What is known of one key."""

    body: tuple[str | int, ...]  # () where nobody compares
    since_s: float
    executions: int = 1
    given: Given | None = None  # None while the work goes on
    awaited: asyncio.Future[Given] | None = None  # by repeats that came meanwhile


class Repeats:
    """The repeated requests of one link. `now_s` is the link's clock, `mark` its own."""

    def __init__(self, declared: Idempotency, now_s: Callable[[], float], mark: str = "") -> None:
        model = MODELS.get(declared.model)  # None: every request is new work
        if model is not None and declared.window is not None:
            model = replace(model, window_s=declared.window)
        self._model = model
        self._now_s = now_s
        self._mark = mark
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()

    def __len__(self) -> int:
        """How many keys are known now."""
        return len(self._known)

    async def once(self, operation: str, request: PaymentRequest, work: Work) -> Given:
        """The outcome of `work`, done as often as the model says for repeats of the key."""
        model = self._model
        if not request.key:
            missing = model is not None and model.requires_key
            return _refused(MISSING, "no idempotency key") if missing else await work(request)
        if model is not None and len(request.key) > (model.longest_key or len(request.key)):
            return _refused(UNPROCESSABLE, "the idempotency key is too long")
        self._forget()
        key = (operation, request.key)
        known = self._known.get(key)
        if known is None:
            return await self._execute(key, request, work, 1)
        if model is None:
            return await self._execute(key, request, work, known.executions + 1)
        if model.mismatch is not None and known.body != _body(request):
            return _refused(model.mismatch, "this idempotency key came with another body")
        if known.given is None:
            if model.in_flight is not None:
                return _refused(model.in_flight, "a request with this idempotency key is in flight")
            known.awaited = known.awaited or asyncio.get_running_loop().create_future()
            return await asyncio.shield(known.awaited)
        if model.stores(known.given):
            return _replayed(known.given, model.replay_header)
        again = 1 if model.continues else known.executions + 1
        return await self._execute(key, request, work, again)

    async def _execute(
        self, key: tuple[str, str], request: PaymentRequest, work: Work, number: int
    ) -> Given:
        """Do the work. The second execution for a key is a payment of its own, as is the third."""
        is_compared = self._model is not None and self._model.mismatch is not None
        known = _Known(_body(request) if is_compared else (), self._now_s(), number)
        self._known[key] = known
        self._known.move_to_end(key)
        if number > 1:
            request = _anew(request, f"{self._mark}{number}")
        try:
            given = await work(request)
        except Exception as error:
            given = _refused(500, f"{type(error).__name__}: {error}")
        except BaseException:
            if known.awaited is not None:
                known.awaited.cancel()
            if self._known.get(key) is known:
                del self._known[key]
            raise
        known.given = given
        if known.awaited is not None:
            known.awaited.set_result(given)
        return given

    def _forget(self) -> None:
        """Drop the keys whose window is over, and the oldest beyond what is kept."""
        window_s = self._model.window_s if self._model is not None else _DAY_S
        until_s = self._now_s() - window_s
        while self._known:
            key, oldest = next(iter(self._known.items()))
            is_over = oldest.since_s <= until_s or len(self._known) > KEYS_MOST
            if not is_over or oldest.given is None:
                return
            del self._known[key]


def _anew(request: PaymentRequest, number: str) -> PaymentRequest:
    """The request as the n-th of its own: another capture or refund, or another authorisation."""
    key = f"{request.key}~{number}"
    if request.item:
        return msgspec.structs.replace(request, item=f"{request.item}~{number}", key=key)
    return msgspec.structs.replace(request, reference=f"{request.reference}~{number}", key=key)


def _body(request: PaymentRequest) -> tuple[str | int, ...]:
    return (request.amount_minor, request.currency, request.card.number, request.merchant)


def _replayed(given: Given, header: str) -> Given:
    """The stored outcome again; answers say so in `replayed`, errors in the provider's header."""
    if isinstance(given, Answer):
        return msgspec.structs.replace(given, replayed=True)
    if not header:
        return given
    return HttpResponse(given.status, given.body, {**given.headers, header: "true"})


def _refused(status: int, why: str) -> HttpResponse:
    body = msgspec.json.encode({"error": why})
    return HttpResponse(status, body, {"content-type": "application/json"})
