"""`POST /graphql`: Braintree's GraphQL API, which has the transactions of its other API.

A request is worked on as one of the other API's, and its answer is shown in this one's words. A
decline is a transaction with its status; what is refused is an error beside `data`. One operation
of a request is served: at most one mutation, one search, or one object.
Source: schema.graphql in github.com/braintree/graphql-api; errors as the SDK for Python reads them
(braintree 4.48.0), their wording from memory.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NoReturn

import msgspec

from paychain.protocol.dialects.braintree import (
    followups,
    graphql_search,
    graphql_vault,
    sales,
)
from paychain.protocol.dialects.braintree.account import Account, inside, text
from paychain.protocol.dialects.braintree.graphql_answers import (
    VALIDATION,
    Refused,
    Unanswered,
    answered,
    payload,
)
from paychain.protocol.dialects.braintree.graphql_objects import (
    CARD,
    CUSTOMER,
    REFUND,
    TRANSACTION,
    TYPES,
    chosen,
    legacy_id,
    payment,
)
from paychain.protocol.graphql import Operation, Selection, Unreadable, operation_of
from paychain.protocol.json_text import decoded
from paychain.protocol.vendor import VendorCall
from paychain.protocol.vendor_ignored import within
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.wire.http import HttpRequest, HttpResponse, json_response

PATH = "graphql"
Given = dict[str, Any]
_USED = frozenset(
    {
        *("clientMutationId", "paymentMethodId", "transactionId", "amount"),
        *within("transaction", "amount", "orderId", "channel", "customerId", "customFields"),
        *within("transaction", "merchantAccountId", "vaultPaymentMethodAfterTransacting"),
        *within("refund", "amount", "orderId"),
    }
)
_KEEPS = {
    "ALWAYS": "store_in_vault",
    "ON_SUCCESSFUL_TRANSACTION": "store_in_vault_on_success",
}


async def answer(call: VendorCall, account: Account) -> HttpResponse:
    """Answer one request; only what is no GraphQL at all is an error of HTTP."""
    try:
        operation = _asked(call.http)
        root = _root(call, operation)
    except Unreadable as unreadable:
        await execute_nothing(call)
        return _errors(None, [_error(str(unreadable), VALIDATION)])
    works = _MUTATIONS if operation.kind == "mutation" else _QUERIES
    work = works.get(root.name)
    if work is None:
        call.not_served(f"{operation.kind} {root.name} of GraphQL")
        await execute_nothing(call)
        served, where = ", ".join(works), operation.kind.capitalize()
        text_of = f"Field '{root.name}' in type '{where}' is not served; this mock has {served}"
        return _errors(None, [_error(text_of, VALIDATION)])
    try:
        value = await work(call, account, root)
    except Refused as refused:
        error = _error(refused.message, refused.kind, refused.code, [root.key])
        return _errors({root.key: None}, [error])
    except Unanswered as failed:
        return failed.response

    def note(path: str) -> None:
        account.ignored.note(call, {f"{root.name}.{path}": True}, frozenset())

    return _data({root.key: chosen(value, root.selections, note)})


def _asked(http: HttpRequest) -> Operation:
    try:
        body = decoded(http.body)
    except msgspec.MsgspecError:
        raise Unreadable("not JSON") from None
    if not isinstance(body, dict) or not isinstance(body.get("query"), str):
        raise Unreadable("no query")
    return operation_of(body["query"], inside(body, "variables"), text(body, "operationName"))


def _root(call: VendorCall, operation: Operation) -> Selection:
    """The only field of an operation. Raises Unreadable."""
    fields = [each for each in operation.selections if each.name != "__typename"]
    if len(fields) != 1 or fields[0].on is not None:
        call.not_served("several fields of one operation of GraphQL")
        raise Unreadable("This mock serves one field of an operation.")
    return fields[0]


async def _shown(call: VendorCall, work: Awaitable[HttpResponse]) -> dict[str, Any]:
    """The transaction of the other API's answer. Raises Refused and Unanswered."""
    shown: dict[str, Any] = (await answered(call, work, "transaction"))["transaction"]
    return shown


async def _pay(
    call: VendorCall, account: Account, root: Selection, *, submits: bool
) -> dict[str, Any]:
    given = _input(call, account, root)
    asked = inside(given, "transaction")
    name = text(given, "paymentMethodId")
    token = legacy_id(name, CARD, "paymentmethod")
    if not token and name in account.vault.cards:
        token = name
    options: Given = {"submit_for_settlement": submits}
    keeps = _KEEPS.get(text(inside(asked, "vaultPaymentMethodAfterTransacting"), "when"))
    if keeps:
        options[keeps] = True
    customer = text(asked, "customerId")
    sale = {
        "type": "sale",
        "amount": text(asked, "amount"),
        "order_id": text(asked, "orderId"),
        "channel": text(asked, "channel"),
        "merchant_account_id": text(asked, "merchantAccountId"),
        "customer_id": legacy_id(customer, CUSTOMER) or customer,
        "payment_method_token" if token else "payment_method_nonce": token or name,
        "custom_fields": _custom(asked.get("customFields")),
        "options": options,
    }
    sale = {name: value for name, value in sale.items() if value}
    shown = await _shown(call, sales.pay_by(call, account, sale, account.merchant_id))
    return payload(given, "TransactionPayload", transaction=payment(shown))


async def _follow(
    call: VendorCall, account: Account, root: Selection, *, kind: str
) -> dict[str, Any]:
    given = _input(call, account, root)
    plan, types, field = _FOLLOWS[kind]
    details = inside(given, "refund" if kind == "refund" else "transaction")
    amount = text(details, "amount") or text(given, "amount")
    asked = {"amount": amount, "order_id": text(details, "orderId")}
    asked = {name: value for name, value in asked.items() if value}
    given_id = text(given, "transactionId")
    name = legacy_id(given_id, TRANSACTION) or given_id
    shown = await _shown(call, followups.follow_by(plan, call, account, name, asked))
    return payload(given, types, **{field: payment(shown)})


async def _vault(
    call: VendorCall,
    account: Account,
    root: Selection,
    *,
    do: Callable[[VendorCall, Account, Given], Awaitable[dict[str, Any]]],
) -> dict[str, Any]:
    return await do(call, account, _input(call, account, root, graphql_vault.USED))


async def _node(call: VendorCall, account: Account, root: Selection) -> dict[str, Any]:
    name = legacy_id(text(root.arguments, "id"), TRANSACTION, REFUND)
    return payment(await _shown(call, followups.find(call, account, name)))


async def _search(call: VendorCall, account: Account, root: Selection) -> dict[str, Any]:
    asked = [each for each in root.selections if each.name != "__typename"]
    if len(asked) != 1 or asked[0].name not in graphql_search.KINDS:
        names = " and ".join(each.name for each in asked) or "nothing"
        return await _no_search(call, f"{names} at once" if len(asked) > 1 else names)
    try:
        found = await graphql_search.look(call, account, asked[0])
    except graphql_search.NotServed as unknown:
        return await _no_search(call, f"{asked[0].name} by {unknown}")
    return {TYPES: ("Search",), asked[0].name: found}


async def _no_search(call: VendorCall, what: str) -> NoReturn:
    """What does not match must not be taken for what does. Raises Refused."""
    call.not_served(f"a search of GraphQL for {what}")
    await execute_nothing(call)
    kinds, served = " or ".join(graphql_search.KINDS), ", ".join(graphql_search.SERVED)
    text_of = f"A search for {what} is not served; this mock finds {kinds} by {served}"
    raise Refused(text_of)


async def _ping(call: VendorCall, account: Account, root: Selection) -> str:
    del account, root
    await execute_nothing(call)
    return "pong"


# By the kind of operation: its plan, the type of its payload, and the field that has the payment.
_FOLLOWS: dict[str, tuple[followups.Plan, str, str]] = {
    "capture": (followups.submit, "TransactionPayload", "transaction"),
    "refund": (followups.refund, "RefundTransactionPayload", "refund"),
    "reverse": (followups.reverse, "ReverseTransactionPayload", "reversal"),
}
_Work = Callable[[VendorCall, Account, Selection], Awaitable[Any]]
_MUTATIONS: dict[str, _Work] = {
    "chargePaymentMethod": partial(_pay, submits=True),
    "chargeCreditCard": partial(_pay, submits=True),
    "authorizePaymentMethod": partial(_pay, submits=False),
    "authorizeCreditCard": partial(_pay, submits=False),
    "captureTransaction": partial(_follow, kind="capture"),
    "refundTransaction": partial(_follow, kind="refund"),
    "reverseTransaction": partial(_follow, kind="reverse"),
    "createCustomer": partial(_vault, do=graphql_vault.create_customer),
    "vaultPaymentMethod": partial(_vault, do=graphql_vault.keep),
    "vaultCreditCard": partial(_vault, do=graphql_vault.keep),
    "deletePaymentMethodFromVault": partial(_vault, do=graphql_vault.remove),
}
_QUERIES: dict[str, _Work] = {"node": _node, "ping": _ping, "search": _search}


def _input(
    call: VendorCall, account: Account, root: Selection, used: frozenset[str] = _USED
) -> Given:
    given = inside(root.arguments, "input")
    account.ignored.note(call, given, used, "input.")
    return given


def _custom(given: Any) -> Given:
    if not isinstance(given, list):
        return {}
    return {text(each, "name"): text(each, "value") for each in given if isinstance(each, dict)}


def _error(
    message: str, kind: str, code: str = "", path: list[str] | None = None
) -> dict[str, Any]:
    extensions: dict[str, Any] = {"errorClass": kind, "errorType": "user_error"}
    if code:
        extensions |= {"legacyCode": code, "inputPath": ["input"]}
    return {"message": message, "locations": [], "path": path, "extensions": extensions}


def _data(data: Any) -> HttpResponse:
    return json_response(200, {"data": data, "extensions": {"requestId": "paychain"}})


def _errors(data: Any, found: list[dict[str, Any]]) -> HttpResponse:
    extensions = {"requestId": "paychain"}
    return json_response(200, {"data": data, "errors": found, "extensions": extensions})
