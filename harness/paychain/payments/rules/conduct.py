"""How links treat money they do not know of, may not ask for, or decided about alone."""

from __future__ import annotations

from paychain.payments.retry_limits import Presentation, forbids_reattempt
from paychain.payments.rules.acknowledged import undone_minor
from paychain.payments.rules.amounts_due import total_minor
from paychain.payments.rules.beyond import (
    accepted_without_the_issuer,
    authentication_failed,
    limited_fallback_used,
    presented_again_after_a_decline,
    queried,
    went_on_without_a_call,
)
from paychain.payments.rules.evidence import StoodIn
from paychain.payments.rules.follow_ups import FollowUp
from paychain.payments.rules.reconciled import Finding, Reconciled
from paychain.payments.rules.rule import money_rule


@money_rule("Unknown outcomes resolved", judged="at_the_end", beyond=None)
def unknowns_resolved(payment: Reconciled) -> Finding | None:
    """Every unknown outcome is resolved: a reversal acknowledged, or a query or repeat answered.

    A finding has no amount: other rules count the money that depends on it.
    Source: docs/domain.md §1.4 and §2.5 (I3).
    """
    if not payment.unresolved:
        return None
    return Finding.of(payment, 0, f"never resolved: {', '.join(payment.unresolved)}")


@money_rule("Captures, refunds and advices completed", judged="at_the_end", beyond=None)
def authorisations_settled(payment: Reconciled) -> Finding | None:
    """Everything that must follow an approval is done or refused in the end.

    A capture, refund, cancel or webhook is due once the payment is approved and the merchant wants
    it, an advice once a link has stood in: whether it was ever sent or not. Nothing is due any more
    of a forwarded payment that its caller reversed. Of webhooks, the one
    that reports an approval must arrive, unless its attempt was undone, and so must the one that
    reports a chargeback: a merchant who does not know of it refunds the payment as well. Who
    acknowledged the issuer's report of it has to send one. What is acknowledged is in some book,
    and not only in that of the link that asked for it.
    Source: docs/domain.md §2.5 (I2, I4).
    """
    open_ends = [
        follow_up
        for follow_up in payment.follow_ups
        if follow_up.end not in ("done", "refused", "cancelled") and _is_owed(payment, follow_up)
    ]
    untold = [
        follow_up
        for follow_up in payment.follow_ups
        if follow_up.end == "done"
        and follow_up.operation == "dispute"
        and _is_owed(payment, follow_up)
        and not any(
            other.reports_charge_back and other.link == follow_up.target
            for other in payment.follow_ups
        )
    ]
    unbooked = [
        (follow_up, minor)
        for follow_up in payment.follow_ups
        if (minor := undone_minor(payment, follow_up))
    ]
    if not open_ends and not untold and not unbooked:
        return None
    words = [str(follow_up) for follow_up in open_ends]
    words += [
        f"report of the chargeback of {each.reference} by {each.target}, never sent"
        for each in untold
    ]
    words += [
        f"{each.operation} of {each.name} by {each.target}, acknowledged although "
        f"{payment.money(minor)} of it is in no book"
        for each, minor in unbooked
    ]
    text = f"never completed: {', '.join(words)}"
    amount_minor = max((minor for _, minor in unbooked), default=0)
    if open_ends or untold:
        amount_minor = max(amount_minor, total_minor(payment, [*open_ends, *untold]))
    return Finding.of(payment, amount_minor, text)


def _is_owed(payment: Reconciled, follow_up: FollowUp) -> bool:
    """Whether somebody waits for it.

    Of the webhooks, that are those by which a merchant learns of a payment that stands, or of its
    chargeback. Those that confirm what the merchant asked for itself tell it nothing new. An
    issuer reports a chargeback to every link that may have acquired the payment.
    """
    if follow_up.operation == "dispute":
        return any(
            follow_up.target in entry.positions
            and entry.positions[follow_up.target].captured_minor > 0
            for entry in payment.authorisations
        )
    if follow_up.operation != "notify":
        return True
    if follow_up.reports_charge_back:
        return follow_up.is_due
    return (
        payment.shown_approved
        and follow_up.is_due
        and follow_up.name.endswith(" authorised")
        and any(
            entry.attempt == follow_up.attempt and position.standing_minor > 0
            for entry in payment.authorisations
            for position in entry.positions.values()
        )
    )


@money_rule(
    "Schemes' retry limits kept", judged="at_any_time", beyond=presented_again_after_a_decline
)
def retry_limits_kept(payment: Reconciled) -> Finding | None:
    """A declined card is presented again only while its scheme allows it.

    Source: docs/domain.md §1.6 and §2.5 (I8).
    """
    declined: list[Presentation] = []
    for presentation, was_declined in payment.presentations:
        # The first presentation, and any after an approval only, is never a reattempt.
        if declined:
            limit = forbids_reattempt(
                payment.scheme,
                declined,
                now_ns=presentation.at_ns,
                merchant=presentation.merchant,
                amount_minor=presentation.amount_minor,
            )
            if limit is not None:
                text = f"presented again after {len(declined)} declines, last {declined[-1].code}"
                return Finding.of(payment, 0, f"{text}: against {limit.id}")
        if was_declined:
            declined.append(presentation)
    return None


@money_rule(
    "Status queries within limits", judged="at_any_time", beyond=queried, needs="query limits"
)
def asks_within_limits(payment: Reconciled) -> Finding | None:
    """An unknown outcome is queried no sooner and no more often than its rail permits.

    A finding has no amount: nothing is lost yet, but storms of queries keep a rail from recovering.
    Source: docs/domain.md §1.8; docs/bank-transfers.md.
    """
    if not payment.queried_beyond:
        return None
    return Finding.of(payment, 0, ", ".join(payment.queried_beyond))


@money_rule(
    "No authorisation after a failed authentication",
    judged="at_any_time",
    beyond=authentication_failed,
)
def no_authorisation_after_failed_authentication(payment: Reconciled) -> Finding | None:
    """A payment whose cardholder failed authentication is not sent on for authorisation.

    Source: docs/domain.md §1.2 and §2.5 (I10).
    """
    if not payment.unauthenticated:
        return None
    text = f"authorised after a failed authentication: {', '.join(payment.unauthenticated)}"
    return Finding.of(payment, payment.amount_minor, text)


@money_rule(
    "Calls that must fail closed did",
    judged="at_any_time",
    beyond=went_on_without_a_call,
    needs="closed call",
)
def closed_calls_stay_closed(payment: Reconciled) -> Finding | None:
    """A payment is not authorised before its card is in the vault and it passed sanctions.

    Source: docs/third-parties.md.
    """
    if not payment.opened:
        return None
    return Finding.of(payment, payment.amount_minor, ", ".join(payment.opened))


@money_rule("Stand-in inside its limits", judged="at_any_time", beyond=accepted_without_the_issuer)
def stand_in_within_limits(payment: Reconciled) -> Finding | None:
    """A link stands in only within its limits: amount, number, and number for one card.

    Source: docs/domain.md §1.7 and §2.5 (I11).
    """
    for approval in payment.stood_in:
        if excess := _excess(payment, approval):
            text = f"{approval.link} stood in {excess}"
            return Finding.of(payment, approval.amount_minor, text)
    return None


def _excess(payment: Reconciled, approval: StoodIn) -> str:
    """Which limit a stand-in approval exceeds, in words; "" when it keeps all of them."""
    amount = payment.money(approval.amount_minor)
    if approval.amount_minor > approval.up_to_minor:
        return f"for {amount}, over its limit of {payment.money(approval.up_to_minor)}"
    if approval.most is not None and approval.nth > approval.most:
        return f"{approval.nth} times, over its limit of {approval.most}"
    if approval.per_card is not None and approval.nth_of_card > approval.per_card:
        return f"{approval.nth_of_card} times for one card, over its limit of {approval.per_card}"
    return ""


@money_rule("Fallbacks inside their limits", judged="at_any_time", beyond=limited_fallback_used)
def fallbacks_within_limits(payment: Reconciled) -> Finding | None:
    """A payment continues without a call, or is stored, only within the declared limits.

    These are `up_to` of skip, exempt and queue, and how long a queue may keep a payment (`within`).
    Source: docs/domain.md §1.2 and §1.3.
    """
    if not payment.beyond_limits:
        return None
    return Finding.of(payment, payment.amount_minor, ", ".join(payment.beyond_limits))


@money_rule("Stand-in advised", judged="at_the_end", beyond=None)
def stand_in_advised(payment: Reconciled) -> Finding | None:
    """The issuer learns of every stand-in approval that still holds money.

    Source: docs/domain.md §1.7 and §2.5 (I11).
    """
    for entry in payment.authorisations:
        # A hold that was released before its advice arrived needs no advice.
        standing = [
            position
            for position in entry.positions.values()
            if position.stood_in and position.exposure_minor > 0
        ]
        if standing and not entry.positions.keys() & payment.settling:
            text = f"{entry.reference} was approved by {entry.decided_by} and never advised"
            return Finding.of(payment, standing[0].first_minor, text)
    return None
