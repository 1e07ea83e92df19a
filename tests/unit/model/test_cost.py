"""What a large or a wrong file costs: little, and in proportion to its size."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from paychain.model.loading import FileMistakes, load_chain
from paychain.model.review import review

MISTAKE_S = 0.001  # of processor time
SHOP = """\
chain: shop
entry: gateway
deadline: 10s
links:
  gateway:
    role: gateway
    calls:
      authorise: {to: issuer, timeout: 2s}
"""
ISSUER = "  issuer: {role: issuer}\n"


def unknown_keys(number: int) -> str:
    return SHOP + "".join(f"    unknown{n}: 1\n" for n in range(number)) + ISSUER


def misplaced_keys(number: int) -> str:
    return SHOP + ISSUER + "".join(f"  l{n}: {{role: issuer, timeout: 3}}\n" for n in range(number))


def keys_at_the_top(number: int) -> str:
    return SHOP + ISSUER + "".join(f"providers{n}: 3\n" for n in range(number))


def wrong_values(number: int) -> str:
    hosts = "".join(f"  h{n}: {{address: 3, port: x, links: 7}}\n" for n in range(number))
    return f"{SHOP}{ISSUER}hosts:\n{hosts}"


@pytest.mark.parametrize("make", [unknown_keys, misplaced_keys, keys_at_the_top, wrong_values])
def test_a_mistake_costs_less_than_a_millisecond(tmp_path: Path, make: object) -> None:
    assert callable(make)
    path = tmp_path / "shop.yaml"
    path.write_text(make(10), "utf-8")
    with pytest.raises(FileMistakes):
        load_chain(str(path))  # what is made once is made now
    path.write_text(make(2_000), "utf-8")
    begun_s = time.process_time()
    with pytest.raises(FileMistakes) as caught:
        load_chain(str(path))
    took_s = time.process_time() - begun_s
    assert len(caught.value.mistakes) >= 2_000
    assert took_s / len(caught.value.mistakes) < MISTAKE_S


def with_fallbacks(depth: int) -> str:
    """Two processors at each step, each of which falls back to the other one of the next."""
    calls = "calls: {{authorise: {{to: a{0}, timeout: {1}s, fallback: [{{to: b{0}}}]}}}}"
    lines = [
        "chain: deep",
        "entry: gateway",
        "deadline: 60s",
        "links:",
        f"  gateway: {{role: gateway, {calls.format(1, 59)}}}",
    ]
    for step in range(1, depth):
        for side in "ab":
            behind = calls.format(step + 1, max(1, 59 - step))
            lines.append(f"  {side}{step}: {{role: processor, {behind}}}")
    return "\n".join([*lines, *(f"  {side}{depth}: {{role: issuer}}" for side in "ab"), ""])


@pytest.mark.parametrize("depth", [20, 49])
def test_a_review_looks_at_each_link_once_however_many_paths_lead_there(
    tmp_path: Path, depth: int
) -> None:
    path = tmp_path / "deep.yaml"
    path.write_text(with_fallbacks(depth), "utf-8")
    loaded = load_chain(str(path))
    begun_s = time.process_time()
    found = review(loaded)
    assert time.process_time() - begun_s < (1 if depth == 20 else 5)  # 2^20 paths, 2^49
    assert {finding.kind for finding in found} >= {"single_link", "amplified_retries"}
