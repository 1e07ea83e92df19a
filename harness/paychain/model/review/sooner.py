"""How long a link may take while those before it wait, and the timeout that keeps it to that."""

from __future__ import annotations

from paychain.declaration.quantity import duration_seconds
from paychain.model.chain import Chain
from paychain.model.policy import Call
from paychain.model.review.paths import (
    calls_in_payment,
    exceeds,
    longest_wait_s,
    longest_work_s,
    typical_work_s,
)
from paychain.model.review.remedy import Edit, duration_within


def patience(chain: Chain) -> dict[str, float]:
    """How long the customer and every link before it wait for a link's answer, of each link.

    What an own service does not claim is unknown, and limits nothing.
    """
    callers: dict[str, list[tuple[str, float]]] = {}
    for caller in chain.links:
        for call in calls_in_payment(chain, caller).values():
            for target in call.targets if call.timeout else ():
                callers.setdefault(target, []).append((caller, call.timeout))
    known: dict[str, float] = {}

    def of(link: str) -> float:
        if link not in known:
            waits_s = (min(wait_s, of(caller)) for caller, wait_s in callers.get(link, ()))
            known[link] = min((chain.deadline, *waits_s))
        return known[link]

    return {link: of(link) for link in chain.links}


def answers_within(chain: Chain, link: str, within_s: float) -> Edit | None:
    """The one timeout with which a link has answered in time, although everything behind it hangs.

    Its own, or of a link that it forwards to. None where no single one is enough, or where answers
    that come as usual would be too late for it.
    """
    calls = calls_in_payment(chain, link)
    waits_s = {name: longest_wait_s(chain, link, name, call) for name, call in calls.items()}
    works_s = longest_work_s(chain, link)
    for name in sorted(waits_s, key=lambda name: -waits_s[name]):
        call, left_s = calls[name], within_s - (works_s - waits_s[name])
        if name not in chain.links[link].calls:  # `forwards_to` has no timeout of its own
            found = answers_within(chain, call.to, left_s)
        else:
            found = _shorter(chain, link, name, call, left_s)
        if found is not None:
            return found
    return None


def _shorter(chain: Chain, link: str, operation: str, call: Call, within_s: float) -> Edit | None:
    """The longest timeout of a call with which no payment waits longer for it."""

    def wait_s(timeout_s: float) -> float:
        changed = call.model_copy(update={"timeout": timeout_s})
        return longest_wait_s(chain, link, operation, changed)

    # Each try takes the timeout; pauses and other limits stay as they are.
    tries = (wait_s(call.timeout) - wait_s(call.timeout / 2)) / (call.timeout / 2)
    if not tries:
        return None
    timeout_s = call.timeout - (wait_s(call.timeout) - within_s) / tries
    if timeout_s <= 0:
        return None
    written = duration_within(timeout_s)
    timeout_s = duration_seconds(written)
    needed_s = max(
        call.connect_timeout or 0.0,
        call.hedge.after if call.hedge is not None else 0.0,
        *(typical_work_s(chain, target, "p99") for target in call.targets),
    )
    if not needed_s < timeout_s < call.timeout or exceeds(wait_s(timeout_s), within_s):
        return None
    return Edit(("links", link, "calls", operation, "timeout"), written)
