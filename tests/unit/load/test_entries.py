"""A chain with several entries, each with arrivals of its own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from paychain.load.traffic.arrivals import arrivals
from paychain.load.traffic.planning import load_plan
from paychain.model.loading import FileMistakes, load_chain, load_experiment
from paychain.model.review import review
from paychain.report.result import Result
from paychain.runs.chains import chain_of
from paychain.runs.run import run
from paychain.runs.spec import RunSpec

CHAIN = "card-three-entries"
ENTRIES = "entries: {web-edge: 20/s, api: {ramp: {from: 0/s, to: 20/s}}, pos: 2/s}"
TIMES = "warm_up: 0s, before: 2s, after: 2s"


def written(folder: Path, load: str, faults: str = "[]") -> Path:
    path = folder / "x.yaml"
    path.write_text(
        f"experiment: x\nload: {{{load}, {TIMES}}}\nfaults: {faults}\ntolerances: {{}}\n"
    )
    return path


def mistakes(folder: Path, load: str) -> str:
    with pytest.raises(FileMistakes) as caught:
        load_experiment(str(written(folder, load)), load_chain(CHAIN).model)
    return str(caught.value)


def result_of(folder: Path, load: str, faults: str = "[]") -> Result:
    chain = load_chain(CHAIN)
    found = load_experiment(str(written(folder, load, faults)), chain.model)
    spec = RunSpec(chain=chain, experiment=found, out=folder, virtual=True)
    return run(spec, chain_of(spec)).result


def by_entry(result: Result) -> dict[str, int]:
    return {hop.callee: hop.sent for hop in result.hops if hop.caller == "customer"}


def test_each_entry_has_its_own_arrivals(tmp_path: Path) -> None:
    chain = load_chain(CHAIN).model
    plan = load_plan(chain, load_experiment(str(written(tmp_path, ENTRIES)), chain).model, 1)
    found = list(arrivals(plan))
    # 20/s for 4 s; a ramp from 0/s to 20/s over 4 s; 2/s for 4 s
    assert Counter(arrival.entry for arrival in found) == {0: 80, 1: 40, 2: 8}
    assert [arrival.at_s for arrival in found] == sorted(arrival.at_s for arrival in found)
    assert len({arrival.payment for arrival in found}) == 128


def test_an_outage_of_the_edge_provider_stops_the_web_shop_alone(tmp_path: Path) -> None:
    faults = "[{at: 0s, for: 2s, target: {provider: cloudflare}, down: {}}]"
    result = result_of(tmp_path, ENTRIES, faults)
    assert by_entry(result) == {"web-edge": 120, "api": 60 + 30 - 30, "pos": 12}
    assert {(group.caller, group.callee) for group in result.breaks} == {("customer", "web-edge")}
    # 20/s for 2 s
    assert sum(group.payments for group in result.breaks) == 40
    assert result.load.arrivals == (
        "20/s at web-edge and a ramp from 0/s to 20/s at api and 2/s at pos, evenly spaced"
    )


def test_arrivals_without_an_entry_are_spread_over_all(tmp_path: Path) -> None:
    found = by_entry(result_of(tmp_path, "arrivals: 100/s"))
    # 400 draws of three: a standard deviation is 9.4, and four are allowed.
    assert all(count == pytest.approx(400 / 3, abs=38) for count in found.values())
    assert sum(found.values()) == 400


@pytest.mark.parametrize(
    ("load", "message"),
    [
        ("entries: {web-edge: 1/s, api: 1/s}", "no payment arrives at the entry 'pos'"),
        (
            "entries: {web: 1/s, api: 1/s, pos: 1/s}",
            "customers do not pay at 'web'; there are: web-edge, api, pos",
        ),
        ("arrivals: 1/s, entries: {pos: 1/s}", "either arrivals or entries"),
        ("users: 2, think_time: 1s, entries: {pos: 1/s}", "users pay at every entry alike"),
        ("entries: {web-edge: 0/s, api: 0/s, pos: 0/s}", "the rate is 0 throughout at every"),
        ("entries: {web-edge: {replay: x.csv}, api: 1/s, pos: 1/s}", "arrive at every entry alike"),
    ],
)
def test_a_mistake_in_entries_has_its_place(tmp_path: Path, load: str, message: str) -> None:
    assert message in mistakes(tmp_path, load)


def test_an_entry_that_is_no_link_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "chain.yaml"
    text = Path("chains", f"{CHAIN}.yaml").read_text()
    path.write_text(text.replace("[web-edge, api, pos]", "[web-edge, api, pos, api, posh]"))
    with pytest.raises(FileMistakes) as caught:
        load_chain(str(path))
    assert "unknown link 'posh'; did you mean 'pos'?" in str(caught.value)
    assert "'api' is named twice" in str(caught.value)


def test_the_review_says_which_customers_a_provider_stops() -> None:
    found = {entry.subject: entry.what for entry in review(load_chain(CHAIN))}
    assert found["provider cloudflare"] == (
        "without cloudflare (web-edge) no payment at web-edge succeeds"
    )
    assert found["link gateway"] == "without gateway no payment succeeds"
