"""Cards that a sale keeps in the vault: `options.store_in_vault`, `store_in_vault_on_success`.

They are kept for the customer that the sale names, or for a new one of its `customer` fields, once
the sale is executed: an error before the work keeps nothing.
Source: the signature of `TransactionGateway.sale` in `braintree` (python 4.48.0). That an id in
`customer` may be known already is deduced.
"""

from __future__ import annotations

from typing import Any

from paychain.payments.outcome import Outcome
from paychain.protocol.dialects.braintree.account import Account, inside, is_true, text
from paychain.protocol.dialects.braintree.records import Keeping, SaleTransaction, StoredCard
from paychain.protocol.vendor_ids import encode

CONTACT = ("company", "email", "fax", "first_name", "last_name", "phone", "website")
OPTIONS = frozenset({"store_in_vault", "store_in_vault_on_success"})


def contact_fields(given: dict[str, Any]) -> dict[str, str]:
    """What a request says of a customer."""
    return {name: text(given, name) for name in CONTACT if name in given}


def new_id(account: Account) -> str:
    """An id for a customer or a card."""
    account.vault.created += 1
    return encode(f"{account.backend.link}/{account.vault.created}")


def asked(given: dict[str, Any]) -> Keeping | None:
    """What a sale asks to keep, None for nothing."""
    options, customer = inside(given, "options"), inside(given, "customer")
    always, on_success = (is_true(options.get(name)) for name in sorted(OPTIONS))
    if not (always or on_success):
        return None
    return Keeping(
        customer_id=text(given, "customer_id") or text(customer, "id"),
        said=contact_fields(customer),
        even_if_declined=always,
    )


def keep(account: Account, sale: SaleTransaction) -> None:
    """Keep the card of a sale that has its answer, unless it is kept or is not to be."""
    wanted, answer, card = sale.keeps, sale.answer, sale.shown["card"]
    if wanted is None or answer is None or card.get("token"):
        return
    if answer.outcome is not Outcome.APPROVED and not wanted.even_if_declined:
        return
    vault, owner = account.vault, wanted.customer_id or new_id(account)
    vault.customers.setdefault(owner, dict(wanted.said))
    token = new_id(account)
    vault.add(
        StoredCard(
            token=token,
            customer_id=owner,
            instrument=sale.request.instrument,
            created_s=sale.created_s,
            steer=sale.steer,
            details={name: value for name, value in card.items() if name != "token"},
        )
    )
    sale.shown = {**sale.shown, "customer": {"id": owner}, "card": {**card, "token": token}}
