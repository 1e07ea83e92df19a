"""Locust's own OpenTelemetry, which names the run that it is of."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.load.locust.processes import alone, telemetry

SPOOL = Path("/runs/20261129T000000Z-shop-x/spool")


@pytest.mark.parametrize(
    ("given", "attributes"),
    [
        ({}, None),
        ({"LOCUST_ENABLE_OPENTELEMETRY": "false"}, None),
        ({"LOCUST_ENABLE_OPENTELEMETRY": "1"}, "paychain.run=20261129T000000Z-shop-x"),
        (
            {"LOCUST_ENABLE_OPENTELEMETRY": "true", "OTEL_RESOURCE_ATTRIBUTES": "team=pay"},
            "team=pay,paychain.run=20261129T000000Z-shop-x",
        ),
    ],
)
def test_metrics_of_locust_name_their_run(given: dict[str, str], attributes: str | None) -> None:
    assert telemetry(SPOOL, given).get("OTEL_RESOURCE_ATTRIBUTES") == attributes


def test_a_load_process_gets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCUST_ENABLE_OPENTELEMETRY", "1")
    monkeypatch.delenv("OTEL_RESOURCE_ATTRIBUTES", raising=False)
    assert alone(SPOOL).environment["OTEL_RESOURCE_ATTRIBUTES"].endswith("Z-shop-x")
