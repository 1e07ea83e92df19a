"""Each recorded run of a session has payments of its own, whose ids tell them apart."""

from __future__ import annotations

import pytest

from paychain.board.session_ids import SessionIds
from paychain.payments.attribution import PaymentIds


def test_runs_of_mocks_have_their_number_in_front() -> None:
    ids = SessionIds("p")
    assert (ids.in_run(1, "p0000042"), ids.in_run(2, "p0000042")) == ("p0000042", "t2-p0000042")
    assert ids.belongs(1, "p0000042r2")
    assert not ids.belongs(1, "t2-p0000042")
    assert ids.belongs(2, "t2-p0000042b")
    assert not ids.belongs(2, "p0000042")


@pytest.mark.parametrize("prefix", ["pk3fa", "p999r"])
def test_runs_of_an_own_service_share_out_the_numbers(prefix: str) -> None:
    ids, known = SessionIds(prefix), PaymentIds(prefix)
    found = [ids.in_run(run, f"{prefix}0000042b") for run in range(1, 101)]
    assert found[:2] == [f"{prefix}0000042b", f"{prefix}0100042b"]
    assert len(set(found)) == 100
    for run, payment in enumerate(found, start=1):
        assert known.in_text(f"order {payment}") == payment
        assert [other for other in range(1, 101) if ids.belongs(other, payment)] == [run]
    assert not ids.belongs(1, "p0000042")
    assert not ids.belongs(1, "?processor-1")
