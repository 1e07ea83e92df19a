"""A drain that takes too long names the waits to shorten, of what was still done then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from paychain.advice.drained import shorter_waits
from paychain.declaration.quantity import duration_seconds
from paychain.model.review.remedy import dotted
from tests.support.chains import checked

CHAIN = """\
chain: shop
entry: gateway
links:
  gateway:
    role: gateway
    captures: {after: 2s, parts: 2}
    refunds: {share: 50%, after: 3s, times: 2, gap: 100ms}
    calls:
      authorise:
        to: processor
        on_unknown: query
        reversal: {max_backoff: 8s}
        query: {pause: 5s}
        fallback: [{queue: {pause: 6s}}]
  processor:
    role: processor
    webhooks: {to: gateway, max_backoff: 9s}
    calls: {authorise: {to: issuer, on_unknown: reverse}}
  issuer: {role: issuer}
"""
AUTHORISE = "gateway.calls.authorise"


@pytest.mark.parametrize(
    ("last_s", "expected"),
    [
        (
            {"gateway capture": 4.0},
            ["gateway.captures.after: 500ms", f"{AUTHORISE}.reversal.max_backoff: 1s"],
        ),
        (
            {"gateway refund": 4.0},
            ["gateway.refunds.after: 1s", f"{AUTHORISE}.reversal.max_backoff: 1s"],
        ),
        ({"processor notify": 6.0}, ["processor.webhooks.max_backoff: 1s"]),
        ({"processor void": 6.0}, ["processor.calls.authorise.reversal.max_backoff: 1s"]),
        ({"gateway query": 6.0}, [f"{AUTHORISE}.query.pause: 1s"]),
        ({"gateway authorise": 6.0}, [f"{AUTHORISE}.fallback[0].queue.pause: 1s"]),
        # Done in time, and a link that waits for nothing.
        ({"gateway capture": 2.0, "issuer dispute": 9.0}, []),
    ],
)
def test_what_was_done_after_the_limit_has_to_wait_for_less(
    last_s: Mapping[str, float], expected: list[str]
) -> None:
    found = shorter_waits(checked(CHAIN), 4.0, last_s)
    edits = [f"{dotted(edit.path)}: {edit.written}" for _, edit in found]
    assert edits == [f"links.{each}" for each in expected]


# Pauses that begin longer than some limits permit, and as long as they may become.
PAUSES = ["250ms, max_backoff: 8s", "3s, max_backoff: 8s", "1050ms, max_backoff: 1050ms"]
DONE = ("capture", "refund", "notify", "void", "query", "authorise")
LIMITS_S = (0.0, 1e-6, 0.5, 4.0, 4.17, 30.0)


@pytest.mark.parametrize("pauses", PAUSES)
def test_the_chain_is_valid_after_each_change_and_after_all_and_waits_for_less(pauses: str) -> None:
    text = CHAIN.replace("max_backoff: 8s", f"backoff: {pauses}")
    chain, last_s = checked(text), {f"gateway {done}": 99.0 for done in DONE}
    last_s |= {f"processor {done}": 99.0 for done in DONE}
    for limit_s in LIMITS_S:
        edits = {edit for _, edit in shorter_waits(chain, limit_s, last_s)}
        assert edits
        for some in (edits, *({edit} for edit in edits)):
            changed = yaml.safe_load(text)
            for edit in some:
                *parents, key = edit.path
                holder: Any = changed
                for step in parents:
                    holder = (
                        holder.setdefault(step, {}) if isinstance(holder, dict) else holder[step]
                    )
                if key in holder:
                    assert duration_seconds(edit.value) < duration_seconds(holder[key])
                holder[key] = edit.value
            checked(yaml.safe_dump(changed))


def test_a_pause_becomes_no_shorter_than_the_first_one_unless_that_does() -> None:
    chain = checked(CHAIN.replace("max_backoff: 8s", "backoff: 3s, max_backoff: 8s"))
    found = shorter_waits(chain, 4.0, {"gateway void": 6.0})
    assert [f"{dotted(edit.path)}: {edit.written}" for _, edit in found] == [
        f"links.{AUTHORISE}.reversal.max_backoff: 3s",
        f"links.{AUTHORISE}.reversal.backoff: 1s",
    ]
