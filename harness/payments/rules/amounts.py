"""How much: authorised, captured and refunded amounts, and that money is neither made nor lost."""

from __future__ import annotations

from harness.payments.money import written
from harness.payments.rules.reconciled import Finding, Reconciled


def amounts_equal(payment: Reconciled) -> Finding | None:
    """A link booked another amount or currency than the customer agreed to.

    An issuer may approve less (code 10): then all links must have booked the same lesser amount.
    Where nobody heard of its approval, only its book says so.
    """
    agreed = (payment.amount_minor, payment.currency)
    for one in payment.authorisations:
        strange = one.currencies - {payment.currency}
        if one.amounts <= {agreed} and not strange:
            continue
        others = sorted(one.amounts - {agreed})
        is_same = len(one.amounts) == 1 and not strange
        is_issuers = one.is_partial or one.positions.keys() <= payment.issuers
        if is_issuers and is_same and others[0][0] <= payment.amount_minor:
            continue
        booked = (
            ", ".join(written(*other) for other in others) or f"in {', '.join(sorted(strange))}"
        )
        off = max((abs(amount - payment.amount_minor) for amount, _ in others), default=0)
        text = f"{booked} booked for an order of {payment.money(payment.amount_minor)}"
        return Finding.of(payment, off, text)
    return None


def captured_within_authorised(payment: Reconciled) -> Finding | None:
    """A link took more than was authorised."""
    for one in payment.authorisations:
        for link, at in one.positions.items():
            if at.captured and (over := at.captured_minor - at.authorised_minor) > 0:
                took, held = payment.money(at.captured_minor), payment.money(at.authorised_minor)
                text = f"{link} captured {took} of {held} authorised under {one.reference}"
                return Finding.of(payment, over, text)
    return None


def refunded_within_captured(payment: Reconciled) -> Finding | None:
    """A link gave back more than it had taken."""
    for one in payment.authorisations:
        for link, at in one.positions.items():
            if at.refunded and (over := at.refunded_minor - at.captured_minor) > 0:
                gave, took = payment.money(at.refunded_minor), payment.money(at.captured_minor)
                text = f"{link} refunded {gave} of {took} captured under {one.reference}"
                return Finding.of(payment, over, text)
    return None


def money_conserved(payment: Reconciled) -> Finding | None:
    """What the cardholder paid is not what the merchant got: captures less refunds differ.

    Every link that knows the authorisation must have taken and given back the same.
    """
    for one in payment.authorisations:
        net = {link: at.captured_minor - at.refunded_minor for link, at in one.positions.items()}
        if len(set(net.values())) > 1:
            least, most = min(net.values()), max(net.values())
            said = ", ".join(f"{link} {payment.money(net[link])}" for link in sorted(net))
            return Finding.of(payment, most - least, f"{one.reference} was taken as {said}")
    return None
