"""What a link does with a repeated request: answer it again, refuse it, or work again.

Providers differ in the case that matters: what a repeat gets after a stored error, while the first
is still in flight, with another body, and when the window is over. Source: docs/domain.md §2.3.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from paychain.model.idempotency import Idempotency
from paychain.payments.outcome import Outcome
from paychain.payments.rules.position import REPEAT
from paychain.protocol.message import Answer, AnswerOrError, Error, ErrorKind, PaymentRequest
from paychain.services.state.key_windows import KeyWindows, named_key
from paychain.services.state.retained import FixedWindow, Retained

Work = Callable[[PaymentRequest], Awaitable[AnswerOrError]]
# Kept per operation of a link: a repeat comes within seconds, long before as many payments.
MAX_KEYS = 100_000
# Characters of a key, at the most.
ADYENS_LONGEST_KEY = 64  # its limit on the header
SQUARES_LONGEST_KEY = 45  # the SDK's documentation of RefundPayment
STRIPES_LONGEST_KEY = 255  # docs.stripe.com/api/idempotent_requests
CONFLICT, UNPROCESSABLE = 409, 422
_DAY_S = 86_400.0
# What makes something of its own each time it is executed. A reversal is about what there is, and
# an advice names the approval that it is about.
_MAKES = frozenset({"pay", "forward", "authorise", "capture", "refund"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderModel:
    """How one provider treats repeats of a key. Where a status is None it does not refuse them.

    `stores`: whether an outcome is given again.
    """

    window_s: float = _DAY_S
    stores: Callable[[AnswerOrError], bool] = lambda _given: True
    in_flight: int | None = CONFLICT  # None: the repeat waits for the first
    mismatch: int | None = None  # same key, other body
    replay_header: str = ""
    continues: bool = False  # a repeat continues failed work: what was done is not done again
    requires_key: bool = False
    longest_key: int | None = None


def _success(given: AnswerOrError) -> bool:
    return isinstance(given, Answer)


def _worked(given: AnswerOrError) -> bool:
    """Whether something came of the request, whatever its caller got to see of it."""
    return isinstance(given, Answer) or given.is_after_work


def _not_4xx(given: AnswerOrError) -> bool:
    return isinstance(given, Answer) or not given.is_callers


def _final(given: AnswerOrError) -> bool:
    """An answer about the payment, not about the chain's health."""
    if isinstance(given, Error) or given.outcome is Outcome.UNKNOWN:
        return False
    return not given.is_technical


# keyed is ours, as a careful provider would do it. Confidence of the rest: V, but M where it says.
MODELS: dict[str, ProviderModel] = {
    "keyed": ProviderModel(in_flight=None, stores=_final, continues=True),
    "stripe-v1": ProviderModel(
        mismatch=400, replay_header="idempotent-replayed", longest_key=STRIPES_LONGEST_KEY
    ),
    "stripe-v2": ProviderModel(window_s=30 * _DAY_S, stores=_success, mismatch=400, continues=True),
    "checkout": ProviderModel(stores=_success),
    # V: longest key, mismatch; M: in flight. Square publishes no window.
    "square": ProviderModel(
        stores=_worked,
        mismatch=400,
        replay_header="idempotency_key",
        continues=True,
        longest_key=SQUARES_LONGEST_KEY,
    ),
    "ppro": ProviderModel(stores=_not_4xx, mismatch=400, replay_header="request-idempotency"),
    "whop": ProviderModel(mismatch=400, replay_header="idempotent-replayed"),
    # M: window, conflict and mismatch of adyen; all of ietf (a draft)
    "adyen": ProviderModel(
        window_s=7 * _DAY_S,
        mismatch=UNPROCESSABLE,
        replay_header="idempotency-key",
        longest_key=ADYENS_LONGEST_KEY,
    ),
    "ietf": ProviderModel(mismatch=UNPROCESSABLE, requires_key=True),
    # V: window, in flight and other input are validation errors; D: the longest key, and that a
    # request of which nothing came is executed
    "braintree": ProviderModel(
        window_s=30 * _DAY_S,
        stores=_worked,
        in_flight=UNPROCESSABLE,
        mismatch=UNPROCESSABLE,
        replay_header="api_request_key",
        longest_key=255,
    ),
    # V: 45 days on payments (6 hours on orders); D: of simultaneous requests the second fails
    "paypal": ProviderModel(
        window_s=45 * _DAY_S,
        stores=_worked,
        in_flight=UNPROCESSABLE,
        replay_header="paypal-request-id",
        longest_key=108,
    ),
}


def window_of(declared: Idempotency) -> float:
    """How long a link knows a key, in seconds."""
    model = MODELS.get(declared.model)
    if declared.window is not None:
        return declared.window
    return model.window_s if model is not None else _DAY_S


# Untracked (gc=False), as there is one for every key: see `book.Entry`.
class KnownKey(msgspec.Struct, gc=False):
    """What is known of one key.

    An error that came after the work, or another answer in its place, may have hidden what was
    `done` from the caller: where a repeat continues the work it is not done again.
    """

    body: tuple[str | int, ...]  # () where bodies are not compared
    since_s: float
    executions: int = 1
    given: AnswerOrError | None = None  # None while the work goes on
    done: Answer | None = None  # its outcome, whatever its caller saw
    awaited: asyncio.Future[AnswerOrError] | None = None  # by repeats that came meanwhile


class IdempotencyStore:
    """The repeated requests of one link. `now_s` is the link's clock, `mark` its own."""

    def __init__(self, declared: Idempotency, now_s: Callable[[], float], mark: str = "") -> None:
        self._model = MODELS.get(declared.model)  # None: every request is new work
        self._window_s = window_of(declared)
        self._now_s = now_s
        self._mark = mark
        self._windows = KeyWindows(self._window_s, now_s)
        window = FixedWindow(lambda: int(now_s() * 1e9), int(self._window_s * 1e9))
        # By operation: a pair of operation and key would be one more object for every request.
        self._known: defaultdict[str, Retained[KnownKey]] = defaultdict(
            lambda: Retained(window, _is_done, MAX_KEYS)
        )

    def __len__(self) -> int:
        """How many keys are known now."""
        return sum(map(len, self._known.values()))

    def name_of(self, key: str) -> str:
        """What a key stands for now; once its window is over, it has another name."""
        # A link whose provider supports no keys has none whose window could be over.
        return self._windows.name_of(key) if self._model is not None else key

    def execute(
        self, operation: str, request: PaymentRequest, work: Work
    ) -> Awaitable[AnswerOrError]:
        """The outcome of `work`, done as often as the model says for repeats of the key."""
        model = self._model
        # Without a key nothing can be recognised as a repeat.
        if not request.key:
            if model is not None and model.requires_key:
                return _refused(ErrorKind.KEY_MISSING, "no idempotency key")
            return work(request)
        longest = model.longest_key if model is not None else None
        if longest is not None and len(named_key(request.key)) > longest:
            return _refused(ErrorKind.KEY_TOO_LONG, "the idempotency key is too long")
        now_s = self._now_s()
        known = self._known[operation].get(request.key)
        is_over = known is not None and known.since_s <= now_s - self._window_s
        if known is None or (is_over and known.given is not None):
            return self._work(operation, request, work, 1, now_s)
        return self._repeat(known, operation, request, work, now_s)

    async def _repeat(
        self,
        known: KnownKey,
        operation: str,
        request: PaymentRequest,
        work: Work,
        now_s: float,
    ) -> AnswerOrError:
        """The outcome of a request whose key is known."""
        model = self._model
        # The link supports no keys: a repeat is new work, of a payment of its own.
        if model is None:
            return await self._work(operation, request, work, known.executions + 1, now_s)
        if model.mismatch is not None and known.body != _body(request):
            return Error(
                ErrorKind.KEY_MISMATCH,
                "this idempotency key came with another body",
                model.mismatch,
            )
        # The first request is still worked on: providers refuse the repeat, or let it wait.
        if known.given is None:
            if model.in_flight is not None:
                return Error(
                    ErrorKind.KEY_IN_FLIGHT,
                    "a request with this idempotency key is in flight",
                    model.in_flight,
                )
            known.awaited = known.awaited or asyncio.get_running_loop().create_future()
            return await asyncio.shield(known.awaited)
        if model.stores(known.given):
            return _replayed(known.given, model.replay_header)
        # The first outcome was not stored. Some providers continue the work they had begun, others
        # begin anew, and may charge a second time.
        if model.continues:
            done = known.done
            is_stored = done is not None and model.stores(done)
            return await self._work(operation, request, work, 1, now_s, done if is_stored else None)
        return await self._work(operation, request, work, known.executions + 1, now_s)

    def continued(self, operation: str, request: PaymentRequest) -> KnownKey | None:
        """What is known of a key whose repeat continues failed work; None: there is no such."""
        if self._model is None or not self._model.continues or not request.key:
            return None
        return self._known[operation].get(request.key)

    async def _work(
        self,
        operation: str,
        request: PaymentRequest,
        work: Work,
        number: int,
        now_s: float,
        done: Answer | None = None,
    ) -> AnswerOrError:
        """Do the work. The second execution for a key is a payment of its own, as is the third."""
        is_compared = self._model is not None and self._model.mismatch is not None
        body = _body(request) if is_compared else ()
        known = KnownKey(body, now_s, number, done=done)
        key, keys = request.key, self._known[operation]
        keys[key] = known
        if number > 1 and operation in _MAKES:
            request = _renamed(request, f"{self._mark}{number}")
        self._windows.begun(key)
        try:
            given = await work(request)
        except Exception as error:
            given = Error(ErrorKind.INTERNAL, f"{type(error).__name__}: {error}")
        except BaseException:  # cancelled: the link dies, and no repeat may wait for it
            if known.awaited is not None:
                known.awaited.cancel()
            if keys.get(key) is known:
                keys.pop(key)
            raise
        finally:
            self._windows.ended(key)
        known.given = given
        if known.awaited is not None:
            known.awaited.set_result(given)
        return given


def _is_done(_key: str, known: KnownKey) -> bool:
    """Whether the first request with a key is not worked on any more."""
    return known.given is not None


async def _refused(kind: ErrorKind, why: str) -> Error:
    return Error(kind, why)


def _renamed(request: PaymentRequest, number: str) -> PaymentRequest:
    """The request as the n-th of its own: another capture or refund, or another authorisation."""
    key = f"{request.key}{REPEAT}{number}"
    if request.item:
        return msgspec.structs.replace(request, item=f"{request.item}{REPEAT}{number}", key=key)
    # A customer's request has no reference yet: its payment is what a gateway names it after. Two
    # orders must never get the same name, or they share one authorisation.
    reference = f"{request.reference or request.payment}{REPEAT}{number}"
    return msgspec.structs.replace(request, reference=reference, key=key)


def is_made_again(made: str, reference: str, link: str) -> bool:
    """Whether a link made this reference for a request that it executed again: `p1-1~bank.2`."""
    begins = f"{reference}{REPEAT}{link}."
    return made.startswith(begins) and made.removeprefix(begins).isdigit()


def _body(request: PaymentRequest) -> tuple[str | int, ...]:
    if request.digest:  # the bytes are known: nothing in them may differ
        return (request.digest,)
    return (request.amount_minor, request.currency, request.instrument.identity, request.merchant)


def _replayed(given: AnswerOrError, header: str) -> AnswerOrError:
    """The stored outcome again; answers say so in `replayed`, errors in the provider's header."""
    if isinstance(given, Answer):
        return msgspec.structs.replace(given, replayed=True)
    return msgspec.structs.replace(given, replayed_as=header) if header else given
