"""What the code of an own service should do so that a broken money rule holds.

No key of a chain brings that about: the declaration says how to start the service, and what it
claims. So the remedy names the line of the service, and says what to change there.
"""

from __future__ import annotations

from paychain.advice.case import Case
from paychain.analysis.measures.measures import MoneyRule
from paychain.model.review.remedy import Edit, Remedy
from paychain.model.roles import ROLES

_SETTLE = (
    "repeat a capture, refund or cancel without a clear answer, or with one about another payment, "
    "under its first key until the provider confirms it, and look for those that are due when it "
    "starts"
)
_CLEAR_UP = (
    "ask what became of a request without a clear answer, or cancel it until that is confirmed, "
    "before anything else is charged and before the customer sees an outcome"
)
_MINOR_UNITS = "ask for, record and show the order's amount, in minor units of its currency"
# By rule. What is not here is about the books and fallbacks of mocks, which no code of a user has.
IN_CODE: dict[str, str] = {
    "no_double_charge": f"know an order by its number; {_CLEAR_UP}",
    "no_orphaned_authorisation": f"{_CLEAR_UP}; capture all of what is held, each part under a key "
    "of its own, or release the rest",
    "no_charge_after_a_decline": _CLEAR_UP,
    "unknowns_resolved": _CLEAR_UP,
    "no_phantom_movement": "ask for money only for a customer's order, in the order's name",
    "no_approval_without_money": "call an order approved only after a provider has approved it",
    "customer_saw_the_amount": _MINOR_UNITS,
    "amounts_equal": _MINOR_UNITS,
    "captured_within_authorised": "capture at most what is held, and one capture at a time",
    "refunded_within_captured": "refund at most what is captured, and one refund at a time",
    "released_what_is_held": "cancel once, and only what is still held",
    "money_conserved": _SETTLE,
    "parties_kept": "charge the card that the customer gave, for the merchant of the order",
    "repeats_without_effect": "send a repeat under the idempotency key of the first request",
    "authorisations_settled": _SETTLE,
    "completed": "capture while the hold lasts, and refund what was captured",
    "retry_limits_kept": "present no card again after a decline that its scheme does not let retry",
    "no_authorisation_after_failed_authentication": "authorise only what was authenticated, or "
    "attempted; after a failed authentication decline, or authenticate again",
    "closed_calls_stay_closed": "authorise only after the calls that must come first have answered",
    "paid_orders_have_money": "call an order paid only once a provider has confirmed it, in an "
    "answer or a signed webhook, and no longer once all of it is refunded",
    "money_has_its_order": "call an order paid when its money is held, whatever reports that: "
    "answer, webhook or query; cancel what belongs to no paid order",
    "paid_orders_have_the_amount": "record the amount that the provider has confirmed, in minor "
    "units",
    "no_order_lost_with_its_webhook": "ask the provider about an order for which no webhook has "
    "come in time, and answer 2xx only once a webhook is stored",
    "no_forged_webhook_acted_on": "verify the signature over the bytes of a webhook before "
    "anything else, and refuse it when that fails",
    "one_key_for_one_payment": "make the idempotency key of what is unique to a payment, such as "
    "its id, and for a capture or refund of that one's own number; never of card or amount alone",
}


def changed_code(rule: MoneyRule, case: Case, found: list[Remedy]) -> list[Remedy]:
    """Where no key of the chain is to blame, the code of own services that take payments is."""
    if found or rule.rule in case.not_of_code:
        return found
    return remedies_in_code(rule.rule, case)


def remedies_in_code(rule: str, case: Case) -> list[Remedy]:
    """What each own service that takes payments should do; [] without any, or for other rules.

    Beside the payments, such as one that screens them, no code moves money.
    """
    sentence = IN_CODE.get(rule)
    if sentence is None:
        return []
    chain = case.chain.model
    own = chain.own_services()
    taking = [name for name in own if ROLES[chain.links[name].role].party == "merchant"]
    return [
        case.remedy(Edit(("links", name, "service"), sentence, "code"), of=rule, at=name)
        for name in taking
    ]
