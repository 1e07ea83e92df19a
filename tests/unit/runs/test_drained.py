"""A drain that takes too long names the waits to shorten, of what was still done then."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from paychain.model.review.remedy import dotted
from paychain.runs.drained import drained_sooner
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
    found = drained_sooner(checked(CHAIN), 4.0, last_s)
    edits = [f"{dotted(edit.path)}: {edit.written}" for _, edit in found]
    assert edits == [f"links.{each}" for each in expected]
