"""Policies are declared in YAML, and what cannot work is reported with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.model.loading import FileMistakes, load_chain
from paychain.model.policy import Call

CHAIN = """\
chain: shop
entry: gateway
links:
  gateway:
    role: gateway
    calls:
      screen: {to: d}
      authenticate: {to: e}
      authorise:
        to: a
        timeout: 2s
        POLICY
        fallback: [STEP]
  a: {role: processor, idempotency: none, calls: {authorise: {to: c, fallback: [{to: b}]}}}
  b: {role: issuer}
  c: {role: issuer}
  d: {role: fraud}
  e: {role: authentication}
"""


def load(tmp_path: Path, policy: str = "", step: str = "{to: b}") -> Call:
    path = tmp_path / "shop.yaml"
    path.write_text(CHAIN.replace("POLICY", policy).replace("STEP", step))
    return load_chain(str(path)).model.links["gateway"].calls["authorise"]


def mistakes(tmp_path: Path, policy: str = "", step: str = "{to: b}") -> list[str]:
    with pytest.raises(FileMistakes) as caught:
        load(tmp_path, policy, step)
    return [line.split("shop.yaml:")[1] for line in caught.value.lines]


@pytest.mark.parametrize(
    "policy",
    [
        "propagate_deadline: true",
        "retry: {attempts: 3, backoff: 50ms, max_backoff: 1s, jitter: half, codes: ['19'], "
        "budget: {share: 10%}}",
        "breaker: {consecutive: 5, slow_after: 1s, slow_rate: 80%}",
        "bulkhead: {size: 20, queue: 10, wait: 500ms, per: scheme}",
        "hedge: {after: 300ms, to: b}",
        "on_unknown: query\n        query: {attempts: 2, pause: 1s, timeout: 500ms}",
        "reversal: {repeats: 20/s, breaker: {consecutive: 3}}",
    ],
)
def test_every_policy_can_be_declared(tmp_path: Path, policy: str) -> None:
    load(tmp_path, policy)


@pytest.mark.parametrize(
    "step",
    [
        "{to: b, cards: {schemes: [visa], ranges: [4000-4099, 5555]}}",
        "{split: {b: 3, c: 1}}",
        "{stand_in: {up_to: 50.00, per_card: 2, most: 100}}",
        "{queue: {up_to: 50.00, most: 10, within: 30s, pause: 2s}}",
        "{decline: '91'}",
    ],
)
def test_every_fallback_can_be_declared(tmp_path: Path, step: str) -> None:
    load(tmp_path, step=step)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("breaker: {slow_rate: 80%}", "12:30: no call is slow without slow_after; add slow_after"),
        ("retry: {codes: ['41']}", "12:25: a card declined with 41 must never be tried again"),
        ("retry: {codes: ['58']}", "12:25: 58 declines the same request again; remove it, or"),
        ("retry: {codes: [zz]}", "12:25: unknown response code 'zz'"),
        ("hedge: {after: 3s, to: b}", "12:24: the call times out before its hedge is sent"),
        ("hedge: {after: 1s}", "12:16: 'a' has no idempotency keys: the hedge would move money"),
        ("hedge: {after: 1s, to: a}", "12:32: the hedge goes to the call's own target"),
        ("hedge: {after: 1s, to: x}", "12:32: unknown link 'x'"),
        ("reversal: {shares_breaker: true}", "12:36: the call has no breaker to share"),
        ("reversal: {breaker: {}, shares_breaker: true}", "12:19: a reversal has two breakers"),
        ("bulkhead: {size: 0}", "12:26: size: '0' is out of range; write at least 1"),
    ],
)
def test_a_policy_that_cannot_work_is_reported_with_its_place(
    tmp_path: Path, policy: str, expected: str
) -> None:
    lines = mistakes(tmp_path, policy)
    assert any(line.startswith(expected) for line in lines), lines


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("{skop: {}}", "13:20: unknown fallback 'skop'; did you mean 'skip'?"),
        ("{decline: '91', to: b}", "13:20: two steps in one: to, decline; give each its own"),
        ("{stand_in: {upto: 1}}", "'up_to' is missing"),
        ("{skip: {up_to: 1.00}}", "13:27: skip is not a fallback for authorise; it is for"),
        ("{exempt: {up_to: 1.00}}", "13:29: exempt is not a fallback for authorise"),
        ("{to: a}", "13:25: 'a' is named twice in one call; keep one"),
        ("{split: {b: 1, x: 1}}", "unknown link 'x'"),
        ("{to: b, cards: {ranges: [41-4]}}", "'41-4' is not a card range; write both ends"),
    ],
)
def test_a_fallback_that_cannot_work_is_reported_with_its_place(
    tmp_path: Path, step: str, expected: str
) -> None:
    lines = mistakes(tmp_path, step=step)
    assert any(expected in line for line in lines), lines
