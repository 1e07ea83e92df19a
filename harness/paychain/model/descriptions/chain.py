"""What each key of a chain is for: links, providers, what they do with a payment."""

from __future__ import annotations

CHAIN: dict[str, dict[str, str]] = {
    "Chain": {
        "codes": "Response codes used by its acquirers, and their meaning.",
        "chain": "The chain's name, as in `paychain run NAME`.",
        "title": "A short title for reports.",
        "currency": "ISO 4217 code of every amount in this file and of every payment, or an asset "
        "that moves on a ledger: USDC, USDT, EURC, ETH, TON, BTC.",
        "deadline": "How long the customer waits for a final answer.",
        "settles_within": "How long a real run waits after the load for payments still in "
        "progress.",
        "propagate_deadline": "Every call passes on the time left until the deadline, and no link "
        "works past it; a call may override this.",
        "allow": "Addresses or networks outside loopback that the chain may use.",
        "customer": "What customers do without an answer.",
        "hosts": "Other machines, by name, that run some of the links.",
        "providers": "Those who run or carry links, by name; links of one provider fail together.",
        "accepts": "Review findings that were accepted on purpose.",
        "entry": "The link at which customers pay, or several of them.",
        "links": "Every link of the chain, by name.",
        "nodes": "Many nodes instead of single links: a template, called by `to: nodes`.",
    },
    "Nodes": {
        "count": "Number of operators, each with one node.",
        "zones": "Providers that nodes depend on, each with its share of the nodes.",
        "clients": "Versions of the nodes' client software, each with its share of the nodes: "
        "they count as providers, too.",
        "liars": "Share of the nodes that lie, the same ones in every run.",
        "gateway": "A link in front of all nodes, and its provider; without it, callers ask the "
        "nodes directly.",
        "ask": "Number of nodes that a call asks at once.",
        "agree": "Number of nodes that must agree on a read.",
        "re_pick": "How many further nodes a call asks at most, for those that do not answer.",
        "timeout": "Timeout for one node; default: the call's.",
        "answers_in": "Service time of a node, unless its zone declares another.",
        "calls": "Calls of each node: transfer and read, to a ledger.",
    },
    "Zone": {
        "share": "Share of the nodes.",
        "churn": "Its nodes go offline and come back.",
        "answers_in": "Service time of its nodes.",
    },
    "Churn": {
        "on": "Share of the time that a node is online.",
        "lasts": "Mean time that it stays online.",
    },
    "NodeGateway": {
        "provider": "The provider that runs or carries it.",
        "answers_in": "Service time, without the nodes behind it.",
    },
    "Accepted": {
        "finding": "The kind of finding, as `paychain check` prints it.",
        "at": "The link, provider or call (`gateway.authorise`) it is about.",
        "because": "The reason; shown where the finding would be.",
    },
    "Customer": {
        "retry": "Customers retry a payment that is not answered.",
        "leaves": "Some customers leave without waiting for the answer.",
    },
    "CustomerLeaves": {
        "share": "Share of the payments whose customer leaves.",
        "after": "How long such a customer waits; shorter than the deadline.",
        "returns_after": "How long after leaving the customer returns and checks; default: never.",
    },
    "CustomerRetry": {
        "after": "How long a customer waits before the retry; shorter than the deadline.",
        "key": "The retry's idempotency key: with the same key the payment is sent again, with a "
        "new one the order gets another payment.",
    },
    "Provider": {
        "kind": "Its business: edge and carrier carry traffic to links, the others host them.",
        "title": "The provider's full name, for reports.",
    },
    "Placed": {
        "address": "IPv4 address or host name of the machine.",
        "port": "Port where `paychain up --only` waits for a run.",
        "links": "The links that run there.",
        "engine": "A fault engine on that machine runs the proxies of the hops into its links.",
        "within": "How long a run waits for the machine before it starts.",
    },
    "Link": {
        "capacity": "How many requests it can handle; default: no limit.",
        "duplicates": "Refuses a payment that matches an earlier one, regardless of its key.",
        "exponent": "Number of decimals that it wrongly assumes for every currency.",
        "role": "What the link is; it decides which operations it has.",
        "provider": "The provider that runs or carries it.",
        "title": "The link's full name, for reports.",
        "answers_in": "Service time, without the links behind it.",
        "forwards_to": "The link to which an edge forwards every request, within the deadline.",
        "calls": "Calls that it makes, by operation, each with its policy.",
        "declines": "Business declines without any fault.",
        "dialect": "The API or protocol in which it is called.",
        "idempotency": "How it handles a repeated key: a provider's model.",
        "isolate": "It runs in its own process, which a crash kills.",
        "outbox": "Where reversals, captures and other pending work are kept until they are "
        "delivered; in memory a crash loses them.",
        "captures": "How the merchant captures approved payments.",
        "cancels": "How many approved payments the merchant cancels.",
        "refunds": "How many captured payments the merchant refunds.",
        "accepts_partial": "The merchant accepts approvals for a part of the amount.",
        "reauthentications": "How often a soft decline leads to a new authentication.",
        "deduplicates": "A duplicate webhook has no effect.",
        "webhooks": "Webhooks that it sends to a gateway.",
        "expires_after": "How long it holds an authorisation that is not captured.",
        "partial_approvals": "How many payments the issuer approves only in part.",
        "soft_declines": "How many payments the issuer requires to be authenticated first.",
        "outcomes": "How 3-D Secure ends, as shares of payments.",
        "challenge": "How cardholders respond to a challenge.",
        "churn": "The node goes offline and comes back; offline it does not answer.",
        "lies": "The node does not forward transfers, and reports each as final.",
    },
    "BusinessDeclines": {
        "share": "Share of payments, drawn at random for each.",
        "code": "Response code, ISO 8583: 51 is insufficient funds.",
    },
    "ServiceTime": {
        "median": "Half of the requests are faster than this.",
        "p99": "99 of 100 requests are faster than this; at least the median.",
    },
    "Idempotency": {
        "model": "The provider whose rules it follows; none: repeats are executed again.",
        "window": "How long a key is known; default: the provider's time.",
    },
    "Webhooks": {
        "clock_skew": "How far the receiver's clock is ahead of the sender's.",
        "max_age": "The receiver rejects older signatures, by its clock.",
        "to": "The gateway that receives them.",
        "delay": "Delay of each after the outcome.",
        "duplicates": "Share of webhooks that are sent twice.",
        "bad_signatures": "Share of attempts signed with a wrong secret.",
        "timeout": "How long the sender waits for an acknowledgement.",
        "backoff": "Pause before the first retry; it doubles up to max_backoff.",
        "max_backoff": "The longest pause between retries.",
        "give_up_after": "How long a webhook is retried before it is given up.",
    },
    "Captures": {
        "after": "Delay before the first part, and between parts.",
        "share": "Share of the approved payments that are captured.",
        "of": "How much of the authorised amount is captured.",
        "parts": "Number of equal parts; the last one releases the rest.",
        "on": "What triggers the capture: the answer, or the processor's webhook.",
    },
    "Cancels": {
        "share": "Share of the approved payments that are cancelled instead of captured.",
        "after": "Delay after the approval.",
    },
    "Refunds": {
        "share": "Share of the captured payments that are refunded.",
        "after": "Delay after the last capture.",
        "of": "How much of the captured amount is refunded.",
    },
    "PartialApprovals": {
        "share": "Share of payments that are approved in part (code 10).",
        "of": "How much of the amount is approved.",
    },
    "SoftDeclines": {"share": "Share of payments that are declined until they are authenticated."},
    "Authentications": {
        "challenge": "Share that is challenged; the rest is frictionless.",
        "attempted": "Share that the scheme answers for an issuer that does not authenticate (A).",
        "unavailable": "Share that cannot be authenticated (U): the call's fallback decides.",
        "failed": "Share that is not authenticated (N, R) and never authorised.",
    },
    "Challenge": {
        "answers_in": "How long a cardholder takes to answer.",
        "fails": "Share of challenges that fail.",
    },
    "Capacity": {
        "concurrency": "Requests handled at the same time.",
        "queue": "Requests that may wait, oldest first; any more are refused.",
    },
    "Duplicates": {
        "by": "Values that must match: card, amount, merchant.",
        "within": "How long a payment is remembered.",
        "code": "Response code of the refusal.",
    },
    "OwnCode": {
        "class": "technical: the chain's health; business: the card or the customer.",
        "meaning": "Its meaning, for reports.",
        "retry": "Whether the same request may be sent again; never: in no retry.",
    },
}
