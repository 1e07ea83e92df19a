"""An HTTP error after the work: what a repeat under the same key makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.chains import corner_shop, experiment
from tests.support.virtual_runs import amplification, broken, run_virtually

LOAD = experiment(
    "{id: after, at: 0s, for: 4s, target: {link: processor}, "
    "http_error: {status: 500, after_work: true, first: 1}}",
    arrivals="20/s",
    before="1s",
    after="1s",
)


@pytest.mark.parametrize(
    ("model", "rule"),
    [
        ("keyed", None),  # the work that was done is answered
        ("stripe-v2", None),
        ("stripe-v1", "no_orphaned_authorisation"),  # the error is stored, and comes again
        ("checkout", "no_double_charge"),  # no error is stored: the work is done once more
        ("none", "no_double_charge"),
    ],
)
def test_a_repeat_after_an_error_after_the_work(
    tmp_path: Path, model: str, rule: str | None
) -> None:
    authorise = {"retry": {"attempts": 2, "backoff": "10ms", "on": ["http_error"]}}
    text = corner_shop(processor={"idempotency": model}, authorise=authorise)
    result = run_virtually(tmp_path, text, LOAD)
    assert result.faults[0].hits
    assert amplification(result) > 1.5
    money = {"no_double_charge", "no_orphaned_authorisation", "booked_once", "books_agree"}
    assert broken(result).keys() & money == ({rule} if rule else set())
