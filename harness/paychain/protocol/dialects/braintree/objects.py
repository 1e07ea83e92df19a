"""Transactions as Braintree shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zlib import crc32

from paychain.payments.codes import lookup
from paychain.payments.instrument import Instrument
from paychain.payments.money import exponent
from paychain.payments.outcome import Outcome
from paychain.protocol.dialect import BookEntry
from paychain.protocol.dialects.braintree.account import AT_ONCE, Account
from paychain.protocol.dialects.braintree.documents import Rows, moment
from paychain.protocol.dialects.braintree.records import (
    IdTarget,
    SaleTransaction,
    SettlementOrRefund,
)
from paychain.protocol.dialects.braintree.tables import (
    APPROVED,
    PARTLY_APPROVED,
    UNAVAILABLE,
    response,
    response_code,
)
from paychain.protocol.message import Answer

AUTHORIZED, AUTHORIZING = "authorized", "authorizing"
SUBMITTED, SETTLED, PENDING = "submitted_for_settlement", "settled", "settlement_pending"
VOIDED, EXPIRED = "voided", "authorization_expired"
DECLINED, FAILED, REJECTED = "processor_declined", "failed", "gateway_rejected"
APPROVED_STATUSES = frozenset({AUTHORIZED, SUBMITTED, SETTLED, PENDING, VOIDED, EXPIRED})
_NOBODY = dict.fromkeys(("company", "email", "fax", "first_name", "last_name", "phone", "website"))
ADDRESSES = ("billing", "shipping")
NO_ADDRESS = dict.fromkeys(
    (
        *("first_name", "last_name", "company", "street_address", "extended_address"),
        *("locality", "region", "postal_code", "country_name", "country_code_alpha2"),
        *("country_code_alpha3", "country_code_numeric", "phone_number"),
    )
)
_CARD_TYPES = {
    "visa": "Visa",
    "mastercard": "MasterCard",
    "amex": "American Express",
    "discover": "Discover",
}


def amount(minor: int, currency: str) -> str:
    """An amount in minor units as Braintree writes it: `10.00`."""
    digits = exponent(currency)
    whole, part = divmod(minor, 10**digits)
    return f"{whole}.{part:0{digits}d}" if digits else str(whole)


def status_of(account: Account, named: IdTarget) -> str:
    """The status of a transaction, or of a settlement or refund with its own."""
    transaction, part = named.transaction, named.part
    entry = account.entry(transaction.reference)
    if part is None:
        return _status(account, transaction, entry)
    if part in transaction.refunds:
        is_made = part in transaction.refunded(entry)
    else:
        is_made = part in transaction.settled(entry)
    return _settlement_status(account, transaction, part, entry) if is_made else FAILED


def is_voided(
    transaction: SaleTransaction, part: SettlementOrRefund, entry: BookEntry | None
) -> bool:
    """Whether a submitted settlement was voided before it settled."""
    return any(not refund.is_own for refund in transaction.refunded(entry, part.item))


def left_minor(
    transaction: SaleTransaction, part: SettlementOrRefund, entry: BookEntry | None
) -> int:
    """How much of a settlement has not been refunded, in minor units."""
    return part.amount_minor - sum(
        refund.amount_minor for refund in transaction.refunded(entry, part.item)
    )


def _settlement_status(
    account: Account,
    transaction: SaleTransaction,
    part: SettlementOrRefund,
    entry: BookEntry | None,
) -> str:
    if is_voided(transaction, part, entry):
        return VOIDED
    return SETTLED if part.is_settled or account.settlement == AT_ONCE else SUBMITTED


def _status(account: Account, transaction: SaleTransaction, entry: BookEntry | None) -> str:
    if transaction.rejection:
        return REJECTED
    state = entry.state if entry is not None else ""
    if state in ("", "in_flight", "not_authorised"):
        return _unheld(transaction) if _is_decided(transaction, state) else AUTHORIZING
    parts = transaction.settled(entry)
    if not parts:
        return {"voided": VOIDED, "expired": EXPIRED}.get(state, AUTHORIZED)
    if not parts[0].is_own:
        return _settlement_status(account, transaction, parts[0], entry)
    is_whole = entry is not None and entry.rest_minor <= 0
    statuses = {_settlement_status(account, transaction, part, entry) for part in parts}
    return SETTLED if is_whole and statuses == {SETTLED} else PENDING


def _is_decided(transaction: SaleTransaction, state: str) -> bool:
    """Whether what is not held will not be. `state`: of its entry in the book, "" without one."""
    answer = transaction.answer
    if answer is None or state == "in_flight":
        return False
    # It was answered before the link had begun it; since then the book has closed it.
    is_closed = transaction.was_stuck and state == "not_authorised"
    return answer.outcome is not Outcome.UNKNOWN or is_closed


def _unheld(transaction: SaleTransaction) -> str:
    code = code_of(transaction)
    return FAILED if code == UNAVAILABLE else DECLINED


def code_of(transaction: SaleTransaction) -> str:
    """The processor's response code, "" if there is none."""
    answer = transaction.answer
    if transaction.rejection or answer is None or answer.outcome is Outcome.UNKNOWN:
        return ""
    if answer.outcome is Outcome.APPROVED:
        is_part = 0 < answer.amount_minor < transaction.request.amount_minor
        return PARTLY_APPROVED if is_part else APPROVED
    return transaction.steer or response_code(answer.code, transaction.request.instrument.group)


def shown(account: Account, named: IdTarget) -> dict[str, Any]:
    """A transaction, or a settlement or refund with its own, with every field that SDKs read."""
    transaction, part = named.transaction, named.part
    entry = account.entry(transaction.reference)
    request, status = transaction.request, status_of(account, named)
    is_refund = part in transaction.refunds
    minor = part.amount_minor if part is not None else _minor(transaction, entry)
    when = moment(part.created_s if part is not None else transaction.created_s)
    return {
        "id": transaction.id_of(part) if part is not None else transaction.id,
        "status": status,
        "type": "credit" if is_refund else "sale",
        "currency_iso_code": request.currency,
        "amount": amount(minor, request.currency),
        "merchant_account_id": transaction.shown.get("merchant_account_id")
        or f"paychain_{request.currency.lower()}",
        "sub_merchant_account_id": None,
        "order_id": (part.order_id if part is not None else "") or transaction.order_id or None,
        "channel": transaction.shown.get("channel") or None,
        "created_at": when,
        "updated_at": when,
        "customer": {"id": None, **_NOBODY, **transaction.shown.get("customer", {})},
        **{
            name: {"id": None, **NO_ADDRESS, **transaction.shown.get(name, {})}
            for name in ADDRESSES
        },
        "custom_fields": transaction.shown.get("custom_fields") or "",
        "avs_error_response_code": None,
        "avs_postal_code_response_code": "M",
        "avs_street_address_response_code": "M",
        "cvv_response_code": "M",
        "gateway_rejection_reason": transaction.rejection or None,
        **_processor(transaction),
        "additional_processor_response": _additional(transaction.answer),
        "voice_referral_number": None,
        "purchase_order_number": None,
        "refund_id": None,
        "refund_ids": Rows("item", [] if is_refund else _refund_ids(named, entry)),
        "refunded_transaction_id": _refunded_id(named) if is_refund else None,
        "authorized_transaction_id": (
            transaction.id if part is not None and not is_refund else None
        ),
        "partial_settlement_transaction_ids": Rows(
            "item", _settlement_ids(transaction, entry) if part is None else []
        ),
        "settlement_batch_id": None,
        "plan_id": None,
        "subscription_id": None,
        "recurring": False,
        "credit_card": _card(transaction),
        "payment_instrument_type": "credit_card",
        "add_ons": Rows("add_on", []),
        "discounts": Rows("discount", []),
        "disputes": Rows("dispute", []),
        "descriptor": {"name": None, "phone": None, "url": None},
        "disbursement_details": {"disbursement_date": None, "success": None},
        "escrow_status": None,
        "three_d_secure_info": authentication_shown() if request.authenticated else None,
        "retry_ids": Rows("item", []),
        "status_history": _history(when, status, amount(minor, request.currency)),
    }


def authentication_shown() -> dict[str, Any]:
    """The authentication of a cardholder that shifted the liability to the issuer."""
    return {
        "cavv": "cGF5Y2hhaW4=",
        "ds_transaction_id": "00000000-0000-0000-0000-000000000001",
        "eci_flag": "05",
        "enrolled": "Y",
        "liability_shift_possible": True,
        "liability_shifted": True,
        "status": "authenticate_successful",
        "three_d_secure_version": "2.2.0",
        "xid": None,
    }


def _history(when: datetime, status: str, total: str) -> Rows:
    """Only the current status: the mock keeps no history."""
    event = {
        "timestamp": when,
        "status": status,
        "amount": total,
        "user": None,
        "transaction_source": "api",
    }
    return Rows("status_event", [event])


def _minor(transaction: SaleTransaction, entry: BookEntry | None) -> int:
    """The amount shown, in minor units: what was submitted or held, else what was requested."""
    whole = [part for part in transaction.settled(entry) if not part.is_own]
    if whole:
        return whole[0].amount_minor
    booked = entry.request if entry is not None else None
    return booked.amount_minor if booked is not None else transaction.request.amount_minor


def _processor(transaction: SaleTransaction) -> dict[str, Any]:
    code, answer = code_of(transaction), transaction.answer
    is_approved = code in (APPROVED, PARTLY_APPROVED)
    found = response(code) if code else None
    text = "Processor Declined" if code and found is None else found.text if found else ""
    number = crc32(transaction.reference.encode())
    return {
        "processor_response_code": code,
        "processor_response_text": text,
        "processor_response_type": found.type if found is not None else None,
        "processor_authorization_code": f"{number % 1_000_000:06d}" if is_approved else None,
        "processor_settlement_response_code": "",
        "processor_settlement_response_text": "",
        "network_response_code": answer.code if answer is not None and answer.code else None,
        "network_response_text": _meaning(answer) or None,
        "network_transaction_id": f"{number:015d}" if is_approved else None,
    }


def _meaning(answer: Answer | None) -> str:
    known = lookup(answer.code) if answer is not None and answer.code else None
    return known.meaning if known is not None else ""


def _additional(answer: Answer | None) -> str | None:
    if answer is None or answer.outcome is not Outcome.DECLINED:
        return None
    return f"{answer.code} : {_meaning(answer)}"


def _refund_ids(named: IdTarget, entry: BookEntry | None) -> list[str]:
    transaction, part = named.transaction, named.part
    whole = next((each.item for each in transaction.settlements if not each.is_own), "")
    of = part.item if part is not None else whole
    if not of:
        return []
    return [
        transaction.id_of(refund) for refund in transaction.refunded(entry, of) if refund.is_own
    ]


def _refunded_id(named: IdTarget) -> str:
    transaction, part = named.transaction, named.part
    assert part is not None
    settlement = next(each for each in transaction.settlements if each.item == part.of)
    return transaction.id_of(settlement)


def _settlement_ids(transaction: SaleTransaction, entry: BookEntry | None) -> list[str]:
    return [transaction.id_of(part) for part in transaction.settled(entry) if part.is_own]


def card_type(instrument: Instrument) -> str:
    """Braintree's name for a card's scheme."""
    return _CARD_TYPES.get(instrument.group, "Unknown")


def _card(transaction: SaleTransaction) -> dict[str, Any]:
    instrument, card = transaction.request.instrument, transaction.shown.get("card", {})
    return {
        "token": card.get("token") or None,
        "bin": card.get("bin") or instrument.identity[:6],
        "last_4": card.get("last_4") or instrument.identity[-4:],
        "card_type": card_type(instrument),
        "expiration_month": card.get("expiration_month") or "12",
        "expiration_year": card.get("expiration_year") or "2030",
        "cardholder_name": card.get("cardholder_name") or None,
        "customer_location": "US",
        "expired": False,
        "unique_number_identifier": None,
        "prepaid": "Unknown",
        "debit": "Unknown",
        "commercial": "Unknown",
    }
