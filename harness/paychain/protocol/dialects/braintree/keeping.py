"""Cards that a sale keeps in the vault: `options.store_in_vault`, `store_in_vault_on_success`.

They are kept for the customer that the sale names, or for a new one of its `customer` fields, once
the sale is executed: an error before the work keeps nothing. Where `customer` has the id of a known
one, the card is added to that one's, whose details stay as they were: a sale whose answer was lost
is repeated in the same words.
Source: the signature of `TransactionGateway.sale` in `braintree` (python 4.48.0). What becomes of a
known id is deduced.
"""

from __future__ import annotations

import re
from typing import Any

from paychain.payments.outcome import Outcome
from paychain.protocol.dialects.braintree.account import Account, inside, is_true, text
from paychain.protocol.dialects.braintree.errors import Invalid
from paychain.protocol.dialects.braintree.records import Keeping, SaleTransaction, StoredCard
from paychain.protocol.vendor_ids import encode

NAME = re.compile(r"[\w-]{1,36}")
CONTACT = ("company", "email", "fax", "first_name", "last_name", "phone", "website")
OPTIONS = frozenset({"store_in_vault", "store_in_vault_on_success"})


def contact_fields(given: dict[str, Any]) -> dict[str, str]:
    """What a request says of a customer."""
    return {name: text(given, name) for name in CONTACT if name in given}


def new_id(account: Account) -> str:
    """An id for a customer or a card."""
    account.vault.created += 1
    return encode(f"{account.backend.link}/{account.vault.created}")


def customer_id_of(given: dict[str, Any]) -> str:
    """The id that a request gives to a customer, "" for none. Raises Invalid."""
    name = text(given, "id")
    if name and NAME.fullmatch(name) is None:
        raise Invalid("customer_id_invalid")
    return name


def asked(given: dict[str, Any], steer: str) -> Keeping | None:
    """What a sale asks to keep, None for nothing. `steer`: as in Keeping. Raises Invalid."""
    options, customer = inside(given, "options"), inside(given, "customer")
    always, on_success = (is_true(options.get(name)) for name in sorted(OPTIONS))
    if not (always or on_success):
        return None
    return Keeping(
        customer_id=text(given, "customer_id") or customer_id_of(customer),
        said=contact_fields(customer),
        steer=steer,
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
    if owner not in vault.customers:
        vault.customers[owner] = dict(wanted.said)
    token = new_id(account)
    vault.add(
        StoredCard(
            token=token,
            customer_id=owner,
            instrument=sale.request.instrument,
            created_s=sale.created_s,
            steer=wanted.steer,
            details={name: value for name, value in card.items() if name != "token"},
        )
    )
    sale.shown = {**sale.shown, "customer": {"id": owner}, "card": {**card, "token": token}}
