"""Braintree's vault: customers and their cards, which later sales name by token. No money moves.

    POST customers ─▶ POST payment_methods ─▶ token ─▶ POST transactions (payment_method_token)

Sources: the gateways, models and error codes of `braintree` (python 4.48.0).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from paychain.protocol.dialects.braintree.account import Account, inside, is_true, text
from paychain.protocol.dialects.braintree.documents import Rows, moment, read
from paychain.protocol.dialects.braintree.errors import (
    INVALID,
    Invalid,
    NotFound,
    document,
    plain,
    validation_error,
)
from paychain.protocol.dialects.braintree.keeping import (
    CONTACT,
    NAME,
    contact_fields,
    customer_id_of,
    new_id,
)
from paychain.protocol.dialects.braintree.objects import card_type
from paychain.protocol.dialects.braintree.records import StoredCard
from paychain.protocol.dialects.braintree.sales import details_of, instrument_of
from paychain.protocol.dialects.braintree.tables import errors, response
from paychain.protocol.vendor import VendorCall
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.wire.http import HttpResponse

# How the SDKs' gateways for payment methods and for credit cards name the same card.
_CARD = ("payment_method", "credit_card")
_USED = frozenset(
    {
        "cardholder_name",
        "credit_card",
        "customer_id",
        "expiration_date",
        "expiration_month",
        "expiration_year",
        "id",
        "number",
        "options",
        "payment_method_nonce",
        "token",
        *CONTACT,
    }
)
_USED_OPTIONS = frozenset({"fail_on_duplicate_payment_method", "make_default", "verify_card"})


async def _create_customer(call: VendorCall, account: Account) -> HttpResponse:
    return await create_customer_by(call, account, _given(call, account, "customer"))


async def create_customer_by(
    call: VendorCall, account: Account, given: dict[str, Any]
) -> HttpResponse:
    """Create a customer as a request says, in whichever API. Raises Invalid."""
    vault, name = account.vault, customer_id_of(given) or new_id(account)
    if name in vault.customers:
        raise Invalid("customer_id_in_use")
    card = given if given.get("payment_method_nonce") else inside(given, "credit_card")
    kept = _card_from(account, card, name) if card else None
    refusal = _verification_refusal(kept, card) if kept is not None else None
    if refusal is not None:
        await execute_nothing(call)
        return refusal
    said = contact_fields(given)

    def keep() -> None:
        # Another request may have taken the name meanwhile.
        if vault.customers.setdefault(name, said) is said and kept is not None:
            vault.add(kept)

    await execute_nothing(call, change=keep)
    if vault.customers.get(name) is not said:
        return validation_error("customer_id_in_use")
    return document(201, "customer", customer_shown(account, name, said))


async def _show_customer(call: VendorCall, account: Account, name: str) -> HttpResponse:
    said = _said_of(account, name)
    await execute_nothing(call)
    return document(200, "customer", customer_shown(account, name, said))


async def _update_customer(call: VendorCall, account: Account, name: str) -> HttpResponse:
    changes, said = contact_fields(_given(call, account, "customer")), _said_of(account, name)
    await execute_nothing(call, change=lambda: said.update(changes))
    return document(200, "customer", customer_shown(account, name, said))


async def _delete_customer(call: VendorCall, account: Account, name: str) -> HttpResponse:
    _said_of(account, name)
    await execute_nothing(call, change=lambda: account.vault.forget(name))
    return plain(200)


async def _create_card(call: VendorCall, account: Account) -> HttpResponse:
    return await create_card_by(call, account, _given(call, account, *_CARD))


async def create_card_by(call: VendorCall, account: Account, given: dict[str, Any]) -> HttpResponse:
    """Keep a customer's card as a request says, in whichever API. Raises Invalid."""
    customer_id = text(given, "customer_id")
    if not customer_id:
        raise Invalid("kept_customer_required")
    if customer_id not in account.vault.customers:
        raise Invalid("kept_customer_invalid")
    kept = _card_from(account, given, customer_id)
    refusal = _verification_refusal(kept, given)
    if refusal is not None:
        await execute_nothing(call)
        return refusal
    vault = account.vault

    def keep() -> None:
        # Another request may have taken the token, or deleted the customer, meanwhile.
        if customer_id in vault.customers and kept.token not in vault.cards:
            vault.add(kept)

    await execute_nothing(call, change=keep)
    if vault.cards.get(kept.token) is not kept:
        return validation_error("kept_token_in_use")
    return document(201, "credit_card", _shown(kept))


async def _show_card(call: VendorCall, account: Account, token: str) -> HttpResponse:
    kept = _found(account, token)
    await execute_nothing(call)
    return document(200, "credit_card", _shown(kept))


async def _update_card(call: VendorCall, account: Account, token: str) -> HttpResponse:
    given, kept = _given(call, account, *_CARD), _found(account, token)
    details = {name: value for name, value in details_of(given).items() if value}
    is_default = is_true(inside(given, "options").get("make_default"))

    def update() -> None:
        kept.details.update(details)
        if is_default:
            account.vault.choose(kept)

    await execute_nothing(call, change=update)
    return document(200, "credit_card", _shown(kept))


async def delete_card(call: VendorCall, account: Account, token: str) -> HttpResponse:
    """Forget a card. Raises NotFound."""
    kept = _found(account, token)
    await execute_nothing(call, change=lambda: account.vault.remove(kept))
    return plain(200)


HANDLERS: dict[str, Callable[..., Awaitable[HttpResponse]]] = {
    "POST customers": _create_customer,
    "GET customers/{id}": _show_customer,
    "PUT customers/{id}": _update_customer,
    "DELETE customers/{id}": _delete_customer,
    "POST payment_methods": _create_card,
    **{
        f"{method} payment_methods/{kind}/{{token}}": handler
        for kind in ("any", "credit_card")
        for method, handler in (
            ("GET", _show_card),
            ("PUT", _update_card),
            ("DELETE", delete_card),
        )
    },
}


def _given(call: VendorCall, account: Account, *names: str) -> dict[str, Any]:
    """The parameters of a request, under the first of some names that it has.

    Those that the mock ignores are noted for the report.
    """
    http = call.http
    whole = read(http.body, http.headers.get("content-type", ""))
    given = next((found for name in names if (found := inside(whole, name))), {})
    account.ignored.note(call, given, _USED)
    account.ignored.note(call, inside(given, "options"), _USED_OPTIONS, "options.")
    return given


def _card_from(account: Account, given: dict[str, Any], customer_id: str) -> StoredCard:
    """The card that a request asks to store. Raises Invalid."""
    options, token = inside(given, "options"), text(given, "token") or new_id(account)
    if NAME.fullmatch(token) is None:
        raise Invalid("kept_token_invalid")
    if token in account.vault.cards:
        raise Invalid("kept_token_in_use")
    nonce = {"payment_method_nonce": given.get("payment_method_nonce")}
    card = {} if nonce["payment_method_nonce"] else {**given, "token": ""}
    try:
        instrument, steer, rejection, _ = instrument_of(nonce, card)
    except Invalid as invalid:
        name = f"kept_{invalid.name}"
        raise Invalid(name if name in errors() else "kept_conflict") from None
    kept = StoredCard(
        token=token,
        customer_id=customer_id,
        instrument=instrument,
        created_s=account.backend.now_s(),
        steer=steer,
        rejection=rejection,
        is_default=is_true(options.get("make_default")),
        details=details_of(given),
    )
    if is_true(options.get("fail_on_duplicate_payment_method")) and any(
        other.instrument == instrument for other in account.vault.cards.values()
    ):
        raise Invalid("kept_duplicate")
    return kept


def _verification_refusal(kept: StoredCard, given: dict[str, Any]) -> HttpResponse | None:
    """The refusal of a card that fails the requested verification; None if it passes."""
    if not is_true(inside(given, "options").get("verify_card")) or not kept.steer:
        return None
    declined = response(kept.steer)
    verification = {
        "status": "processor_declined",
        "processor_response_code": kept.steer,
        "processor_response_text": declined.text,
        "processor_response_type": declined.type,
        "cvv_response_code": "I",
        "avs_error_response_code": None,
        "avs_postal_code_response_code": "I",
        "avs_street_address_response_code": "I",
        "gateway_rejection_reason": None,
        "created_at": moment(kept.created_s),
    }
    refusal = {
        "errors": {"errors": Rows("error", [])},
        "params": {},
        "message": declined.text,
        "verification": verification,
    }
    return document(INVALID, "api_error_response", refusal)


def _found(account: Account, token: str) -> StoredCard:
    """The card that a path names. Raises NotFound for an unknown token."""
    kept = account.vault.cards.get(token)
    if kept is None:
        raise NotFound
    return kept


def _said_of(account: Account, name: str) -> dict[str, Any]:
    """What was said of a customer. Raises NotFound for an unknown."""
    said = account.vault.customers.get(name)
    if said is None:
        raise NotFound
    return said


def customer_shown(account: Account, name: str, fields: dict[str, Any]) -> dict[str, Any]:
    """A customer with the cards."""
    cards = [_shown(card) for card in account.vault.cards_of(name)]
    return {
        "id": name,
        **{each: fields.get(each) or None for each in CONTACT},
        "addresses": Rows("address", []),
        "credit_cards": Rows("credit_card", cards),
        "custom_fields": "",
    }


def _shown(kept: StoredCard) -> dict[str, Any]:
    instrument, details, when = kept.instrument, kept.details, moment(kept.created_s)
    return {
        "bin": details.get("bin") or instrument.identity[:6],
        "card_type": card_type(instrument),
        "cardholder_name": details.get("cardholder_name") or None,
        "commercial": "Unknown",
        "country_of_issuance": "Unknown",
        "created_at": when,
        "customer_id": kept.customer_id,
        "customer_location": "US",
        "debit": "Unknown",
        "default": kept.is_default,
        "expiration_month": details.get("expiration_month") or "12",
        "expiration_year": details.get("expiration_year") or "2030",
        "expired": False,
        "image_url": None,
        "last_4": details.get("last_4") or instrument.identity[-4:],
        "prepaid": "Unknown",
        "subscriptions": Rows("subscription", []),
        "token": kept.token,
        "unique_number_identifier": None,
        "updated_at": when,
        "verifications": Rows("verification", []),
    }
