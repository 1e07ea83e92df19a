"""A request that arrives twice although it was sent once: below the policy that was declared."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.chains import corner_shop, experiment
from tests.support.virtual_runs import amplification, broken, phase, run_virtually


@pytest.mark.parametrize(
    ("target", "after"),
    [("call: gateway.authorise", "0s"), ("hop: gateway -> processor", "100ms")],
)
def test_without_keys_each_duplicated_request_is_a_double_charge(
    tmp_path: Path, target: str, after: str
) -> None:
    load = experiment(
        f"{{id: twice, at: 0s, for: 4s, target: {{{target}}}, "
        f"duplicate_request: {{after: {after}, share: 50%}}}}",
        arrivals="20/s",
        before="1s",
        after="1s",
    )
    text = corner_shop(processor={"idempotency": "none"})
    result = run_virtually(tmp_path, text, load)
    duplicated = result.faults[0].hits
    assert duplicated is not None
    assert 20 < duplicated < 60  # half of about 80
    assert broken(result)["no_double_charge"] == duplicated
    # The caller sent each request once, and each customer saw an approval.
    assert amplification(result) == 1.0
    assert phase(result, "all").technical_success == 1.0


@pytest.mark.parametrize(
    ("model", "after"),
    [("keyed", "0s"), ("keyed", "100ms"), ("adyen", "0s"), ("stripe-v1", "100ms")],
)
def test_with_keys_a_duplicated_request_charges_nobody_twice(
    tmp_path: Path, model: str, after: str
) -> None:
    load = experiment(
        f"{{id: twice, at: 0s, for: 4s, target: {{link: processor}}, "
        f"duplicate_request: {{after: {after}, copies: 3}}}}",
        arrivals="20/s",
        before="1s",
        after="1s",
    )
    text = corner_shop(processor={"idempotency": model}, gateway={"captures": {"after": "200ms"}})
    result = run_virtually(tmp_path, text, load)
    assert result.faults[0].hits
    assert broken(result) == {}
    assert phase(result, "all").technical_success == 1.0


def test_a_duplicated_capture_is_taken_twice_only_without_keys(tmp_path: Path) -> None:
    load = experiment(
        "{id: twice, at: 0s, for: 4s, target: {hop: gateway -> processor}, "
        "duplicate_request: {requests: [2]}}",
        arrivals="10/s",
        before="0s",
        after="1s",
    )
    # The second request of a payment is the first of its two captures. Taken twice it uses up what
    # is held, and the second capture is refused.
    captures = {"after": "50ms", "parts": "2"}
    careless = corner_shop(processor={"idempotency": "none"}, gateway={"captures": captures})
    assert "repeats_without_effect" in broken(run_virtually(tmp_path / "none", careless, load))
    careful = corner_shop(processor={"idempotency": "keyed"}, gateway={"captures": captures})
    assert broken(run_virtually(tmp_path / "keyed", careful, load)) == {}
