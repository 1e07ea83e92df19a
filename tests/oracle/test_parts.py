"""Captures in parts on a chain of cards, of which some fail: what is missing, counted by hand.

An order of 100.00, by one gateway, one processor and one bank. The oracle has to agree.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.oracle.compare import all_seen
from tests.oracle.pairs import Pair, run_pair

_Variant = tuple[dict[str, Any], list[dict[str, Any]], dict[str, int]]
_NO: dict[str, Any] = {"decline": {"code": "51"}}


def _step(number: int, fails: dict[str, Any], *, link: str = "processor") -> dict[str, Any]:
    """What the n-th capture of a payment meets at a link."""
    return {"link": link, "request": number, "operation": "capture", **fails}


def _parts(number: int, **more: Any) -> dict[str, Any]:
    return {"after": "500ms", "parts": number, **more}


# The links' own words, what the script does, and the amount of each rule.
_VARIANTS: dict[str, _Variant] = {
    # 33.33, 33.33 and 33.34: the last one releases what the second did not take.
    "second of three refused": (
        {"gateway": {"captures": _parts(3)}},
        [_step(2, _NO)],
        {"completed": 33_33},
    ),
    "first two of three refused": (
        {"gateway": {"captures": _parts(3)}},
        [_step(1, _NO), _step(2, _NO)],
        {"completed": 66_66},
    ),
    # Without the last one nobody releases the rest: it may be captured yet.
    "last of two refused": (
        {"gateway": {"captures": _parts(2)}},
        [_step(2, _NO)],
        {"completed": 50_00},
    ),
    "last of two refused, and the hold expires": (
        {"gateway": {"captures": _parts(2)}, "issuer": {"expires_after": "3s"}},
        [_step(2, _NO)],
        {"completed": 50_00},
    ),
    # Two parts of 57.50, with a tip.
    "a part with its tip refused": (
        {"gateway": {"captures": _parts(2, of="115%")}, "processor": {"overcapture": "15%"}},
        [_step(1, _NO)],
        {"completed": 57_50},
    ),
    "more than the hold refused": (
        {"gateway": {"captures": _parts(2, of="115%")}, "processor": {"overcapture": "0%"}},
        [],
        {"completed": 57_50},
    ),
    # Two parts of 30.00, with the rest kept or released.
    "a part of 60 % refused": (
        {"gateway": {"captures": _parts(2, of="60%", final=False)}},
        [_step(1, _NO)],
        {"completed": 30_00},
    ),
    "a part of 60 % refused, the rest released": (
        {"gateway": {"captures": _parts(2, of="60%")}},
        [_step(1, _NO)],
        {"completed": 30_00},
    ),
    "both parts of 60 % made, and the rest kept": (
        {"gateway": {"captures": _parts(2, of="60%", final=False)}},
        [],
        {"no_orphaned_authorisation": 40_00},
    ),
    # Refunds of the first part, between the two.
    "half refunded before the second part": (
        {
            "gateway": {
                "captures": _parts(2),
                "refunds": {"share": "100%", "after": "200ms", "of": "50%"},
            }
        },
        [],
        {},
    ),
    "all refunded before the second part, which is refused": (
        {
            "gateway": {
                "captures": _parts(2),
                "refunds": {"share": "100%", "after": "200ms", "of": "100%"},
            }
        },
        [_step(2, _NO)],
        {"completed": 50_00},
    ),
    "the answer of the first part lost": (
        {"gateway": {"captures": _parts(2)}},
        [_step(1, {"lost_answer": {}})],
        {},
    ),
    # The processor has credited what the bank refused: its merchant got 50.00 too much.
    "first part refused by the bank alone": (
        {"gateway": {"captures": _parts(2)}},
        [_step(1, _NO, link="issuer")],
        {"completed": 50_00, "money_conserved": 50_00},
    ),
    # It was made: only its merchant's book lacks it.
    "first part made, and its answer says declined": (
        {"gateway": {"captures": _parts(2)}},
        [_step(1, {"wrong_answer": {"says": "declined"}})],
        {"money_conserved": 50_00},
    ),
}


def _pair(links: dict[str, Any], steps: list[dict[str, Any]]) -> Pair:
    calls = {
        "gateway": {"role": "gateway", "calls": {"authorise": {"to": "processor"}}},
        "processor": {"role": "processor", "calls": {"authorise": {"to": "issuer"}}},
        "issuer": {"role": "issuer"},
    }
    arrivals = {"steps": [{"at": "0s", "rate": "10/s"}, {"at": "100ms", "rate": "0/s"}]}
    amounts = {"median": "100.00", "least": "100.00", "most": "100.00"}
    times = {"warm_up": "0s", "before": "0s", "after": "900ms"}
    experiment: dict[str, Any] = {
        "experiment": "parts",
        "load": {"arrivals": arrivals, "amounts": amounts, **times},
        "faults": [],
    }
    if steps:
        experiment["scripts"] = [{"payments": {"every": 1}, "steps": steps}]
    declared = {name: {**link, **links.get(name, {})} for name, link in calls.items()}
    chain = {"chain": "parts", "entry": "gateway", "links": declared}
    return Pair(chain=chain, experiment=experiment, seed=3)


@pytest.mark.parametrize("variant", _VARIANTS)
def test_what_is_missing_of_parts(variant: str) -> None:
    links, steps, expected = _VARIANTS[variant]
    outcome = run_pair(_pair(links, steps))
    _, found, different = all_seen(outcome)
    assert outcome.played.offered == 1
    assert {rule: sum(orders.values()) for rule, orders in found.items()} == expected
    assert different == []
