"""How links must behave towards money they do not know, may not ask for, or decided alone."""

from __future__ import annotations

from harness.payments.retry_limits import Presentation, forbids_reattempt
from harness.payments.rules.reconciled import Finding, Reconciled, StoodIn


def unknowns_resolved(payment: Reconciled) -> Finding | None:
    """An outcome stayed unknown: no reversal acknowledged, no query or repeat answered.

    The money that hangs on it is for other rules to count.
    """
    if not payment.unresolved:
        return None
    return Finding.of(payment, 0, f"never cleared up: {', '.join(payment.unresolved)}")


def authorisations_settled(payment: Reconciled) -> Finding | None:
    """A capture, refund or advice that was due is neither done nor refused."""
    if not payment.unsettled:
        return None
    return Finding.of(payment, payment.amount_minor, f"never done: {', '.join(payment.unsettled)}")


def retry_limits_kept(payment: Reconciled) -> Finding | None:
    """The card was presented again although its scheme forbids it."""
    declined: list[Presentation] = []
    for one, was_declined in payment.presentations:
        if declined:
            limit = forbids_reattempt(
                payment.scheme, declined, now_ns=one.at_ns, merchant=one.merchant,
                amount_minor=one.amount_minor,
            )  # fmt: skip
            if limit is not None:
                text = f"presented again after {len(declined)} declines, last {declined[-1].code}"
                return Finding.of(payment, 0, f"{text}: against {limit.id}")
        if was_declined:
            declined.append(one)
    return None


def no_authorisation_after_failed_authentication(payment: Reconciled) -> Finding | None:
    """The cardholder was not authenticated, and the payment was sent on all the same."""
    if not payment.unauthenticated:
        return None
    text = f"authorised after a failed authentication: {', '.join(payment.unauthenticated)}"
    return Finding.of(payment, payment.amount_minor, text)


def stand_in_within_limits(payment: Reconciled) -> Finding | None:
    """A link stood in beyond its limits."""
    for one in payment.stood_in:
        if beyond := _beyond(payment, one):
            return Finding.of(payment, one.amount_minor, f"{one.link} stood in {beyond}")
    return None


def _beyond(payment: Reconciled, one: StoodIn) -> str:
    amount = payment.money(one.amount_minor)
    if one.amount_minor > one.up_to_minor:
        return f"for {amount}, over its limit of {payment.money(one.up_to_minor)}"
    if one.most is not None and one.nth > one.most:
        return f"{one.nth} times, its limit is {one.most}"
    if one.per_card is not None and one.nth_of_card > one.per_card:
        return f"{one.nth_of_card} times for one card, its limit is {one.per_card}"
    return ""


def stand_in_advised(payment: Reconciled) -> Finding | None:
    """A link stood in, and the one it decided for was never told.

    What was released before the advice arrived needs none, and what was stored and forwarded the
    issuer decided itself.
    """
    for one in payment.authorisations:
        stands = any(at.stood_in and at.charges > 0 for at in one.positions.values())
        if stands and not one.positions.keys() & payment.issuers:
            text = f"{one.reference} was approved by {one.decided_by} and never advised"
            return Finding.of(payment, payment.amount_minor, text)
    return None
