"""Benches that need nothing but this machine, with too little work for their figures to count."""

from __future__ import annotations

from importlib import import_module

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "little"),
    [
        pytest.param(
            "load",
            {"ROUNDS": 1, "SECONDS": 4, "USERS": 2},  # Locust may need three of them to begin
            marks=pytest.mark.thorough,
        ),
        ("observer", {"ROUNDS": 1, "ROUND_S": 0.1, "WARM_UP_S": 0.05, "CONNECTIONS": 2}),
        ("policy", {"ROUNDS": 1, "CALLS": 20}),
        ("recording", {"ROUNDS": 1, "PAYMENTS": 20, "CLIENTS": 2}),
        ("wire", {"ROUNDS": 1, "REQUESTS": 40, "WARM_UP": 4, "CLIENTS": 2}),
    ],
)
def test_a_bench_prints_its_figures(
    name: str,
    little: dict[str, float],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    bench = import_module(f"bench.{name}")
    for constant, value in little.items():
        monkeypatch.setattr(bench, constant, value)
    bench.main()
    assert any(letter.isdigit() for letter in capfd.readouterr().out)
