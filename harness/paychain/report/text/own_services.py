"""What own services really did, in lines: their requests, their policy, and whose they were."""

from __future__ import annotations

from paychain.analysis.measures.own_policies import PolicyLine
from paychain.analysis.measures.own_services import ObservedCall
from paychain.declaration.quantity import count
from paychain.report.result import Result

MAX_NOT_SERVED = 5  # that are named of one link
KEEP_THE_KEY = (
    "a repeat that does not have the key of the first request may charge again: keep one key for "
    "each try to pay an order until its outcome is known"
)
HOLDS = {True: "✓", False: "✕", None: "–"}
HOLDS_WORDS = {True: "✓ yes", False: "✕ no", None: "– not judged"}


def own_service_lines(result: Result) -> list[str]:
    """Claimed beside observed, then what the SDK did at each link; empty in a chain of mocks."""
    found = result.own_services
    lines = [_policy(line) for line in found.policies]
    for call in found.calls:
        lines.append(f"{call.service} → {call.link}: {', '.join(sdk_words(call))}")
        lines.append(f"  {attribution_words(call)}")
        if call.repeats_new_key or call.repeats_without_key:
            lines.append(f"  {KEEP_THE_KEY}")
    return lines


def _policy(line: PolicyLine) -> str:
    claimed = f"claimed {line.claimed}; " if line.claimed else ""
    return f"{HOLDS[line.holds]} {line.call} {line.what}: {claimed}observed {line.observed}"


def sdk_words(call: ObservedCall) -> list[str]:
    """What the service and its SDK asked of one link."""
    words = [count(call.requests, "request")]
    if call.per_payment is not None:
        words.append(
            f"{call.per_payment:.2f} that move money per payment, at most {call.most_per_payment}"
        )
    if call.money_requests:
        words.append(f"{call.keyed / call.money_requests:.0%} with an idempotency key")
    repeats = {
        "with the same key": call.repeats_same_key,
        "with a new key": call.repeats_new_key,
        "without a key": call.repeats_without_key,
    }
    words += [f"{count(n, 'repeat')} {how}" for how, n in repeats.items() if n]
    if call.connections:
        words.append(f"{call.requests / call.connections:.1f} requests per connection")
    if call.unanswered:
        words.append(f"{call.unanswered:,} without an answer")
    if call.refused:
        words.append(f"{call.refused:,} inferred as refused")
    if call.unreadable:
        reason = f" ({call.unreadable_as})" if call.unreadable_as else ""
        words.append(f"{count(call.unreadable, 'connection')} could not be read{reason}")
    if call.ignored:
        words.append(f"parameters without effect on the mock: {', '.join(call.ignored)}")
    if call.not_served:
        listed = [f"{what} ({n:,})" for what, n in call.not_served.items()]
        more = len(listed) - MAX_NOT_SERVED
        shown = ", ".join(listed[:MAX_NOT_SERVED]) + (f" and {more} more" if more > 0 else "")
        words.append(f"the mock does not have {shown}")
    return words


def attribution_words(call: ObservedCall) -> str:
    """By what requests were attributed to payments, and whose view there is."""
    ways = [f"{n:,} by {way}" for way, n in call.attributed.items()]
    if call.unattributed:
        named = f" ({call.examples[0]}, …)" if call.examples else ""
        ways.append(f"{call.unattributed:,} of no payment{named}")
    seen = f"; seen by {call.seen_by}" if call.seen_by else ""
    return f"attributed: {', '.join(ways) or 'nothing'}{seen}"
