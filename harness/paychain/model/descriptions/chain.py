"""What each key of a chain is for: links, providers, what they do with a payment."""

from __future__ import annotations

CHAIN: dict[str, dict[str, str]] = {
    "Chain": {
        "codes": "Response codes of its acquirers, and what they mean.",
        "chain": "The chain's name; also what `paychain run NAME` calls it.",
        "title": "The chain in a few words, for reports.",
        "currency": "ISO 4217 code of every amount in this file and of every payment, or an asset "
        "that moves on a ledger: USDC, USDT, EURC, ETH, TON, BTC.",
        "deadline": "How long the customer waits for a final answer.",
        "settles_within": "How long after the load a real run waits until nothing is in progress "
        "any more.",
        "propagate_deadline": "Every call passes on how much of the deadline is left, and no link "
        "works past it; a call may say otherwise.",
        "allow": "Addresses or networks outside loopback that the chain may use.",
        "customer": "What customers do when no answer comes.",
        "hosts": "Other machines, by name, that run some of the links.",
        "providers": "Who runs or carries links, by name; links of one provider fail together.",
        "accepts": "Findings of the review that somebody has decided to live with.",
        "entry": "The link that customers pay at, or several of them.",
        "links": "Every link of the chain, by name.",
        "nodes": "Many nodes in place of single links: a template that calls name by `to: nodes`.",
    },
    "Nodes": {
        "count": "How many operators there are, each with one node.",
        "zones": "The providers that nodes depend on, each with its share of the nodes.",
        "clients": "The versions of client software that nodes run, each with its share of them: "
        "providers, too.",
        "liars": "Share of the nodes that lie; which ones is the same in every run.",
        "gateway": "Who runs or carries one link in front of all nodes; without it, callers ask "
        "the nodes themselves.",
        "ask": "How many nodes a call asks at once.",
        "agree": "How many nodes have to say the same for a read.",
        "re_pick": "How many others a call asks at most, in place of those without an answer.",
        "timeout": "How long one node has to answer; without it, as long as the call.",
        "answers_in": "How long a node works on a request, unless its zone says otherwise.",
        "calls": "The calls that each node makes: transfer and read, to a ledger.",
    },
    "Zone": {
        "share": "Share of the nodes.",
        "churn": "Its nodes leave and come back.",
        "answers_in": "How long its nodes work on a request.",
    },
    "Churn": {
        "on": "Share of the time in which the node is on.",
        "lasts": "How long it is on each time, on average.",
    },
    "NodeGateway": {
        "provider": "Who runs or carries it.",
        "answers_in": "How long it works on a request, without the nodes behind it.",
    },
    "Accepted": {
        "finding": "Kind of the finding, as `paychain check` prints it.",
        "at": "The link, provider or call (`gateway.authorise`) that it is about.",
        "because": "Why it is accepted; shown wherever the finding would be.",
    },
    "Customer": {
        "retry": "Customers send a payment again when no answer comes.",
        "leaves": "Some customers leave without an answer.",
    },
    "CustomerLeaves": {
        "share": "Share of the payments whose customer leaves.",
        "after": "How long such a customer waits for a final answer; shorter than the deadline.",
        "returns_after": "How long after leaving the customer comes back and looks; without it, "
        "never.",
    },
    "CustomerRetry": {
        "after": "How long a customer waits before the next try; shorter than the deadline.",
        "key": "Which idempotency key a repeat has: the same sends the payment again, a new one "
        "makes another payment of the order.",
    },
    "Provider": {
        "kind": "What it does: edge and carrier carry traffic to links, the others host them.",
        "title": "The provider's full name, for reports.",
    },
    "Placed": {
        "address": "IPv4 address or host name of the machine.",
        "port": "Port where `paychain up --only` waits for a run.",
        "links": "The links that run there.",
        "engine": "A fault engine on that machine holds the proxies of the hops into its links.",
        "within": "How long a run waits for the machine before it begins.",
    },
    "Link": {
        "capacity": "What it can carry; without it, it works on any number at once.",
        "duplicates": "Refuses a payment that agrees with an earlier one, whatever its key.",
        "exponent": "Number of decimals that it wrongly assumes for every currency.",
        "role": "What the link is; it decides which operations it has.",
        "provider": "The provider that runs or carries it.",
        "title": "The link's full name, for reports.",
        "answers_in": "How long it works on a request, without the links behind it.",
        "forwards_to": "The link that an edge passes every request on to, within the deadline.",
        "calls": "The calls that it makes, by operation, each with its policy.",
        "declines": "Business declines that happen without any fault.",
        "dialect": "How it speaks on the wire, and how its callers ask it.",
        "idempotency": "What it does with a request whose key it has seen: a provider's model.",
        "isolate": "It runs in a process of its own, which a crash kills.",
        "outbox": "Where reversals, captures and other things due are kept until they are "
        "delivered: memory loses them in a crash.",
        "captures": "How the merchant captures approved payments.",
        "cancels": "How many approved payments the merchant cancels.",
        "refunds": "How many captured payments the merchant refunds.",
        "accepts_partial": "The merchant takes approvals for a part of the amount.",
        "reauthentications": "How often a soft decline is answered by a new authentication.",
        "deduplicates": "A webhook that comes a second time has no effect.",
        "webhooks": "Webhooks that it sends to a gateway.",
        "expires_after": "How long it holds an authorisation that nobody captures.",
        "partial_approvals": "How many payments the issuer approves for a part only.",
        "soft_declines": "How many payments the issuer wants authenticated first.",
        "outcomes": "How 3-D Secure ends, as shares of payments.",
        "challenge": "How cardholders answer a challenge.",
        "churn": "The node leaves and comes back; while it is off it answers nothing.",
        "lies": "The node keeps transfers to itself, and says that each is final.",
    },
    "BusinessDeclines": {
        "share": "Share of payments, drawn per payment.",
        "code": "Response code, ISO 8583: 51 is insufficient funds.",
    },
    "ServiceTime": {
        "median": "Half of the requests are faster than this.",
        "p99": "99 of 100 requests are faster than this; at least the median.",
    },
    "Idempotency": {
        "model": "The provider whose handling of repeats it follows; none executes them again.",
        "window": "How long a key is known; the provider's own time without it.",
    },
    "Webhooks": {
        "clock_skew": "How far the receiver's clock is ahead of the sender's.",
        "max_age": "The receiver refuses signatures that are older by its clock.",
        "to": "The gateway that receives them.",
        "delay": "How long after the outcome each is sent.",
        "duplicates": "Share of webhooks that come twice.",
        "bad_signatures": "Share of tries that are signed with a wrong secret.",
        "timeout": "How long the sender waits for an acknowledgement.",
        "backoff": "Pause before the first repeat; it doubles up to max_backoff.",
        "max_backoff": "The longest pause between repeats.",
        "give_up_after": "How long a webhook is repeated until it is given up.",
    },
    "Captures": {
        "after": "Pause before the first part, and between the parts.",
        "share": "Share of the approved payments that are captured.",
        "of": "How much of the authorised amount is captured.",
        "parts": "In how many equal parts; the last one releases the rest.",
        "on": "What starts the capture: the answer, or the webhook of the processor.",
    },
    "Cancels": {
        "share": "Share of the approved payments that are cancelled instead of captured.",
        "after": "How long after the approval.",
    },
    "Refunds": {
        "share": "Share of the captured payments that are refunded.",
        "after": "How long after the last capture.",
        "of": "How much of the captured amount is refunded.",
    },
    "PartialApprovals": {
        "share": "Share of payments that are approved in part (code 10).",
        "of": "How much of the amount is approved then.",
    },
    "SoftDeclines": {"share": "Share of payments that are declined until they are authenticated."},
    "Authentications": {
        "challenge": "Share that is challenged; the rest is frictionless.",
        "attempted": "Share that the scheme answers for an issuer without authentication (A).",
        "unavailable": "Share that cannot be authenticated (U): the call's fallback decides.",
        "failed": "Share that is not authenticated (N, R) and never authorised.",
    },
    "Challenge": {
        "answers_in": "How long a cardholder takes to answer.",
        "fails": "Share of challenges that fail.",
    },
    "Capacity": {
        "concurrency": "Requests that are worked on at the same time.",
        "queue": "Requests that wait for a place, oldest first; any more are refused.",
    },
    "Duplicates": {
        "by": "The values in which two payments must agree: card, amount, merchant.",
        "within": "How long a payment is remembered.",
        "code": "Response code of the refusal.",
    },
    "OwnCode": {
        "class": "technical: the chain's health; business: the card or the customer.",
        "meaning": "What it says, for the reader.",
        "retry": "Whether the same request may be sent again; never: in no retry.",
    },
}
