"""Braintree's vault over GraphQL: `createCustomer`, `vaultPaymentMethod`, and what removes a card.

Source: VaultPaymentMethodInput and its payload, CreateCustomerInput and
DeletePaymentMethodFromVaultInput in schema.graphql of github.com/braintree/graphql-api.
Deduced: how a card that fails its verification is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paychain.protocol.dialects.braintree import vault
from paychain.protocol.dialects.braintree.account import Account, inside, text
from paychain.protocol.dialects.braintree.graphql_answers import (
    Refused,
    answered,
    payload,
    responded,
)
from paychain.protocol.dialects.braintree.graphql_objects import (
    CARD,
    CUSTOMER,
    customer,
    legacy_id,
    payment_method,
    verification,
)
from paychain.protocol.vendor import VendorCall
from paychain.protocol.vendor_ignored import within
from paychain.protocol.vendor_nothing import execute_nothing

Given = dict[str, Any]
# How a customer's details are named in the other API.
_CONTACT: Mapping[str, str] = {
    "company": "company",
    "email": "email",
    "firstName": "first_name",
    "lastName": "last_name",
    "phoneNumber": "phone",
}
USED = frozenset(
    {
        *("clientMutationId", "customerId", "paymentMethodId"),
        *within("customer", *_CONTACT),
        *within("verification", "skip"),
    }
)


async def create_customer(call: VendorCall, account: Account, given: Given) -> dict[str, Any]:
    """`createCustomer`. Raises Refused and Unanswered."""
    details = inside(given, "customer")
    wanted = {known: value for name, known in _CONTACT.items() if (value := text(details, name))}
    made = await answered(call, vault.create_customer_by(call, account, wanted), "customer")
    return payload(given, "CreateCustomerPayload", customer=customer(made["customer"]))


async def keep(call: VendorCall, account: Account, given: Given) -> dict[str, Any]:
    """`vaultPaymentMethod` and `vaultCreditCard`: a card for a customer, or for a new one.

    Raises Refused and Unanswered.
    """
    if not text(given, "paymentMethodId"):
        await execute_nothing(call)
        raise Refused("Field 'paymentMethodId' of the input is required.")
    verifies = inside(given, "verification").get("skip") is not True
    wanted: Given = {
        "payment_method_nonce": text(given, "paymentMethodId"),
        "options": {"verify_card": verifies},
    }
    owner = text(given, "customerId")
    if owner:
        wanted["customer_id"] = legacy_id(owner, CUSTOMER) or owner
        work = vault.create_card_by(call, account, wanted)
    else:
        work = vault.create_customer_by(call, account, wanted)
    made = await answered(call, work, "credit_card", "customer", "verification")
    shown = made.get("credit_card")
    if "customer" in made:
        (shown,) = made["customer"]["credit_cards"]
    return payload(
        given,
        "VaultPaymentMethodPayload",
        paymentMethod=payment_method(shown) if shown is not None else None,
        verification=verification(made.get("verification")) if verifies else None,
    )


async def remove(call: VendorCall, account: Account, given: Given) -> dict[str, Any]:
    """`deletePaymentMethodFromVault`. Raises Refused and Unanswered."""
    name = text(given, "paymentMethodId")
    token = legacy_id(name, CARD) or name
    await responded(call, vault.delete_card(call, account, token))
    return payload(given, "DeletePaymentMethodFromVaultPayload")
