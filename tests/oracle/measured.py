"""Generated runs, long enough to be measured, with their numbers beside the second measures."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from paychain.analysis.store.store import RunStore
from paychain.explore.schedules import SEARCHED
from paychain.model.chain import Chain
from paychain.model.loading import load_chain, load_experiment
from paychain.model.tolerance import Limit
from paychain.payments.journal import (
    Decision,
    FaultSwitch,
    HopRecord,
    Movement,
    PaymentRecord,
)
from paychain.runs.chains import chain_of
from paychain.runs.run import run
from paychain.runs.spec import RunSpec
from tests.oracle import further_measures as further
from tests.oracle import measures
from tests.oracle.chains import Declared, amount
from tests.oracle.chance import Seeded, choose, some
from tests.oracle.measures import Recorded
from tests.oracle.pairs import ON_CARDS, drawn_chain
from tests.support.chains import as_yaml

# What a report may differ by from the exact number: quantiles come from a histogram, and times to a
# steady success from cells of a hundredth of a second.
QUANTILE_SHARE, QUANTILES, SPANS_S = 0.004, ("p50_ms", "p95_ms", "p99_ms"), 0.011
# Faults that count the calls in flight while they are on, and those that count what they change.
WHILE_ON = ("freeze", "halt", "fee_spike", "no_finality", "fork", "price_jump")
UNCOUNTED = ("reorg",)
ADDED = ("added_p50_ms", "added_p95_ms")  # a difference of two quantiles


def experiment_for(number: int, chain: Declared, names: list[str], warm_up: str) -> Declared:
    """A load of half a minute, with one or two faults that end before it does."""
    chance = Seeded(number)
    currency = str(chain["currency"])
    amounts = {"median": 4_000, "least": 100, "most": 90_000}
    faults = []
    at_ms = 0
    for fault in range(some(chance, 1, 2)):
        kind = choose(chance, ON_CARDS)
        lasts_ms = choose(chance, (6_000, 3_000, 8_000))
        faults.append(
            {
                "id": f"f{fault}",
                "at": f"{at_ms}ms",
                "for": f"{lasts_ms}ms",
                "target": {"link": choose(chance, names)},
                kind: SEARCHED[kind].parameters(200 * some(chance, 1, 8)),
            }
        )
        at_ms += choose(chance, (lasts_ms + 2_000, lasts_ms // 2))
    return {
        "experiment": "measured",
        "load": {
            "arrivals": "15/s",
            "warm_up": warm_up,
            "before": "6s",
            "after": "13s",
            "amounts": {name: amount(minor, currency) for name, minor in amounts.items()},
        },
        "faults": faults,
        "tolerances": {"technical_success": {"during": ">= 90%"}},
    }


def run_measured(
    number: int, folder: Path, *, warm_up: str = "0s"
) -> tuple[Recorded, dict[str, Any]]:
    """Run the chain of a number; its records and its result.json."""
    declared, chain = drawn_chain(number)
    files = {"chain": as_yaml(declared)}
    only_forwards = [name for name, link in chain.links.items() if link.role == "edge"]
    names = [name for name in chain.links if name not in only_forwards]
    files["experiment"] = as_yaml(experiment_for(number, declared, names, warm_up))
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, "utf-8")
    return run_pair(str(folder / "chain.yaml"), str(folder / "experiment.yaml"), folder, number)


def run_pair(
    chain: str, experiment: str, folder: Path, number: int = 0
) -> tuple[Recorded, dict[str, Any]]:
    """Run any chain and experiment; its records and its result.json."""
    loaded = load_chain(chain)
    wanted = load_experiment(experiment, loaded.model)
    spec = RunSpec(chain=loaded, experiment=wanted, out=folder / "runs", seed=number, virtual=True)
    finished = run(spec, chain_of(spec))
    result = json.loads((finished.folder / "result.json").read_text("utf-8"))
    times = wanted.model.times(0.0)
    during = wanted.model.tolerances.technical_success
    limit = during if isinstance(during, Limit) else during.during if during else None
    with closing(sqlite3.connect(finished.folder / "run.db")) as connection:
        store = RunStore(connection, is_read_only=True)
        start_s = store.facts().times.load_start_s
        recorded = Recorded(
            payments=list(store.rows(PaymentRecord)),
            hops=list(store.rows(HopRecord)),
            movements=list(store.rows(Movement)),
            decisions=list(store.rows(Decision)),
            switches=list(store.rows(FaultSwitch)),
            faults=[fault.id for fault in wanted.model.faults],
            load_start_s=start_s,
            load_end_s=start_s + times.load_end_s,
            warm_up_s=times.before_start_s - times.load_start_s,
            goal=limit.bound if limit is not None else None,
            gives=_gives(loaded.model),
        )
    return recorded, result


def _gives(chain: Chain) -> dict[str, str]:
    """What calls to third parties give, by `link.operation`, where no operation says it."""
    found = {}
    for name in chain.links:
        for operation, call in chain.calls_of(name).items():
            if operation.startswith("serve"):
                found[f"{name}.{operation}"] = call.to
            if operation.startswith("screen") and chain.links[call.to].screens == "sanctions":
                found[f"{name}.{operation}"] = "sanctions screening"
    return found


def measured_differences(run: Recorded, result: dict[str, Any]) -> list[str]:
    """Every number of a result that is not what the second measures give, in words."""
    return [
        f"{name}: {theirs} in result.json, {ours} by hand"
        for name, ours, theirs in _beside(run, result)
        if not _agree(name.rpartition(" ")[2], ours, theirs)
    ]


def _agree(name: str, ours: Any, theirs: Any) -> bool:
    if ours is None or theirs is None or not isinstance(ours, float | int):
        return bool(ours == theirs)
    if name in QUANTILES:
        return abs(ours - theirs) <= QUANTILE_SHARE * abs(ours) + 1e-9
    if name in ADDED:
        return abs(ours - theirs) <= 2.0 + QUANTILE_SHARE * 2 * abs(ours)
    if name.endswith("_s"):
        return abs(ours - theirs) <= SPANS_S
    return abs(ours - theirs) <= 1e-9 * max(1.0, abs(ours))


def _beside(run: Recorded, result: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Each number twice: its name, by hand, in the result."""
    back = measures.recovery(run)
    yield "recovery recovery_s", back.pop(""), result["recovery"]["recovery_s"]
    for fault in result["faults"]:
        if fault["id"] in back:
            yield f"fault {fault['id']} recovery_s", back[fault["id"]], fault["recovery_s"]
        yield from _of_fault(run, fault)
    yield "recovery drain_s", measures.drain_s(run), result["recovery"]["drain_s"]
    for name, count in further.reversals(run).items():
        yield f"recovery {name}", count, result["recovery"][name]
    yield from _parts("last", further.after_the_load(run), result["recovery"]["last_s"])
    risks = {
        f"{risk['call']}: {risk['text']}": (risk["payments"], risk["amount"], risk["share"])
        for risk in result["risks"]
    }
    yield from _parts("risk", further.risks(run), risks)
    healed, after_s = result["recovery"]["healed_s"], result["recovery"]["recovery_s"]
    back_s = healed + after_s if healed is not None and after_s is not None else None
    phases = measures.phases(run, back_s)
    for phase in result["phases"]:
        for measure, ours in phases[phase["name"]].items():
            yield f"phase {phase['name']} {measure}", ours, phase[measure]
    yield from _parts("break", measures.breaks(run), _breaks(result))
    hops = {
        f"{hop['caller']}.{hop['operation']}.{hop['callee']}.{hop['route']}": hop
        for hop in result["hops"]
    }
    for name, ours in measures.hops(run).items():
        for measure, value in ours.items():
            yield f"hop {name} {measure}", value, hops.get(name, {}).get(measure)
    uses = {f"{use['call']} {use['kind']} {use['to']}".strip(): use for use in result["fallbacks"]}
    for name, ours in measures.fallbacks(run).items():
        for measure, value in ours.items():
            yield f"fallback {name} {measure}", value, uses.get(name, {}).get(measure)
    yield "fallbacks", sorted(measures.fallbacks(run)), sorted(uses)
    yield from _parts("books", measures.books(run), result["money"]["books"])
    yield from _over_time(run, result)
    broke: dict[str, int] = {}
    for hop in result["hops"]:
        name = f"{hop['caller']}.{hop['operation']}.{hop['callee']}"
        assert broke.setdefault(name, hop["broke"]) == hop["broke"]
    known = {name: n for name, n in further.hop_breaks(run).items() if name in broke}
    yield from _parts("broke", known, {name: n for name, n in broke.items() if n})


def _of_fault(run: Recorded, fault: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """When a fault was on, and what it affected, where the records show that."""
    name = f"fault {fault['id']}"
    times = further.times_of_faults(run)[fault["id"]]
    for measure, ours in times.items():
        yield f"{name} {measure}", ours, fault[measure]
    if fault["kind"] in WHILE_ON:
        calls = further.calls_to(run, fault["links"], times["spans"])
        # What a link did by itself meanwhile counts once, where nobody called it.
        yield f"{name} hits", calls or min(fault["hits"], 1), fault["hits"]
    elif fault["place"] == "link" and fault["kind"] not in ("crash", *UNCOUNTED):
        yield f"{name} hits", measures.hits_in_links(run).get(fault["id"], 0), fault["hits"]


def _over_time(run: Recorded, result: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Every second of the run, and the bins of its latencies."""
    by_second = {at_s: rest for at_s, *rest in result["seconds"]}
    ours = further.whole_seconds(run)
    yield "seconds", sorted(ours), sorted(by_second)
    for second, counted in ours.items():
        for (measure, value), theirs in zip(counted.items(), by_second[second], strict=True):
            yield f"second {second} {measure}", value, theirs
    bins = further.latencies(run)
    yield "latencies", len(bins), len(result["latencies"])
    for counted, (*theirs,) in zip(bins, result["latencies"], strict=False):
        for (measure, value), shown in zip(counted.items(), theirs, strict=True):
            yield f"latency {counted['from_s']} {measure}", value, shown


def _parts(
    what: str, ours: dict[str, Any], theirs: dict[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    for name in sorted({*ours, *theirs}):
        yield f"{what} {name}", ours.get(name), theirs.get(name)


def _breaks(result: dict[str, Any]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for entry in result["breaks"]:
        where = f"{entry['caller']}.{entry['operation']}.{entry['callee']} {entry['failure']}"
        name = f"{where} [{','.join(entry['faults'])}]"
        payments, amount_minor = found.get(name, (0, 0))
        found[name] = (payments + entry["payments"], amount_minor + entry["amount"])
    return found
