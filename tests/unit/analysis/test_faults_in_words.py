"""How the report names a fault: in words and units, without Python's way of writing values."""

from __future__ import annotations

from typing import Any

import pytest

from paychain.analysis.measures.timeline import in_words
from paychain.faults.fault import Fault


@pytest.mark.parametrize(
    ("kind", "values", "text"),
    [
        ("down", {}, "down on link a"),
        ("lost_answer", {"share": "40%"}, "lost_answer share 40% on link a"),
        (
            "lost_answer",
            {"only": {"schemes": ["visa", "amex"], "merchants": ["Shop"]}},
            "lost_answer only schemes visa, amex and merchants Shop on link a",
        ),
        ("http_error", {"requests": [1, 3]}, "http_error requests 1, 3, status 503 on link a"),
        ("http_error", {"after_work": True}, "http_error status 503, after_work on link a"),
        ("bandwidth", {"rate": "100kB/s"}, "bandwidth rate 100 kB/s, stream downstream on link a"),
        ("cut_after", {"after": "2kB"}, "cut_after after 2 kB on link a"),
        ("latency", {"delay": "1500ms"}, "latency delay 1500 ms, stream downstream on link a"),
    ],
)
def test_a_fault_is_named_in_words(kind: str, values: dict[str, Any], text: str) -> None:
    fault = Fault.model_validate({"at": "0s", "for": "1s", "target": {"link": "a"}, kind: values})
    assert in_words(fault) == text
