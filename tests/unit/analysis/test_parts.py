"""A run that is judged in parts of its payments is judged as it is at once."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from paychain.analysis import analyse as analyses
from paychain.analysis import parts
from paychain.analysis.measures.fallback_kinds import FALLBACKS
from paychain.analysis.measures.fallback_tallies import Tallies, merged, tallied
from paychain.analysis.measures.fallbacks import uses
from paychain.analysis.measures.measure import MeasuredRun
from paychain.analysis.measures.recovery import faults
from paychain.analysis.parts import judged_in_parts
from paychain.analysis.store import fingerprints
from paychain.analysis.store.fingerprints import LAST, Bound, FingerprintRange, bounds_of
from tests.support.recorded import CHAIN, Recorded, ns

KINDS = list(FALLBACKS)


@pytest.fixture
def three_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprints, "PART", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)


def eventful() -> Recorded:
    """A fault, failovers that serve and fail, a double charge, and a payment only a link knows."""
    run = Recorded(ends_s=30, warm_up_s=1)
    for number in range(90):
        at_s = number / 3
        if not 10 <= at_s < 20:
            name = run.pay(at_s)
        elif number % 5:
            name = run.pay(at_s, took_ms=160 + number, route=1, amount=2_000 + number)
        else:
            name = run.pay(at_s, "unknown", route=None)
        if number % 11 == 0:
            run.decide(name, "failover", at_s, "processor-c")
            run.hop(name, "gateway", "authorise", "processor-c", ns(at_s), ns(at_s) + 9, "reset")
    run.hop("stranger", "gateway", "authorise", "processor-a", ns(5), ns(6), "approved")
    run.fault("down-1", 10, 20)
    return run


def plain(tallies: Tallies) -> dict[tuple[str, ...], object]:
    """Uses of fallbacks as values that can be compared."""
    return {
        fallback: {
            **vars(tally),
            "latencies_ns": sorted(tally.latencies_ns.counts.items()),
        }
        for fallback, tally in tallies.items()
    }


@pytest.mark.usefixtures("three_parts")
def test_what_parts_add_up_to_is_what_one_pass_finds(tmp_path: Path) -> None:
    run = eventful()
    store = run.store(tmp_path)
    store.index()
    known = MeasuredRun(store, CHAIN, run.experiment(), run.facts())[faults]
    bounds: list[Bound] = ["", *bounds_of(store.select), LAST]
    assert len(bounds) == 4
    shares = [tallied(store.select, KINDS, known, *ends) for ends in pairwise(bounds)]
    assert all(shares)
    assert plain(merged(shares)) == plain(tallied(store.select, KINDS, known))
    whole = store.fingerprints()
    read = [FingerprintRange() for _ in shares]
    for part, ends in zip(read, pairwise(bounds), strict=True):
        part.read(store.select, *ends)
    store._fingerprints = None
    again = store.fingerprints(read)
    assert list(again.payments()) == list(whole.payments())
    assert list(again.counts()) == list(whole.counts())
    assert again.strangers == whole.strangers == ["stranger"]
    store.close()


@pytest.mark.slow
@pytest.mark.usefixtures("three_parts")
def test_processes_judge_to_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = eventful()
    found = []
    put_together: list[int] = []  # of how many parts

    def spied(shares: Iterable[Tallies]) -> Tallies:
        listed = list(shares)
        put_together.append(len(listed))
        return merged(listed)

    monkeypatch.setattr(parts, "merged", spied)
    for fewest in (1, 1_000):
        folder = tmp_path / str(fewest)
        folder.mkdir()
        monkeypatch.setattr(parts, "MIN_PAYMENTS", fewest)
        store = run.store(folder)
        found.append(analyses.analyse(store, CHAIN, run.experiment(), run.facts()))
        store.close()
    in_parts, at_once = (
        msgspec.json.encode([each.verdict, each.reasons, each.tolerances, dict(each.measured)])
        for each in found
    )
    assert in_parts == at_once
    assert put_together == [3]


@pytest.mark.slow
@pytest.mark.usefixtures("three_parts")
def test_without_its_processes_a_run_is_judged_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = eventful()
    store = run.store(tmp_path)
    measured = MeasuredRun(store, CHAIN, run.experiment(), run.facts())
    monkeypatch.setattr("paychain.processes.local.PROGRAM", "paychain.no_such_module")
    with judged_in_parts(measured, min_payments=1):
        pass
    assert plain(measured[uses]) == plain(tallied(store.select, KINDS, measured[faults]))
    store.close()
