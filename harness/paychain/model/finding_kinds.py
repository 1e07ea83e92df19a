"""Every kind of review finding: what it costs when it happens, why, and who saw it happen."""

from __future__ import annotations

from dataclasses import dataclass

from paychain.model.finding_names import Cost, Kind
from paychain.model.pages import for_readers

__all__ = ["KINDS", "Cost", "Kind", "KindFacts"]


@dataclass(frozen=True)
class KindFacts:
    """What is known of a kind: its cost, why it matters in one sentence, the source of that."""

    costs: Cost
    why: str
    cites: str

    @property
    def source(self) -> str:
        """The source of that, as somebody can open it who has no repository of paychain."""
        return for_readers(self.cites)


# What costs most stands first: findings are shown in this order.
KINDS: dict[Kind, KindFacts] = {
    "failover_on_unknown": KindFacts(
        "money",
        "The first target may have charged the card, and an idempotency key is valid at one "
        "provider only, so the customer can be charged twice.",
        "shown by: paychain run card-gives-up processor-lost-answers",
    ),
    "retry_without_key": KindFacts(
        "money",
        "Repeating a request that was executed but not answered moves the money a second time.",
        "Stripe and Checkout.com, idempotent requests: a result that was not stored is repeated",
    ),
    "queue_without_key": KindFacts(
        "money",
        "A stored request is sent until it is answered; each one that was executed without an "
        "answer moves the money again.",
        "Stripe and Checkout.com, idempotent requests: a result that was not stored is repeated",
    ),
    "customer_retry_without_key": KindFacts(
        "money",
        "The customer's second request is a new payment to a gateway that cannot recognise it.",
        "IETF draft-ietf-httpapi-idempotency-key-header §2: POST is not idempotent by itself",
    ),
    "no_idempotency": KindFacts(
        "money",
        "HTTP libraries and proxies send a request again after a reset, although nobody declared "
        "a retry; the link executes it twice.",
        "RFC 9110 §9.2.2: automatic retries of methods that are not idempotent",
    ),
    "trace_used_twice": KindFacts(
        "money",
        "The second of two payments with one trace number gets the answer to the first, and no "
        "money is held for it.",
        "shown by: paychain run card-trace-wraps stan-wrap",
    ),
    "webhook_not_deduplicated": KindFacts(
        "money",
        "Webhooks are delivered at least once, so each duplicate captures the payment again.",
        "Stripe, webhooks: endpoints may occasionally receive the same event more than once",
    ),
    "captured_twice": KindFacts(
        "money",
        "Return page and webhook arrive within milliseconds, and no link recognises the second "
        "capture as a repeat of the first.",
        "docs/follow-ups.md: return page and webhook both capture",
    ),
    "signed_twice": KindFacts(
        "money",
        "The first transfer may be on its way, and with another nonce both are made; a transfer on "
        "a ledger cannot be undone.",
        "shown by: paychain run stablecoin-payout-new-nonce doge-sent-again",
    ),
    "network_not_checked": KindFacts(
        "money",
        "A node of another network takes the transfer and reports it as final there: the customer "
        "sees a payment, and the payee has nothing.",
        "shown by: paychain run stablecoin-payout-any-network wrong-network",
    ),
    "receipt_not_checked": KindFacts(
        "money",
        "A transfer that a block has as a failed one moved nothing: the customer sees a payment, "
        "and the payee has nothing.",
        "shown by: paychain run stablecoin-payout-any-receipt reverted-transfers",
    ),
    "reserved_late": KindFacts(
        "money",
        "What is on its way is still available: together more is paid out than there is.",
        "shown by: paychain run stablecoin-payout-reserves-late steady",
    ),
    "deposit_known_by_block": KindFacts(
        "money",
        "A reorganisation puts the transfer into another block, and its customer is paid twice.",
        "shown by: paychain run exchange-deposit-by-block deep-reorg",
    ),
    "freed_early": KindFacts(
        "money",
        "A transfer that was signed can still be mined: the same money is paid out, and is "
        "available for the next payout as well.",
        "shown by: paychain run stablecoin-payout-frees-early restored-balances",
    ),
    "credited_early": KindFacts(
        "money",
        "If the block is replaced, the deposit is gone, and by then the customer may have "
        "withdrawn the money.",
        "shown by: paychain run exchange-deposit-one-confirmation deep-reorg",
    ),
    "captured_before_transfer": KindFacts(
        "money",
        "The wallet may decline to send it, and then the customer has paid for nothing.",
        "shown by: paychain run crypto-onramp-captures-first steady",
    ),
    "split_quorum": KindFacts(
        "money",
        "A node that lies is believed whenever it answers first, and money that never arrived is "
        "credited.",
        "ethers' FallbackProvider with two nodes: its default quorum is one (docs/crypto.md)",
    ),
    "one_node_believed": KindFacts(
        "money",
        "A node that lies is believed: transfers that were never made are reported as paid, and "
        "deposits that never arrived are credited.",
        "shown by: paychain run exchange-deposit lying-nodes",
    ),
    "quorum_at_one_provider": KindFacts(
        "money",
        "Whoever controls that provider controls the quorum: its nodes lie together, and nobody "
        "contradicts them.",
        "KelpDAO, 2026-04-18: two replaced nodes deceived a verifier (docs/crypto.md)",
    ),
    "stale_price": KindFacts(
        "money",
        "While a feed is stalled the market moves, and anyone who notices buys at the old price.",
        "Chainlink, data feeds: check updatedAt against the heartbeat (docs.chain.link)",
    ),
    "late_answer_dropped": KindFacts(
        "money",
        "The clearing has settled: the payee has the money, and the payer's bank has paid for it.",
        "shown by: paychain run sepa-instant-late-dropped confirmed-after-ten-seconds",
    ),
    "rejected_credit_kept": KindFacts(
        "money",
        "The payer saw the transfer fail, and the payee has money that nobody paid.",
        "shown by: paychain run sepa-instant-keeps-rejected slow-payee-bank",
    ),
    "returned_again": KindFacts(
        "money",
        "The answer to a recall was lost: the recall comes again, and the payee pays twice.",
        "shown by: paychain run sepa-instant-returns-twice recalls-unanswered",
    ),
    "double_credit_kept": KindFacts(
        "money",
        "A transfer that was credited twice stays so: nobody paid the second credit.",
        "shown by: paychain run upi-payment-double-credit credits-twice",
    ),
    "deemed_believed": KindFacts(
        "money",
        "What was returned turns out to be credited, or what was shown as paid comes back.",
        "shown by: paychain run upi-payment-deemed-failed deemed-transfers",
    ),
    "refunds_unchecked": KindFacts(
        "money",
        "Two refunds at the same moment, or a repeated one, return more than was taken.",
        "docs/domain.md §2.5 (I4): refunds are at most the captures",
    ),
    "capture_beyond_limit": KindFacts(
        "money",
        "A capture beyond what a link permits is refused, so nothing is collected.",
        "docs/follow-ups.md: more than was authorised",
    ),
    "captured_before_delivery": KindFacts(
        "money",
        "A capture that arrives before the stored authorisation is refused: the payment is never "
        "collected.",
        "docs/domain.md §1.3: store-and-forward, declined on upload",
    ),
    "wrong_decimals": KindFacts(
        "money",
        "Every amount is off by a power of ten, and each link trusts its own.",
        "Stripe, zero-decimal currencies (docs.stripe.com/currencies#zero-decimal)",
    ),
    "hold_expires_early": KindFacts(
        "money",
        "A capture after its hold has expired is refused, or made without a guarantee.",
        "docs/domain.md §1.1: an authorisation is valid for a limited time",
    ),
    "memory_outbox": KindFacts(
        "money",
        "A crash loses what is due but not yet delivered, so approved payments are never "
        "collected.",
        "transactional outbox (microservices.io/patterns/data/transactional-outbox.html)",
    ),
    "webhook_not_sent": KindFacts(
        "money",
        "What waits for a webhook that nobody sends is never collected, however well the rest "
        "works: a standby that is rarely needed, or a gift card.",
        "docs/follow-ups.md: return page and webhook both capture",
    ),
    "webhook_refused": KindFacts(
        "money",
        "Nobody acts on a webhook that its receiver rejects as a forgery or a replay, however "
        "often it is sent.",
        "Stripe, webhooks: signatures older than five minutes are refused",
    ),
    "webhook_given_up_early": KindFacts(
        "money",
        "Nobody acts on a webhook that is given up: what waits for it is never collected, and a "
        "merchant who does not learn of a chargeback refunds the payment as well.",
        "Stripe, webhooks: delivery is attempted for up to three days",
    ),
    "charge_back_not_reported": KindFacts(
        "money",
        "A merchant who does not know that the issuer has charged a payment back refunds it as "
        "well.",
        "docs/follow-ups.md: disputes",
    ),
    "queue_given_up_early": KindFacts(
        "money",
        "The customer was shown an approval, and nobody ever takes the money for it.",
        "docs/domain.md §0: stand-in approvals and offline approvals are credit risk",
    ),
    "unlimited_fallback": KindFacts(
        "money",
        "Approving in place of the issuer means paying for what the issuer would have declined.",
        "docs/domain.md §1.7: stand-in is never an automatic approval",
    ),
    "closed_call_skipped": KindFacts(
        "money",
        "Card data that does not go through the vault puts every system that it passes in scope of "
        "PCI DSS, and a payment to a sanctioned person is an offence: no sale is worth either.",
        "docs/third-parties.md: which calls may fail open",
    ),
    "rest_not_released": KindFacts(
        "orphaned",
        "The rest of the hold stays on the cardholder's account until it expires.",
        "docs/follow-ups.md: the rest after the last capture",
    ),
    "tenders_not_compensated": KindFacts(
        "orphaned",
        "The customer's gift card is taken for an order that was never paid.",
        "docs/follow-ups.md: several tenders",
    ),
    "reversal_behind_breaker": KindFacts(
        "orphaned",
        "Unanswered charges open the breaker, which then rejects the reversals that would undo "
        "them.",
        "found by fault search: two lost answers are enough",
    ),
    "reversal_given_up_early": KindFacts(
        "orphaned",
        "A reversal that is given up before the link is back leaves the cardholder's money held.",
        "docs/domain.md §1.4: a reversal is repeated until it is acknowledged",
    ),
    "query_given_up_early": KindFacts(
        "orphaned",
        "A caller that stops asking before the link is back never learns what became of the "
        "payment.",
        "docs/domain.md §1.8: few status checks, with pauses that outlast an outage",
    ),
    "unknown_left_open": KindFacts(
        "orphaned",
        "A timeout is not a failure: the authorisation may be held although the payment failed.",
        "jPOS message flow: no answer to 0100 is followed by a reversal, not by a failure",
    ),
    "query_not_offered": KindFacts(
        "orphaned",
        "A query that the provider does not offer resolves nothing: the authorisation may be held "
        "although the payment failed.",
        "CheckoutService-v72.json of Adyen/adyen-openapi: no operation reads a payment",
    ),
    "timeout_inversion": KindFacts(
        "orphaned",
        "A caller that gives up first does not learn that the payment was approved after all.",
        "jPOS message flow: no answer to 0100 is followed by a reversal, not by a failure",
    ),
    "deadline_too_short": KindFacts(
        "orphaned",
        "The customer gives up while the chain is still working, and may pay again.",
        "Visa Europe 2018-06-01: cardholders' repeats about doubled the failures counted",
    ),
    "rail_limit_missed": KindFacts(
        "orphaned",
        "Each limit leaves time for the next one: otherwise the banks end with different outcomes, "
        "or the payer's money is held for too long or released too soon.",
        "docs/bank-transfers.md: time limits, with the source of each rail's",
    ),
    "dialect_not_declared": KindFacts(
        "availability",
        "No provider's SDK understands that JSON. Declare the provider's API (dialect: stripe, "
        "adyen, …), or dialect: paychain where the service's own code speaks it.",
        "docs/own-services.md: declaring and starting a service",
    ),
    "breaker_cannot_open": KindFacts(
        "availability",
        "Every call goes to the dead target first: the breaker never has enough calls to judge.",
        "resilience4j, CircuitBreaker: minimumNumberOfCalls before a rate is calculated",
    ),
    "fault_without_traffic": KindFacts(
        "availability",
        "A fault that affects no request proves nothing about the chain.",
        "docs/measures.md: a fault that touched nothing is not a pass",
    ),
    "hedge_too_early": KindFacts(
        "availability",
        "More than half of all calls are sent twice, on a day when nothing is wrong.",
        "Dean, Barroso: The Tail at Scale, CACM 56(2): hedge after the 95th percentile",
    ),
    "amplified_retries": KindFacts(
        "availability",
        "Retries of several links multiply, and the storm hits a link that has just recovered.",
        "Infura 2020-11-11: the retry storm came after the fix; UPI 2025-04-12: status checks",
    ),
    "retries_without_budget": KindFacts(
        "availability",
        "Refused and late requests are sent again, so a link at its capacity gets even more of "
        "them, and stays overloaded when the cause is gone.",
        "Google, Site Reliability Engineering, ch. 21 (sre.google/sre-book/handling-overload): "
        "a retry budget of 10 %",
    ),
    "shared_pool": KindFacts(
        "availability",
        "A scheme that hangs holds all places of the pool, and payments of healthy schemes are "
        "turned away.",
        "shown by: paychain run card-one-pool discover-2023-02-06",
    ),
    "checks_without_limit": KindFacts(
        "availability",
        "The slower a link answers, the more status checks it gets, and payments wait behind them "
        "when the cause is gone.",
        "shown by: paychain run status-checks-storm upi-2025-04-12",
    ),
    "query_too_early": KindFacts(
        "availability",
        "A query before the time for the outcome is over adds load when a rail is slow, and learns "
        "nothing.",
        "docs/domain.md §1.8: few status checks, the first one after a wait",
    ),
    "query_too_often": KindFacts(
        "availability",
        "Status checks beyond the rail's number keep it down when it is slow, and it may shut out "
        "whoever sends them.",
        "shown by: paychain run status-checks-storm upi-2025-04-12",
    ),
    "lookups_used_up": KindFacts(
        "availability",
        "Tries of payments that fail use up lookups that only approved payments bring back; once "
        "none are left, further tries keep it that way.",
        "shown by: paychain run pix-lookups-retried dict-lockout",
    ),
    "call_without_policy": KindFacts(
        "availability",
        "Every failure of the callee, however short, becomes a failed payment.",
        "DORA, Regulation (EU) 2022/2554, Art. 11(5): redundancy of interdependent services",
    ),
    "third_party_in_the_way": KindFacts(
        "availability",
        "Payments wait for this third party, so it stops sales however little it matters to them.",
        "Cloudflare 2025-11-18: checkouts whose challenge did not load (docs/third-parties.md)",
    ),
    "authentication_not_portable": KindFacts(
        "availability",
        "Elsewhere the payment counts as not authenticated: it is soft-declined, or approved at "
        "the merchant's risk.",
        "docs/follow-ups.md: an authentication that is valid at one processor only",
    ),
    "quorum_lost_with_provider": KindFacts(
        "availability",
        "While that provider is away nothing is believed: no transfer counts as final, and no "
        "deposit is credited.",
        "AWS 2025-10-20 (aws.amazon.com/message/101925): many node providers failed together",
    ),
    "shared_provider": KindFacts(
        "availability",
        "The fallback fails together with the target that it replaces.",
        "Worldline Italy 2024-11-28: one carrier's cut took down both routes; DORA Art. 29(1)",
    ),
    "single_link": KindFacts(
        "availability",
        "While this link is down no payment succeeds, whatever the other links do.",
        "DORA, Regulation (EU) 2022/2554, Art. 10(1): material single points of failure",
    ),
    "single_provider": KindFacts(
        "availability",
        "All links of a provider fail together, and no payment can avoid them.",
        "AWS 2025-10-20 (aws.amazon.com/message/101925); DORA Art. 10(1)",
    ),
}
