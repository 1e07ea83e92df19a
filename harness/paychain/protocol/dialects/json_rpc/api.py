"""A node's API in front of a mock link: one call or a batch, each call an operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

import msgspec

from paychain.payments.addresses import Address
from paychain.payments.outcome import HopResult, Outcome
from paychain.payments.transaction import Refusal
from paychain.protocol.dialects.json_rpc import sending
from paychain.protocol.dialects.json_rpc.copy import Copy, history_of
from paychain.protocol.dialects.json_rpc.filters import FILTERS, Filters
from paychain.protocol.dialects.json_rpc.methods import METHODS, OF_TRANSACTIONS, SUBSCRIPTIONS
from paychain.protocol.dialects.json_rpc.moment import Moment, NetworkFacts
from paychain.protocol.dialects.json_rpc.signed import Undecodable, decode
from paychain.protocol.dialects.json_rpc.terms import JSON, TERMS, failure, is_limit
from paychain.protocol.dialects.json_rpc.values import (
    INTERNAL,
    INVALID_PARAMS,
    INVALID_REQUEST,
    NO_ADDRESS,
    NO_METHOD,
    PARSE_ERROR,
    SERVER_ERROR,
    RpcError,
)
from paychain.protocol.dialects.json_rpc.words import WORDS, mistaken
from paychain.protocol.json_text import decoded
from paychain.protocol.message import Answer, Error, Event, PaymentRequest
from paychain.protocol.reply import Reply
from paychain.protocol.vendor import Backend, CallFailed, Evidence, VendorCall
from paychain.wire.http import HttpRequest, HttpResponse

SEND = "eth_sendRawTransaction"
CHAIN_ID = 31337  # Anvil's and Hardhat's: transactions signed for it are worthless elsewhere
MAX_BATCH = 1_000
_UNCHANGED = 1  # sent as an amount; a lying node's answer changes it
_REFUSED = frozenset({PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS, 429, -32005, -32007})
_FORWARDING_FAILED = b"failed to forward tx"


class JsonRpc:
    """The methods with which clients read accounts and blocks, and send signed transactions.

    Settings: `client` is the node software whose error texts it uses; `provider` is the service
    whose limits apply; `chain_id` is the network's; `history` is how many blocks the node keeps.
    """

    idempotency: ClassVar[str] = "none"
    shows_latest_state: ClassVar[bool] = True
    names_requests: ClassVar[bool] = True
    settings: ClassVar[tuple[str, ...]] = ("client", "provider", "chain_id", "history")
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "client": tuple(WORDS),
        "provider": tuple(TERMS),
    }
    numbers: ClassVar[tuple[str, ...]] = ("chain_id", "history")
    roles: ClassVar[tuple[str, ...]] = ("node",)
    assets: ClassVar[tuple[str, ...]] = ("ETH", "USDC", "USDT", "EURC")
    packages: ClassVar[tuple[str, tuple[str, ...]]] = ("rpc", ("rlp", "eth_keys", "eth_utils"))
    signs_time: ClassVar[bool] = False
    hosts: ClassVar[tuple[str, ...]] = ()

    def __init__(self, backend: Backend, settings: Mapping[str, Any]) -> None:
        self._backend = backend
        self._terms = TERMS[settings.get("provider", "none")]
        chain_id = int(settings.get("chain_id", CHAIN_ID))
        words = WORDS[settings.get("client", "geth")]
        self._network = NetworkFacts(asset=backend.currency, chain_id=chain_id, words=words)
        self._copy = Copy(chain_id, history_of(settings))
        self._filters = Filters(backend.now_s)
        self._payments: dict[str, PaymentRequest] = {}  # transfers sent to this node, by hash

    async def handle(self, call: VendorCall) -> HttpResponse:
        """Answer one request."""
        if call.http.method == "GET" and not call.http.body:
            return HttpResponse(200, b"", {})  # what load balancers look for
        if call.http.method != "POST":
            return HttpResponse(405, b"", {"allow": "POST"})
        try:
            received = decoded(call.http.body)
        except msgspec.MsgspecError:
            return _response(_failed(None, RpcError(PARSE_ERROR, "parse error")))
        try:
            if isinstance(received, list):
                return await self._batch(call, received)
            answered = await self._answer(call, received)
        except CallFailed as failed:
            return failure(self._terms, failed.error, _id_of(received))
        return _response([answered] if answered is None else answered)

    async def _batch(self, call: VendorCall, messages: list[Any]) -> HttpResponse:
        if not messages:
            return _response(_failed(None, RpcError(INVALID_REQUEST, "empty batch")))
        if len(messages) > MAX_BATCH:
            # geth's: one error, with the id of the first call.
            first = next((_id_of(each) for each in messages if not _is_notification(each)), None)
            return _response([_failed(first, RpcError(INVALID_REQUEST, "batch too large"))])
        # The HTTP request is attributed to the payment that it sends, not to reads beside it.
        own = next((at for at, each in enumerate(messages) if _method_of(each) == SEND), 0)
        answers: list[dict[str, Any] | None] = []
        for number, message in enumerate(messages):
            part = call if number == own else call.another()
            try:
                answers.append(await self._answer(part, message))
            except CallFailed as failed:
                if not (self._terms.in_batches and is_limit(failed.error)):
                    raise
                answers.append(_error_of(_id_of(message), self._terms.limited))
        return _response(answers)

    async def _answer(self, call: VendorCall, message: Any) -> dict[str, Any] | None:
        """The answer to one message. Raises CallFailed if the link fails to execute it.

        A notification, which is a message without an id, is executed and has no answer.
        """
        method = _method_of(message)
        try:
            if method is None:
                raise RpcError(INVALID_REQUEST, "invalid request")
            result = await self._result(call, method, _params_of(message))
        except RpcError as error:
            return None if _is_notification(message) else _failed(_id_of(message), error)
        if _is_notification(message):
            return None
        return {"jsonrpc": "2.0", "id": _id_of(message), "result": result}

    async def _result(self, call: VendorCall, method: str, params: Sequence[Any]) -> Any:
        if method == SEND:
            return await self._send(call, params)
        if method in FILTERS:

            def work(moment: Moment) -> Any:
                return FILTERS[method](self._filters, moment, params)

            return work(await self._refresh(call, if_lost=work))
        name = params[0] if method in OF_TRANSACTIONS and params else ""
        moment = await self._refresh(call, name.lower() if isinstance(name, str) else "")
        if method in SUBSCRIPTIONS:
            raise mistaken(self._network.words, SUBSCRIPTIONS[method], method=method)
        if method not in METHODS:
            call.not_served(method)
            raise mistaken(self._network.words, "method", method=method)
        return METHODS[method](moment, params)

    async def _refresh(
        self, call: VendorCall, name: str = "", if_lost: Callable[[Moment], object] | None = None
    ) -> Moment:
        """Bring the copy up to date as far as the link lets it. `name`: of a transaction.

        `if_lost` is called where the link does its work and its answer is lost, or an error.

        An answer that is not so is the node's lie: it denies what there is, exaggerates what
        accounts own, or makes up receipts.
        """
        own = self._payments.get(name)
        if own is None:
            found = call.attribute(Evidence(headers=call.http.headers, makes_attempt=False))
            own = PaymentRequest(
                found.payment,
                0,
                self._network.asset,
                Address(NO_ADDRESS, self._backend.network),
                attempt=found.attempt,
            )
        request = msgspec.structs.replace(
            own,
            reference=name,
            amount_minor=_UNCHANGED,
            signed=None,
            since=self._copy.known,
        )
        made: list[Answer] = []
        try:
            answer = await call.execute("read", request, is_keyed=False, note=made.append)
        except Exception:
            if made and if_lost is not None:
                with suppress(RpcError):
                    if_lost(self._moment(made[0], name))
            raise
        return self._moment(answer, name)

    def _moment(self, answer: Answer, name: str) -> Moment:
        if answer.outcome is Outcome.UNKNOWN:
            raise RpcError(SERVER_ERROR, "request timed out")
        if answer.sighting is not None:
            for name_of_old in self._copy.update(answer.sighting):
                self._payments.pop(name_of_old, None)
        is_empty = answer.outcome is Outcome.DECLINED
        return Moment(
            network=self._network,
            copy=self._copy.denying() if is_empty else self._copy,
            scale=answer.amount_minor or _UNCHANGED,
            forges=answer.reference != name,
        )

    async def _send(self, call: VendorCall, params: Sequence[Any]) -> str:
        try:
            sent = sending.read_sent(self._network, params)
        except RpcError:
            await self._refresh(call)  # a refused transaction did reach the node
            raise
        network, asset = self._backend.network, self._network.asset
        found = sending.attribute(call, sent, network, asset)
        moment = Moment(network=self._network, copy=self._copy)
        amount_minor = sent.transfer.amount_minor
        try:
            amount_minor = sending.check_funds(moment, sent)
        except RpcError:
            await self._refresh(call.another())  # the copy may be out of date
            amount_minor = sending.check_funds(moment, sent)
        request = sending.transfer_of(sent, amount_minor, found, network, asset)
        # Whether its answer leaves or not, later questions about it are its payment's.
        know = partial(self._payments.setdefault, sent.signed.hash, request)
        answer = await call.execute("transfer", request, is_keyed=False, change=know)
        if answer.code == Refusal.NONCE_TOO_LOW:  # the copy does not know what used it
            await self._refresh(call.another())
        return sending.hash_of(moment, sent, answer)

    def key(self, http: HttpRequest) -> str:
        """The hash of the transaction that a request sends, "" when it sends none."""
        if SEND.encode() not in http.body:
            return ""
        try:
            received = decoded(http.body)
            messages = received if isinstance(received, list) else [received]
            sent = next(each for each in messages if _method_of(each) == SEND)
            return decode(bytes.fromhex(sent["params"][0].removeprefix("0x"))).hash
        except (msgspec.MsgspecError, StopIteration):
            return ""
        except (KeyError, IndexError, TypeError, AttributeError, ValueError, Undecodable):
            return ""  # not a transaction

    def error(self, error: Error) -> HttpResponse:
        """An error of the link that answers no particular message."""
        return failure(self._terms, error, None)

    def mark_replayed(self, response: HttpResponse) -> HttpResponse:
        """A node stores no answers."""
        return response

    def reports(
        self,
        kind: str,  # noqa: ARG002  (a parameter of every VendorApi's)
        request: PaymentRequest,  # noqa: ARG002  (a parameter of every VendorApi's)
    ) -> bool:
        """A node sends no webhooks."""
        return False

    def webhook(self, event: Event, path: str, secret: str, sent_s: int) -> HttpRequest:
        """Not called, since `reports` is always False."""
        raise NotImplementedError("a node sends no webhooks")

    @staticmethod
    def classify(response: HttpResponse) -> Reply:
        """What a response proves. An error object is a refusal, whatever the status."""
        if response.status >= 400:
            is_refused = response.status in (402, 405, 429)
            result = HopResult.REJECTED if is_refused else HopResult.HTTP_ERROR
            return Reply(result, str(response.status))
        if not response.body:  # there were notifications only
            return Reply(HopResult.APPROVED)
        try:
            body = decoded(response.body)
        except msgspec.MsgspecError:
            return Reply(HopResult.MALFORMED)
        answers = body if isinstance(body, list) else [body]
        errors = [each["error"] for each in answers if isinstance(each, dict) and "error" in each]
        if not errors:
            return Reply(HopResult.APPROVED)
        if _FORWARDING_FAILED in response.body:
            return Reply(HopResult.UNKNOWN, str(SERVER_ERROR))
        code = errors[0].get("code", INTERNAL)
        return Reply(HopResult.REJECTED if code in _REFUSED else HopResult.DECLINED, str(code))

    @staticmethod
    def secret(seed: str) -> str:
        """A node has no webhooks to sign."""
        return seed


def _method_of(message: Any) -> str | None:
    """The method of a message of JSON-RPC 2.0; None for anything else."""
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        return None
    method = message.get("method")
    return method if isinstance(method, str) else None


def _is_notification(message: Any) -> bool:
    return _method_of(message) is not None and "id" not in message


def _params_of(message: dict[str, Any]) -> list[Any]:
    """Positional parameters; missing or null is an empty list. Raises RpcError for others."""
    params = message.get("params")
    if params is None:
        return []
    if not isinstance(params, list):
        raise RpcError(INVALID_PARAMS, "non-array args")
    return params


def _id_of(message: Any) -> Any:
    """The id of a message: a number or a text, None for any other."""
    given = message.get("id") if isinstance(message, dict) else None
    return given if isinstance(given, int | str | float) else None


def _failed(request_id: Any, error: RpcError) -> dict[str, Any]:
    shown: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not None:
        shown["data"] = error.data
    return _error_of(request_id, shown)


def _error_of(request_id: Any, error: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "error": error}


def _response(answered: dict[str, Any] | list[dict[str, Any] | None]) -> HttpResponse:
    """The answers to a message or a batch; empty where there is none, after notifications."""
    if isinstance(answered, list):
        answered = [each for each in answered if each is not None]
        if not answered:
            return HttpResponse(200, b"", dict(JSON))
    return HttpResponse(200, msgspec.json.encode(answered), dict(JSON))
