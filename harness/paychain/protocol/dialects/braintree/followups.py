"""What follows a sale: full and partial settlements, voids, refunds and reversals.

What is submitted for settlement is captured in the book. Until it settles it cannot be refunded,
but it can be voided, which returns all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from paychain.payments.codes import INVALID_AMOUNT
from paychain.payments.outcome import Outcome
from paychain.protocol.dialects.braintree.account import (
    KEY,
    Account,
    is_true,
    text,
    transaction_of,
)
from paychain.protocol.dialects.braintree.documents import Rows
from paychain.protocol.dialects.braintree.errors import (
    Invalid,
    NotFound,
    document,
    validation_error,
)
from paychain.protocol.dialects.braintree.objects import (
    AUTHORIZED,
    PENDING,
    SETTLED,
    SUBMITTED,
    left_minor,
    shown,
    status_of,
)
from paychain.protocol.dialects.braintree.records import IdTarget, KeyedRequest, SettlementOrRefund
from paychain.protocol.dialects.braintree.sales import minor_of
from paychain.protocol.message import Answer
from paychain.protocol.vendor import Evidence, VendorCall
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.protocol.vendor_parts import DONE, FAILED
from paychain.wire.http import HttpResponse

Given = dict[str, Any]
Plan = Callable[[Account, IdTarget, Given], KeyedRequest]
_USED = frozenset({KEY, "amount", "order_id", "final_capture"})
_REFUSED = {
    "capture": ("settlement_too_large", "cannot_submit"),
    "refund": ("refund_too_large", "cannot_refund_unsettled"),
    "void": ("cannot_void", "cannot_void"),
}


async def follow(plan: Plan, call: VendorCall, account: Account, name: str) -> HttpResponse:
    """Do what `plan` makes of a transaction, or show what the same key did before."""
    return await follow_by(plan, call, account, name, transaction_of(call.http))


async def follow_by(
    plan: Plan, call: VendorCall, account: Account, name: str, given: Given
) -> HttpResponse:
    """As `follow`, with what a request says. Raises Invalid and NotFound."""
    named = found(account, name)
    key = account.key(call.http)
    call.attribute(Evidence(headers=call.http.headers, object_id=named.transaction.id, key=key))
    known_key = account.known_key(call.http)
    repeated = account.registry.followed(call.http.target, known_key)
    followed = repeated or plan(account, named, given)
    account.ignored.note(call, given, _USED)
    account.registry.follow(followed, call.http.target, known_key)
    answer = await call.execute(followed.operation, followed.request)
    _note(followed.part, answer)
    if answer.outcome is Outcome.DECLINED:
        too_large, otherwise = _REFUSED[followed.operation]
        return validation_error(too_large if answer.code == INVALID_AMOUNT else otherwise)
    if answer.replayed and answer.outcome is Outcome.UNKNOWN and not _is_made(account, followed):
        return validation_error("key_server_error")
    made = followed.part is not None and followed.part.is_own
    status = 201 if made and call.http.method == "POST" else 200
    return document(status, "transaction", shown(account, followed.named))


async def find(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`GET /transactions/{id}`."""
    named = found(account, name)
    transaction = named.transaction
    call.attribute(Evidence(headers=call.http.headers, object_id=transaction.id))
    await execute_nothing(call, transaction.request)
    return document(200, "transaction", shown(account, named))


async def line_items(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`GET /transactions/{id}/line_items`: as the sale said."""
    named = found(account, name)
    transaction = named.transaction
    call.attribute(Evidence(headers=call.http.headers, object_id=transaction.id))
    await execute_nothing(call, transaction.request)
    items = Rows("line_item", transaction.shown.get("line_items", []))
    return document(200, "line_items", items)


async def settle(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`PUT /transactions/{id}/settle`, only in the sandbox: run the day's settlement batch.

    Raises Invalid.
    """
    named = found(account, name)
    transaction = named.transaction
    call.attribute(Evidence(headers=call.http.headers, object_id=transaction.id))
    if status_of(account, named) != SUBMITTED:
        raise Invalid("cannot_settle")
    part = named.part or transaction.settlements[0]

    def change() -> None:
        if part.is_settled:
            return
        part.is_settled = True
        about = {"item": part.item, "amount_minor": part.amount_minor, "is_sale": False}
        account.backend.notify("settled", replace(transaction.request, **about))

    await execute_nothing(call, transaction.request, change=change)
    return document(200, "transaction", shown(account, named))


def found(account: Account, name: str) -> IdTarget:
    """What an id names. Raises NotFound."""
    named = account.registry.named(name)
    if named is None:
        raise NotFound
    return named


def submit(account: Account, named: IdTarget, given: Given) -> KeyedRequest:
    """`PUT …/submit_for_settlement`: all of it, or less, which releases the rest.

    Raises Invalid.
    """
    _only_a_sale(named, "cannot_submit")
    if status_of(account, named) != AUTHORIZED:
        raise Invalid("cannot_submit")
    return _settlement(account, named, given, is_own=False, is_final=True)


def submit_partially(account: Account, named: IdTarget, given: Given) -> KeyedRequest:
    """`POST …/submit_for_partial_settlement`: a part, as its own transaction. Raises Invalid."""
    _only_a_sale(named, "cannot_submit_partially")
    if status_of(account, named) not in (AUTHORIZED, PENDING):
        raise Invalid("cannot_submit_partially")
    if not text(given, "amount"):
        raise Invalid("amount_required")
    return _settlement(
        account, named, given, is_own=True, is_final=is_true(given.get("final_capture"))
    )


def void(account: Account, named: IdTarget, _given: Given) -> KeyedRequest:
    """`PUT …/void`: release what is held, or return what was submitted. Raises Invalid."""
    status = status_of(account, named)
    transaction, part = named.transaction, named.part
    if part is None and status in (AUTHORIZED, PENDING) and _rest_minor(account, named):
        request = replace(transaction.request, is_sale=False, declined_as="")
        return KeyedRequest(named=named, operation="void", request=request)
    settlement = _settlement_of(named)
    if status != SUBMITTED or settlement is None:
        raise Invalid("cannot_void")
    return _refund_of(account, named, settlement, settlement.amount_minor, is_own=False)


def refund(account: Account, named: IdTarget, given: Given) -> KeyedRequest:
    """`POST …/refund`: all or part of a settled transaction, as its own transaction.

    Raises Invalid.
    """
    if named.part in named.transaction.refunds:
        raise Invalid("cannot_refund_credit")
    settlement = _settlement_of(named)
    if settlement is None or status_of(account, named) != SETTLED:
        raise Invalid("cannot_refund_unsettled")
    entry = account.entry(named.transaction.reference)
    left = left_minor(named.transaction, settlement, entry)
    if left <= 0:
        raise Invalid("already_refunded")
    asked = minor_of(given, named.transaction.request.currency) or left
    if asked > left:
        raise Invalid("refund_too_large")
    return _refund_of(account, named, settlement, asked, order_id=text(given, "order_id"))


def reverse(account: Account, named: IdTarget, given: Given) -> KeyedRequest:
    """`POST …/reverse`: void what can be voided, or refund all of what has settled.

    Raises Invalid.
    """
    try:
        if status_of(account, named) == SETTLED:
            return refund(account, named, {})
        return void(account, named, given)
    except Invalid:
        raise Invalid("cannot_reverse") from None


def _only_a_sale(named: IdTarget, name: str) -> None:
    if named.part is not None:
        raise Invalid(name)


def _rest_minor(account: Account, named: IdTarget) -> int:
    entry = account.entry(named.transaction.reference)
    return entry.rest_minor if entry is not None and entry.state == "authorised" else 0


def _settlement_of(named: IdTarget) -> SettlementOrRefund | None:
    """The settlement that an id names: a part's own, or that of the whole transaction."""
    transaction, part = named.transaction, named.part
    if part is not None:
        return part if part in transaction.settlements else None
    whole = [each for each in transaction.settlements if not each.is_own]
    return whole[-1] if whole else None


def _settlement(
    account: Account, named: IdTarget, given: Given, *, is_own: bool, is_final: bool
) -> KeyedRequest:
    transaction = named.transaction
    rest = _rest_minor(account, named)
    minor = minor_of(given, transaction.request.currency) or rest
    if minor > rest:
        raise Invalid("settlement_too_large")
    part = SettlementOrRefund(
        item=f"c{len(transaction.settlements) + 1}",
        amount_minor=minor,
        created_s=account.backend.now_s(),
        is_own=is_own,
        order_id=text(given, "order_id") if is_own else "",
    )
    transaction.settlements.append(part)
    request = replace(
        transaction.request,
        amount_minor=minor,
        item=part.item,
        is_final=is_final,
        is_sale=False,
        declined_as="",
    )
    shown_as = IdTarget(transaction=transaction, part=part if is_own else None)
    return KeyedRequest(named=shown_as, operation="capture", request=request, part=part)


def _refund_of(
    account: Account,
    named: IdTarget,
    settlement: SettlementOrRefund,
    minor: int,
    *,
    is_own: bool = True,
    order_id: str = "",
) -> KeyedRequest:
    transaction = named.transaction
    part = SettlementOrRefund(
        item=f"r{len(transaction.refunds) + 1}",
        amount_minor=minor,
        created_s=account.backend.now_s(),
        of=settlement.item,
        is_own=is_own,
        order_id=order_id,
    )
    transaction.refunds.append(part)
    request = replace(
        transaction.request, amount_minor=minor, item=part.item, is_sale=False, declined_as=""
    )
    shown_as = IdTarget(transaction=transaction, part=part) if is_own else named
    return KeyedRequest(named=shown_as, operation="refund", request=request, part=part)


def _is_made(account: Account, followed: KeyedRequest) -> bool:
    """Whether the book has what was requested."""
    transaction, part = followed.named.transaction, followed.part
    entry = account.entry(transaction.reference)
    made = [*transaction.settled(entry), *transaction.refunded(entry)]
    return part is None or part in made


def _note(part: SettlementOrRefund | None, answer: Answer) -> None:
    """Record whether a settlement or refund was done or failed."""
    if part is None or answer.outcome is Outcome.UNKNOWN:
        return
    part.state = DONE if answer.outcome is Outcome.APPROVED else FAILED
