"""What the review takes for a fault that stops deliveries: reversals, queries, stores, captures."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.model.loading import load_chain, load_experiment
from paychain.model.review import review

CHAIN = """\
chain: shop
deadline: 20s
entry: gateway
links:
  gateway:
    role: gateway
    outbox: disk
    captures: {captures}
    calls: {authorise: {to: psp, timeout: 4s, {authorise}}}
  psp:
    role: processor
    outbox: disk
    webhooks: {to: gateway}
    calls: {authorise: {to: issuer, timeout: 2s, on_unknown: reverse}}
  issuer: {role: issuer, expires_after: {expires}}
"""
EXPERIMENT = """\
experiment: long
load: {arrivals: 40/s, before: 5s, after: 5s}
faults: [{at: 0s, for: 3m, target: {target}, {fault}}]
tolerances: {}
"""
REVERSES = "on_unknown: reverse"
QUERIES = "on_unknown: query, query: {within: 60s, pause: 1s, timeout: 2s}"
STORES = "on_unknown: reverse, fallback: [{queue: {up_to: 50.00}}]"


def filled(text: str, **values: str) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def found(
    folder: Path,
    fault: str,
    *,
    target: str = "{link: psp}",
    authorise: str = REVERSES,
    captures: str = "{share: 0%}",
    expires: str = "1h",
) -> set[str]:
    """The kinds of findings at links that hold or deliver money, with a fault of three minutes."""
    chain = filled(CHAIN, captures=captures, authorise=authorise, expires=expires)
    (folder / "shop.yaml").write_text(chain)
    (folder / "long.yaml").write_text(filled(EXPERIMENT, target=target, fault=fault))
    loaded = load_chain(str(folder / "shop.yaml"))
    experiment = load_experiment(str(folder / "long.yaml"), loaded.model)
    kinds = {finding.kind for finding in review(loaded, experiment)}
    return {kind for kind in kinds if kind.endswith("_early")}


STOPS = (
    "down: {}",
    "blackhole: {}",
    "lost_answer: {}",
    "http_error: {status: 503}",
    "crash: {}",
    "slow_answer: {delay: 5s}",
    "latency: {delay: 5s, jitter: 200ms}",
    "relapse: {on: 90s, healthy: 5s, fault: {down: {}}}",
)
DELAYS = (
    "latency: {delay: 5ms}",
    "slow_answer: {delay: 1s}",
    "late_answer: {delay: 2500ms, jitter: 2s}",
    "down: {share: 90%}",
    "http_error: {share: 1%}",
    "http_error: {first: 2}",
    "lost_answer: {requests: [1, 2]}",
    "refuse: {}",
    "blackhole: {connections: new}",
    "rate_limit: {rate: 10/s}",
    "duplicate_request: {}",
    "wrong_answer: {}",
    "flapping: {period: 10s, fault: {down: {}}}",
)


@pytest.mark.parametrize(
    ("authorise", "kind"),
    [
        (REVERSES, "reversal_given_up_early"),
        (QUERIES, "query_given_up_early"),
        (STORES, "queue_given_up_early"),
    ],
)
def test_what_is_repeated_for_a_minute_is_given_up_only_in_a_fault_that_stops_it(
    tmp_path: Path, authorise: str, kind: str
) -> None:
    for fault in STOPS:
        assert kind in found(tmp_path, fault, authorise=authorise), fault
    for fault in DELAYS:
        assert found(tmp_path, fault, authorise=authorise) == set(), fault


def test_what_is_declined_is_not_sent_again_but_a_reversal_is(tmp_path: Path) -> None:
    """A stored request ends with a business decline, and is repeated after a technical one."""
    for code, kinds in (
        ("05", {"reversal_given_up_early"}),
        ("91", {"reversal_given_up_early", "queue_given_up_early"}),
    ):
        fault = f'decline: {{code: "{code}"}}'
        assert found(tmp_path, fault, authorise=STORES) == kinds, code


def test_a_fault_on_other_requests_stops_none(tmp_path: Path) -> None:
    only = "{call: gateway.authorise}"
    assert found(tmp_path, "down: {}", target=only) == set()
    assert found(tmp_path, "http_error: {}", target=only) == set()
    stored = found(tmp_path, "http_error: {}", target=only, authorise=STORES)
    assert stored == {"queue_given_up_early"}


@pytest.mark.parametrize(
    ("fault", "target", "on", "is_found"),
    [
        ("down: {}", "{link: psp}", "answer", True),
        ("down: {}", "{link: issuer}", "answer", True),
        ("crash: {}", "{link: gateway}", "answer", True),
        ("down: {}", "{hop: customer -> gateway}", "answer", False),
        ("down: {}", "{hop: psp -> gateway}", "answer", False),
        ("down: {}", "{hop: psp -> gateway}", "webhook", True),
        ("down: {}", "{call: gateway.authorise}", "answer", False),
        ("latency: {delay: 5ms}", "{link: psp}", "answer", False),
        ("flapping: {period: 10s, fault: {down: {}}}", "{link: psp}", "answer", False),
    ],
)
def test_a_hold_may_end_while_a_fault_keeps_its_capture_away(
    tmp_path: Path, fault: str, target: str, on: str, is_found: bool
) -> None:
    captures = f"{{after: 1s, on: {on}}}"
    for expires, can_end in (("90s", True), ("5m", False)):
        kinds = found(tmp_path, fault, target=target, captures=captures, expires=expires)
        assert ("hold_expires_early" in kinds) == (is_found and can_end), (expires, kinds)


OWN = """\
chain: own
deadline: 20s
entry: shop
links:
  shop:
    role: gateway
    service: {command: shop}
    pays:
      request: {path: /orders, json: {order: "{order}"}}
      approved: {status: 200}
      declined: {status: 402}
    calls:
      authorise:
        to: stripe
        claims: {timeout: 3s, on_unknown: reverse, reversal: {give_up_after: 60s}}
  stripe: {role: processor, dialect: stripe, calls: {authorise: {to: issuer}}}
  issuer: {role: issuer}
"""


@pytest.mark.parametrize(
    ("fault", "target", "is_found"),
    [
        ("down: {}", "{link: stripe}", True),
        ("down: {}", "{call: shop.authorise}", True),  # all that it asks goes there
        ("http_error: {}", "{call: shop.authorise}", False),
        ("latency: {delay: 5ms}", "{link: stripe}", False),
    ],
)
def test_an_own_service_has_one_way_to_a_provider(
    tmp_path: Path, fault: str, target: str, is_found: bool
) -> None:
    (tmp_path / "shop.yaml").write_text(OWN)
    (tmp_path / "long.yaml").write_text(filled(EXPERIMENT, target=target, fault=fault))
    loaded = load_chain(str(tmp_path / "shop.yaml"))
    experiment = load_experiment(str(tmp_path / "long.yaml"), loaded.model)
    kinds = {finding.kind for finding in review(loaded, experiment)}
    assert ("reversal_given_up_early" in kinds) == is_found
