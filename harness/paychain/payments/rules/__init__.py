"""Money rules: what must hold for every payment when all is done. Each is small and pure.

A new rule is a function like `conduct.stand_in_advised` and a line here. It takes one reconciled
payment and gives a finding or None. Source: docs/domain.md §2.5 (I1 to I13).
"""

from __future__ import annotations

from paychain.payments.rules import (
    accounts,
    amounts,
    books,
    charges,
    completion,
    conduct,
    deposits,
    own_services,
    payouts,
)
from paychain.payments.rules.authorisation import Authorisation, authorisations
from paychain.payments.rules.evidence import StoodIn
from paychain.payments.rules.orders import of_order
from paychain.payments.rules.position import Position
from paychain.payments.rules.reconciled import Finding, Reconciled
from paychain.payments.rules.rule import Rule, Stage

# In the order in which reports list them.
ALL_RULES = (
    charges.no_double_charge,
    charges.no_orphaned_authorisation,
    charges.no_phantom_movement,
    charges.no_approval_without_money,
    charges.customer_saw_the_amount,
    amounts.amounts_equal,
    amounts.captured_within_authorised,
    amounts.refunded_within_captured,
    amounts.released_what_is_held,
    amounts.money_conserved,
    books.books_agree,
    books.booked_once,
    books.parties_kept,
    books.repeats_without_effect,
    conduct.unknowns_resolved,
    conduct.authorisations_settled,
    completion.completed,
    conduct.retry_limits_kept,
    conduct.asks_within_limits,
    conduct.no_authorisation_after_failed_authentication,
    conduct.closed_calls_stay_closed,
    conduct.stand_in_within_limits,
    conduct.stand_in_advised,
    conduct.fallbacks_within_limits,
    own_services.paid_orders_have_money,
    own_services.money_has_its_order,
    own_services.paid_orders_have_the_amount,
    own_services.no_order_lost_with_its_webhook,
    own_services.no_forged_webhook_acted_on,
    own_services.no_charge_after_a_decline,
    own_services.one_key_for_one_payment,
    payouts.sent_once,
    payouts.no_payout_without_funding,
    payouts.reservation_kept_until_dead,
    payouts.reported_once_and_right,
    payouts.sequence_without_gaps,
    payouts.legs_balance,
    payouts.no_stale_price,
    payouts.quote_kept,
    payouts.price_within_bounds,
    deposits.credited_once,
    deposits.no_credit_before_final,
    deposits.no_credit_without_transfer,
    deposits.deposits_credited,
    accounts.held_not_lost,
    accounts.debit_equals_credit,
    accounts.returned_within_moved,
)
# Broken by money that is held where its caller did not learn so.
OF_UNKNOWN = (
    charges.no_double_charge.name,
    charges.no_orphaned_authorisation.name,
    own_services.no_charge_after_a_decline.name,
)
RULES: dict[str, Rule] = {rule.name: rule for rule in ALL_RULES}
AT_ANY_TIME = frozenset(rule.name for rule in ALL_RULES if rule.is_judged_at(Stage.OPEN))

__all__ = [
    "AT_ANY_TIME",
    "OF_UNKNOWN",
    "RULES",
    "Authorisation",
    "Finding",
    "Position",
    "Reconciled",
    "Rule",
    "Stage",
    "StoodIn",
    "authorisations",
    "of_order",
]
