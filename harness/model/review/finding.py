"""What a static review finds, and why each kind of finding matters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from harness.model.text import KeyPath

Kind = Literal[
    "timeout_inversion", "deadline_too_short", "amplified_retries", "failover_on_unknown",
    "retry_without_key", "reversal_behind_breaker", "call_without_policy", "single_link",
    "single_provider", "shared_provider",
]  # fmt: skip


class ReviewFinding(msgspec.Struct, frozen=True):
    """One thing that a chain's declaration already says about how it will fail."""

    kind: Kind
    place: str  # file:line:column
    subject: str  # `gateway.authorise`, `link scheme`, `provider cloudflare`
    what: str
    why: str
    source: str
    mend: str


@dataclass(frozen=True)
class Found:
    """A finding whose place is still a key path."""

    kind: Kind
    path: KeyPath
    subject: str
    what: str
    mend: str


# Why it matters, in one sentence, and where that is known from.
WHY: dict[Kind, tuple[str, str]] = {
    "timeout_inversion": (
        "A caller that gives up first does not know that the payment is approved after all.",
        "jPOS message flow: no answer to 0100 is followed by a reversal, not by a failure",
    ),
    "deadline_too_short": (
        "The customer is told nothing while the chain still works, and pays again.",
        "Visa Europe 2018-06-01: cardholders' repeats about doubled the failures counted",
    ),
    "amplified_retries": (
        "Retries of several links multiply, and their storm hits a link that just came back.",
        "Infura 2020-11-11: the retry storm came after the fix; UPI 2025-04-12: status checks",
    ),
    "failover_on_unknown": (
        "The first target may have charged, and no idempotency key reaches across providers, so "
        "the customer is charged twice.",
        "shown by: paychain run card-gives-up processor-lost-answers",
    ),
    "retry_without_key": (
        "A repeat of a request that was worked on but not answered moves the money again.",
        "Stripe and Checkout.com, idempotent requests: what was not stored is executed again",
    ),
    "reversal_behind_breaker": (
        "Unanswered charges open the breaker, and it then refuses the reversals that would undo "
        "them.",
        "found by fault search: two lost answers are enough",
    ),
    "call_without_policy": (
        "Every failure of the callee, however short, is a failed payment.",
        "DORA, Regulation (EU) 2022/2554, Art. 11(5): redundancy of interdependent services",
    ),
    "single_link": (
        "No payment goes through while this link is gone, whatever the others do.",
        "DORA, Regulation (EU) 2022/2554, Art. 10(1): material single points of failure",
    ),
    "single_provider": (
        "All links of a provider fail together, and no payment goes round them.",
        "AWS 2025-10-20 (aws.amazon.com/message/101925); DORA Art. 10(1)",
    ),
    "shared_provider": (
        "The fallback fails together with what it should stand in for.",
        "Worldline Italy 2024-11-28: one carrier's cut took both ways; DORA Art. 29(1)",
    ),
}
