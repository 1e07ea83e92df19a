"""PayPal's vault: a card or wallet is stored for a customer, and later orders name it by token.

    POST setup-tokens ─▶ the payer approves a wallet ─▶ POST payment-tokens ─▶ vault_id of an order

`GET /agreements/approve?approval_session_id=TOKEN` approves, like the page of an order.
Source: developer.paypal.com/docs/api/payment-tokens/v3, from memory unless a table says V.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

from paychain.payments.bounded import BoundedDict
from paychain.protocol.dialects.paypal.account import (
    AT_ONCE,
    Account,
    Given,
    Source,
    VaultToken,
    addresses,
    body_of,
    inside,
    note_source,
    source_of,
    text,
)
from paychain.protocol.dialects.paypal.errors import Invalid
from paychain.protocol.vendor import VendorCall
from paychain.protocol.vendor_cards import card_of_token
from paychain.protocol.vendor_keyed import Keyed
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.protocol.vendor_pages import customers_page, number_in, query_of, sent_to
from paychain.wire.http import HttpResponse, json_response

PAGE = "agreements/approve"
CREATED, OK = 201, 200
_SETUPS, _TOKENS = "setup-tokens", "payment-tokens"
_PATH = "v3/vault"
_USED = frozenset({"customer", "payment_source"})
MAX_LISTED = 5  # tokens in one page, as at PayPal


def keep(account: Account, source: Source, customer_id: str) -> VaultToken:
    """Keep what has paid an order, for a customer or a new one."""
    kept = VaultToken(
        id=_new_id(account, "token"),
        customer_id=customer_id or _new_id(account, "customer")[:10],
        source=replace(source, keeps_for=None),
    )
    account.tokens[kept.id] = kept
    return kept


async def visit(call: VendorCall, account: Account) -> HttpResponse:
    """The payer approves storing a wallet, or leaves. Raises Invalid for an unknown token."""
    given = query_of(call.http)
    setup = _found(account.setups, given.get("approval_session_id", ""))
    if given.get("result") == "canceled":
        await execute_nothing(call)
        return _sent(setup, setup.cancel_url)

    def approve() -> None:
        if setup.is_approved:
            return
        card = card_of_token(given.get("card", ""))
        if card is not None:
            setup.source = replace(setup.source, instrument=card)
        setup.is_approved = True

    await execute_nothing(call, change=approve)
    return _sent(setup, setup.return_url)


def _sent(setup: VaultToken, url: str) -> HttpResponse:
    if not url:
        return customers_page(200, "You may close this window.", b"{}")
    return sent_to(url, {"approval_token_id": setup.id, "approval_session_id": setup.id})


async def _set_up(call: VendorCall, account: Account) -> HttpResponse:
    given = _given(call, account)

    def new() -> VaultToken:
        source = source_of(given, account)
        if source is None:
            raise Invalid("MISSING_REQUIRED_PARAMETER", "/payment_source")
        return_url, cancel_url = addresses(given)
        return VaultToken(
            id=_new_id(account, "setup"),
            customer_id=_customer(given) or _new_id(account, "customer")[:10],
            source=source,
            is_approved=not source.waits,
            return_url=return_url,
            cancel_url=cancel_url,
        )

    keyed = _begin(call, account, given, new)
    status = await _make(call, account, account.setups, keyed)
    return json_response(status, _setup_shown(account, keyed.made))


async def _show_setup(call: VendorCall, account: Account, name: str) -> HttpResponse:
    setup = _found(account.setups, name)
    await execute_nothing(call, change=lambda: _approve(account, setup))
    return json_response(OK, _setup_shown(account, setup))


async def _keep(call: VendorCall, account: Account) -> HttpResponse:
    given = _given(call, account)
    keyed = _begin(call, account, given, partial(_token_of, account, given))
    status = await _make(call, account, account.tokens, keyed)
    return json_response(status, shown_of(account, keyed.made))


def _token_of(account: Account, given: Given) -> VaultToken:
    """The payment token of a setup token, or of a card. Raises Invalid."""
    named, setup = inside(inside(given, "payment_source"), "token"), None
    if named and text(named, "type") == "SETUP_TOKEN":
        setup = _found(account.setups, text(named, "id"), "/payment_source/token/id")
        if not (setup.is_approved or account.approval == AT_ONCE):
            raise Invalid("PAYER_ACTION_REQUIRED")
        source, customer_id = setup.source, setup.customer_id
    else:
        found = source_of(given, account)
        if found is None or not found.is_card:
            raise Invalid("MISSING_REQUIRED_PARAMETER", "/payment_source/token")
        source, customer_id = found, _customer(given)
    return VaultToken(
        id=_new_id(account, "token"),
        customer_id=customer_id or _new_id(account, "customer")[:10],
        source=source,
        setup=setup,
    )


async def _list(call: VendorCall, account: Account) -> HttpResponse:
    query = query_of(call.http)
    customer_id = query.get("customer_id", "")
    if not customer_id:
        raise Invalid("MISSING_REQUIRED_PARAMETER", "customer_id")
    size = min(number_in(query.get("page_size", ""), 0) or MAX_LISTED, MAX_LISTED)
    page = number_in(query.get("page", ""), 0) or 1
    await execute_nothing(call)
    mine = [kept for kept in account.tokens.values() if kept.customer_id == customer_id]
    last = max(1, -(-len(mine) // size))
    places = {"self": page, "first": 1, "last": last}
    if page < last:
        places["next"] = page + 1
    at = f"{_TOKENS}?customer_id={customer_id}&page_size={size}&page="
    part = mine[(page - 1) * size : page * size]
    shown: dict[str, Any] = {
        "customer": {"id": customer_id},
        "payment_tokens": [shown_of(account, kept) for kept in part],
        "links": [_link(account, f"{at}{place}", rel, "GET") for rel, place in places.items()],
    }
    if query.get("total_required") == "true":
        shown |= {"total_items": len(mine), "total_pages": last}
    return json_response(OK, shown)


async def _show(call: VendorCall, account: Account, name: str) -> HttpResponse:
    kept = _found(account.tokens, name)
    await execute_nothing(call)
    return json_response(OK, shown_of(account, kept))


async def _delete(call: VendorCall, account: Account, name: str) -> HttpResponse:
    # PayPal answers alike when it is not there.
    await execute_nothing(call, change=lambda: account.tokens.pop(name, None))
    return HttpResponse(204)


HANDLERS: dict[str, Callable[..., Awaitable[HttpResponse]]] = {
    f"POST {_PATH}/{_SETUPS}": _set_up,
    f"GET {_PATH}/{_SETUPS}/{{id}}": _show_setup,
    f"POST {_PATH}/{_TOKENS}": _keep,
    f"GET {_PATH}/{_TOKENS}": _list,
    f"GET {_PATH}/{_TOKENS}/{{id}}": _show,
    f"DELETE {_PATH}/{_TOKENS}/{{id}}": _delete,
}


def _given(call: VendorCall, account: Account) -> Given:
    given = body_of(call.http)
    account.ignored.note(call, given, _USED)
    note_source(call, account, given)
    return given


def _customer(given: Given) -> str:
    return text(inside(given, "customer"), "id")


def _begin(
    call: VendorCall, account: Account, given: Given, new: Callable[[], VaultToken]
) -> Keyed[VaultToken]:
    """What a request makes, or the first one under its key."""
    key = account.known_key(call.http)
    return account.tokens_by_key.begin((call.http.target, key) if key else None, given, new)


async def _make(
    call: VendorCall,
    account: Account,
    known: BoundedDict[str, VaultToken],
    keyed: Keyed[VaultToken],
) -> int:
    """Know a token, unless it was deleted since. Returns the status of the answer."""
    status, token = OK if keyed.is_done else CREATED, keyed.made

    def know() -> None:
        if keyed.done():
            known[token.id] = token
        if token.setup is not None:  # the payer agrees to it with what is made of it
            _approve(account, token.setup)

    await execute_nothing(call, change=know)
    return status


def _found(kept: BoundedDict[str, VaultToken], name: str, field: str = "") -> VaultToken:
    found = kept.get(name)
    if found is None:
        raise Invalid("INVALID_RESOURCE_ID", field, name)
    return found


def _approve(account: Account, setup: VaultToken) -> None:
    """With `approval: at_once` the payer has approved as soon as the token is read."""
    setup.is_approved = setup.is_approved or account.approval == AT_ONCE


def _new_id(account: Account, what: str) -> str:
    number = next(account.numbers)
    digest = hashlib.sha256(f"{account.backend.link}/{what}/{number}".encode())
    return digest.hexdigest()[:17].upper() if what == "setup" else digest.hexdigest()[:11]


def _setup_shown(account: Account, setup: VaultToken) -> dict[str, Any]:
    links = [_link(account, f"{_SETUPS}/{setup.id}", "self", "GET")]
    if setup.is_approved:
        links.append(_link(account, _TOKENS, "confirm", "POST"))
    else:
        href = f"{account.pages}/{PAGE}?approval_session_id={setup.id}"
        links.insert(0, {"href": href, "rel": "approve", "method": "GET"})
    return {
        "id": setup.id,
        "customer": {"id": setup.customer_id},
        "status": "APPROVED" if setup.is_approved else "PAYER_ACTION_REQUIRED",
        "payment_source": setup.source.shown,
        "links": links,
    }


def shown_of(account: Account, kept: VaultToken) -> dict[str, Any]:
    """A payment token."""
    at = f"{_TOKENS}/{kept.id}"
    return {
        "id": kept.id,
        "customer": {"id": kept.customer_id},
        "payment_source": kept.source.shown,
        "links": [_link(account, at, "self", "GET"), _link(account, at, "delete", "DELETE")],
    }


def _link(account: Account, at: str, rel: str, method: str) -> dict[str, str]:
    return {"href": f"{account.base}/{_PATH}/{at}", "rel": rel, "method": method}
