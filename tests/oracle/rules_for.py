"""Which rules must name a payment for what is wrong with it in the world."""

from __future__ import annotations

ANY_RULE = ("any rule",)
# Which rules may name a payment for what is wrong with it in the world, and whether the amounts of
# the first rule must be the world's.
RULES_FOR: dict[str, tuple[tuple[str, ...], bool]] = {
    "charged twice": (("no_double_charge",), True),
    "orphaned": (("no_orphaned_authorisation",), True),
    "approved without a cent": (
        ("no_approval_without_money", "stand_in_advised", "authorisations_settled"),
        True,
    ),
    "approved in part without a cent": (
        # The card is held for a smaller attempt that the merchant does not know, or for less than
        # a link in front of the bank has stored; or the page shows more than everybody has booked.
        (
            "no_approval_without_money",
            "books_agree",
            "amounts_equal",
            "customer_saw_the_amount",
            # One of two means was approved in its bank's place.
            "stand_in_advised",
        ),
        True,
    ),
    "approved and undone": (
        # One gateway cancelled it, and another sold it alone and could tell nobody.
        ("no_approval_without_money", "books_agree", "stand_in_advised"),
        True,
    ),
    "held another amount": (("amounts_equal",), False),
    "in another currency": (("amounts_equal",), False),
    "somebody else's account": (("parties_kept",), False),
    # A sale that is held twice holds more than its customer saw: that is the double charge, or
    # a second hold of one authorisation.
    "shown another amount": (
        ("customer_saw_the_amount", "amounts_equal", "no_double_charge", "booked_once"),
        False,
    ),
    "captured beyond the hold": (("captured_within_authorised",), True),
    "refunded beyond the capture": (("refunded_within_captured",), True),
    "released beyond the hold": (("released_what_is_held",), True),
    "credited otherwise than debited": (
        (
            "money_conserved",
            # The rule counts every item once: a repeat that is booked again is that rule's finding.
            "repeats_without_effect",
            # Nothing can be debited for what no issuer has approved.
            "no_approval_without_money",
            "stand_in_advised",
            # Nor does a card get refunds of what no issuer knows.
            "refunded_within_captured",
        ),
        False,
    ),
    "collected otherwise than debited": (
        (
            "money_conserved",
            # The rule counts every item once: a repeat that is booked again is that rule's finding.
            "repeats_without_effect",
            # Nothing can be debited for what no issuer has approved.
            "no_approval_without_money",
            "stand_in_advised",
            # The gateway has the sale under a name that nobody else has, as it was answered.
            "books_agree",
            # Where its customer saw no approval, the books are no second finding.
            "no_orphaned_authorisation",
            # Its gateway's book has what was captured under the trace number of two payments: what
            # was refunded of this one was never captured, or its own capture was refused.
            "refunded_within_captured",
            "completed",
            # Of what is charged twice no books are compared.
            "no_double_charge",
        ),
        False,
    ),
    "held again under one name": (
        # What a card holds twice of an authorisation, or for nobody, is that finding alone. So is
        # what it does not hold: a bank that answers a repeat after a reversal books nothing.
        (
            "booked_once",
            "no_double_charge",
            "no_orphaned_authorisation",
            "no_approval_without_money",
        ),
        False,
    ),
    "taken or given twice": (
        # The books count every item once: to them another one is missing where one came twice.
        ("repeats_without_effect", "money_conserved"),
        False,
    ),
    "books differ": (ANY_RULE, False),
    "never collected": (
        # Who acknowledged the capture had not made it: the merchant believes that it has the money,
        # maybe by a sale that nobody else knows.
        ("authorisations_settled", "completed", "money_conserved", "books_agree"),
        False,
    ),
    "nothing to collect": (
        (
            "no_approval_without_money",
            "completed",
            "authorisations_settled",
            "stand_in_advised",
            "books_agree",
            # The merchant was credited by another attempt than the one that it sold.
            "money_conserved",
            # It sold this under the name of another payment, and nobody sold what the card holds.
            "no_orphaned_authorisation",
        ),
        False,
    ),
    "collected in part": (
        # To a gateway that shares keys, the answer to another one's capture is that of its own.
        # What was captured twice has used up what was left to capture.
        (
            "authorisations_settled",
            "completed",
            "money_conserved",
            "repeats_without_effect",
            # The card holds a tenth of it: all that was held of it was taken.
            "amounts_equal",
        ),
        False,
    ),
    "left on hold": (
        (
            "no_orphaned_authorisation",
            "no_double_charge",
            # More may be captured yet, or what was captured twice has used up the final capture.
            "authorisations_settled",
            "completed",
            "repeats_without_effect",
            # A second delivery is held, and what was captured and given back is the first one's.
            "books_agree",
            # Of parts with wrong decimals the last one may be more than what is left of the hold.
            "amounts_equal",
        ),
        False,
    ),
    "never refunded": (
        # One of several refunds is not in the bank's book, or a repeat has used it up.
        ("authorisations_settled", "completed", "money_conserved", "repeats_without_effect"),
        False,
    ),
    "never released": (
        # Two holds of one sale, of which a cancel frees one, are a double charge or an orphan.
        # Under one name they are booked twice.
        # Books with wrong decimals are not compared any further.
        (
            "authorisations_settled",
            "books_agree",
            "amounts_equal",
            "released_what_is_held",
            "no_double_charge",
            "no_orphaned_authorisation",
            "booked_once",
        ),
        False,
    ),
    "undone and never given back": (
        # The order may have been paid by this alone, or by another attempt as well.
        ("completed", "authorisations_settled", "no_double_charge", "books_agree"),
        False,
    ),
    "nobody's payment": (("no_phantom_movement",), True),
}
# A rule about something else answers for a wrong only where the world has that, too, and no less of
# it: what is wrong besides must be named by a rule of its own.
ONLY_BESIDE: dict[tuple[str, str], tuple[str, ...]] = {
    ("collected otherwise than debited", "no_double_charge"): ("charged twice",),
    ("never collected", "books_agree"): ("collected otherwise than debited",),
    ("held again under one name", "no_approval_without_money"): (
        "approved without a cent",
        "approved and undone",
        # One of several means.
        "approved in part without a cent",
    ),
    ("never released", "booked_once"): ("held again under one name",),
    ("left on hold", "amounts_equal"): ("held another amount",),
}
# Of these no amount is compared: what no bank holds has the amounts that links in front of it
# believe in, which may be those of other payments, and what its merchant alone has captured it may
# have given back in part.
OF_ANY_AMOUNT = frozenset(
    {
        ("held again under one name", "no_approval_without_money"),
        ("never collected", "books_agree"),
    }
)
# Of these no amount is wrong in a book: what they name says nothing of books that differ.
WITHOUT_MONEY = frozenset(
    {
        "asks_within_limits",
        "no_authorisation_after_failed_authentication",
        "retry_limits_kept",
        "stand_in_within_limits",
        "unknowns_resolved",
    }
)
# Rules about how links behave: what they name need not be wrong on any account in the end.
ABOUT_CONDUCT = frozenset(
    {
        "asks_within_limits",
        "authorisations_settled",
        "no_authorisation_after_failed_authentication",
        "repeats_without_effect",
        "retry_limits_kept",
        "stand_in_advised",
        # A link that forgets with a crash how often it stood in goes beyond its limit.
        "stand_in_within_limits",
        "unknowns_resolved",
    }
)
