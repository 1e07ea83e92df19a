"""Customers and their payment methods."""

from __future__ import annotations

from functools import partial
from typing import Any

from paychain.protocol.dialects.stripe.account import (
    ATTACHED,
    Account,
    Plan,
    RoutedRequest,
    written,
)
from paychain.protocol.dialects.stripe.cards import Method, expiry, of_parameters
from paychain.protocol.dialects.stripe.details import Shown, address
from paychain.protocol.dialects.stripe.errors import Invalid, invalid, missing
from paychain.protocol.dialects.stripe.parameters import mapping, required, text

_TEXTS = ("description", "email", "name", "phone")


def create_method(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/payment_methods`, from a card's number or a token."""
    required(asked.given, "type")
    method = of_parameters(asked.given, account.new_id("pm"), account.backend.now_s())
    return account.looked_up(
        lambda: account.objects.method(method), change=partial(account.keep_method, method)
    )


def retrieve_method(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/payment_methods/{payment_method}`."""
    method = _method(account, asked.names[0])
    return account.looked_up(lambda: account.objects.method(method))


def retrieve_customers_method(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/customers/{customer}/payment_methods/{payment_method}`."""
    customer, name = _customer(account, asked)["id"], asked.names[1]
    method = account.method(name)
    if method is None or method.customer != customer:
        raise missing("PaymentMethod", name)
    return account.looked_up(lambda: account.objects.method(method))


def update_method(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/payment_methods/{payment_method}`: billing details, expiry, metadata."""
    method = _method(account, asked.names[0])
    given = asked.given
    billing, card = mapping(given, "billing_details"), mapping(given, "card")
    month, year = expiry(card)

    # Another update may come between until this one is done.
    def change() -> None:
        metadata = written(method.metadata, given)
        merged = {**method.billing, **billing}
        method.billing = {name: value for name, value in merged.items() if value != ""}
        method.metadata = metadata
        method.month, method.year = month or method.month, year or method.year

    written(method.metadata, given)
    return account.looked_up(lambda: account.objects.method(method), change=change)


def attach(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/payment_methods/{payment_method}/attach`, to a customer."""
    required(asked.given, "customer")
    customer = account.customer_asked(asked.given) or ""
    method = _method(account, asked.names[0])
    if method.customer not in ("", customer):
        raise invalid(ATTACHED, code="payment_method_unexpected_state")
    if method.used_by:
        raise invalid(
            "This PaymentMethod was previously used without being attached to a Customer or was "
            "detached from a Customer, and may not be used again."
        )
    account.keep_method(method)
    return account.looked_up(
        lambda: account.objects.method(method),
        change=lambda: account.keep_for(method, customer),
    )


def detach(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/payment_methods/{payment_method}/detach`."""
    method = _method(account, asked.names[0])
    if not method.customer:
        raise invalid(
            "The payment method you provided is not attached to a customer so detachment is "
            "impossible.",
            code="payment_method_unexpected_state",
        )

    def change() -> None:
        settings = account.customers.get(method.customer, {}).get("invoice_settings", {})
        if settings.get("default_payment_method") == method.id:
            settings["default_payment_method"] = None
        method.detach()

    return account.looked_up(lambda: account.objects.method(method), change=change)


def _method(account: Account, name: str) -> Method:
    """The method that a path names; a test card's name makes one, as Stripe does."""
    known = account.method(name)
    if known is None:
        try:
            known = account.method_asked(name, account.new_id("pm"))
        except Exception as error:
            raise missing("PaymentMethod", name) from error
        account.keep_method(known)
    return known


def create_customer(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/customers`."""
    shown: Shown = {
        "id": account.new_id("cus", 14),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": account.backend.now_s(),
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": account.new_id("", 8)[1:].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    _write(shown, asked.given)
    name = text(asked.given, "payment_method")
    method = account.method_asked(name, account.new_id("pm")) if name else None
    if method is not None:
        account.check_can_be_kept(method)
    if default := _default_asked(asked.given):
        # Of a new customer it can only be the method that comes with it.
        if method is None or default != name:
            raise _not_attached(default)
        shown["invoice_settings"]["default_payment_method"] = method.id

    def add() -> None:
        if method is not None:
            account.check_can_be_kept(method)  # another request may have attached or used it
        account.customers[shown["id"]] = shown
        if method is not None:
            account.keep_for(method, shown["id"])

    return account.looked_up(lambda: dict(shown), change=add)


def update_customer(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/customers/{customer}`."""
    shown = _customer(account, asked)

    # Other requests may change it before this one does: what they wrote stays.
    def changed() -> Shown:
        copied = {**shown, "invoice_settings": dict(shown["invoice_settings"])}
        _write(copied, asked.given)
        default = _default_asked(asked.given)
        if default is not None:
            kept = account.method(default) if default else None
            if default and (kept is None or kept.customer != shown["id"]):
                raise _not_attached(default)
            copied["invoice_settings"]["default_payment_method"] = default or None
        return copied

    changed()
    return account.looked_up(lambda: dict(shown), change=lambda: shown.update(changed()))


def retrieve_customer(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/customers/{customer}`; of a deleted one no more than that it is deleted."""
    shown = account.deleted.get(asked.names[0]) or _customer(account, asked)
    return account.looked_up(lambda: dict(shown))


def delete_customer(account: Account, asked: RoutedRequest) -> Plan:
    """`DELETE /v1/customers/{customer}`, whose cards are detached with it."""
    name = _customer(account, asked)["id"]
    shown: Shown = {"id": name, "object": "customer", "deleted": True}

    def delete() -> None:
        account.customers.pop(name, None)
        account.deleted[name] = shown
        for method in account.methods.values():
            if method.customer == name:
                method.detach()

    return account.looked_up(lambda: dict(shown), change=delete)


def _customer(account: Account, asked: RoutedRequest) -> Shown:
    name = asked.names[0]
    if name not in account.customers:
        raise missing("customer", name)
    return account.customers[name]


def _default_asked(given: dict[str, Any]) -> str | None:
    """The payment method that a customer's invoices are to use, None where nothing is said."""
    settings = mapping(given, "invoice_settings")
    name = "default_payment_method"
    return text(settings, name) if name in settings else None


def _not_attached(name: str) -> Invalid:
    refusal = missing("PaymentMethod", name, "invoice_settings[default_payment_method]")
    refusal.status = 400
    refusal.error["message"] = (
        f"The customer does not have a payment method with the ID {name}. The payment method must "
        "be attached to the customer."
    )
    return refusal


def _write(shown: Shown, given: dict[str, Any]) -> None:
    for name in _TEXTS:
        if name in given:
            shown[name] = text(given, name) or None
    if "metadata" in given:
        shown["metadata"] = written(shown["metadata"], given)
    if "address" in given:
        shown["address"] = address(mapping(given, "address") or None)
    if "shipping" in given:
        shipping = mapping(given, "shipping")
        shown["shipping"] = {
            "address": address(shipping.get("address") or {}),
            "name": shipping.get("name", ""),
            "phone": shipping.get("phone"),
        }
    if given.get("preferred_locales"):
        shown["preferred_locales"] = list(given["preferred_locales"])
    if given.get("tax_exempt"):
        shown["tax_exempt"] = text(given, "tax_exempt")
