"""Findings about calls that lose money or payments when they go badly."""

from __future__ import annotations

from collections.abc import Iterator

from harness.model.call_checks import MOVES_MONEY
from harness.model.chain import Chain
from harness.model.fallback import DeclineWith
from harness.model.policy import Call
from harness.model.review.finding import Found

# What makes a link work again on a key it has worked on. Source: domain.md §2.3.
_WORKS_AGAIN_AFTER = {
    "none": frozenset({"reset", "timeout", "http_error", "malformed"}),
    "checkout": frozenset({"http_error"}),
}


def failover_on_unknown(chain: Chain) -> Iterator[Found]:
    """Authorisations that go on elsewhere while the first may stand."""
    for link, operation, call in _calls(chain):
        goes_on = [step for step in call.fallback if not isinstance(step, DeclineWith)]
        if operation != "authorise" or not goes_on or call.on_unknown == "reverse":
            continue
        at = ("links", link, "calls", operation)
        where = f"{link}.{operation}"
        is_declared = "on_unknown" in call.model_fields_set
        what = f"{where} goes on elsewhere after an unknown outcome and leaves the first standing"
        if call.on_unknown in ("query", "resend"):
            what = (
                f"{where} goes on elsewhere when its {call.on_unknown} brings no answer, and "
                "leaves the first standing"
            )
        path = (*at, "on_unknown") if is_declared else (*at, "fallback")
        yield Found("failover_on_unknown", path, where, what, "declare on_unknown: reverse")


def retry_without_key(chain: Chain) -> Iterator[Found]:
    """Repeats of money movements at links that would do the work again."""
    for link, operation, call in _calls(chain):
        if operation not in MOVES_MONEY:
            continue
        tries: set[str] = set()
        if call.retry is not None and call.attempts > 1:
            tries = set(call.retry.on)
        for target in call.targets:
            model = chain.links[target].idempotency.model
            again = _WORKS_AGAIN_AFTER.get(model, frozenset())
            repeats: list[str] = sorted(tries & again)
            key = "retry"
            if not repeats and call.on_unknown == "resend" and model == "none":
                repeats, key = ["an unknown outcome"], "on_unknown"
            if not repeats:
                continue
            where = f"{link}.{operation}"
            how = "has no idempotency keys" if model == "none" else f"({model}) does not store 5xx"
            yield Found(
                "retry_without_key", ("links", link, "calls", operation, key), where,
                f"{where} sends again after {', '.join(repeats)}, and {target} {how}",
                "retry on refused only, reverse what is unknown, or use a keyed link",
            )  # fmt: skip


def reversal_behind_breaker(chain: Chain) -> Iterator[Found]:
    """Reversals that the breaker of the calls they undo may refuse."""
    for link, operation, call in _calls(chain):
        if call.reversal.shares_breaker:
            where = f"{link}.{operation}"
            yield Found(
                "reversal_behind_breaker",
                ("links", link, "calls", operation, "reversal", "shares_breaker"), where,
                f"the reversals of {where} stand behind the breaker of its authorisations",
                "remove shares_breaker, or give reversals a breaker of their own",
            )  # fmt: skip


def call_without_policy(chain: Chain) -> Iterator[Found]:
    """Calls that have a time-out and nothing else."""
    for link, operation, call in _calls(chain):
        if (
            call.retry is not None
            or call.breaker is not None
            or call.bulkhead is not None
            or call.hedge is not None
            or call.fallback
            or call.on_unknown != "give_up"
        ):
            continue
        where = f"{link}.{operation}"
        missing = "retry, breaker, fallback" + (
            " and on_unknown" if operation == "authorise" else ""
        )
        yield Found(
            "call_without_policy", ("links", link, "calls", operation), where,
            f"{where} has a time-out only: no {missing}",
            "declare what happens when it fails, if only decline",
        )  # fmt: skip


def _calls(chain: Chain) -> Iterator[tuple[str, str, Call]]:
    for name, link in chain.links.items():
        for operation, call in link.calls.items():
            yield name, operation, call
