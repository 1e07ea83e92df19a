"""Numbered pairs of a chain and a fault schedule, and what one of them leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml
from hypothesis import strategies as st

from paychain.environment.simulated_run import SimulatedRun, simulate_run
from paychain.environment.virtual_engine import VirtualEngine
from paychain.explore.schedules import DURATIONS_MS, SEARCHED
from paychain.faults.kind import RequestFaultKind, StateFaultKind
from paychain.faults.kinds import KINDS
from paychain.model.chain import Chain
from paychain.model.checks import check_chain, check_experiment
from paychain.model.experiment import Experiment
from paychain.model.renaming import renamed, used_of
from paychain.simulation.guard import guards_installed
from paychain.simulation.simulate import Cycles, frozen_memory
from tests.oracle.chains import Declared, amount, draw_chain
from tests.oracle.chance import Chance, Drawn, Seeded, choose, happens, some
from tests.oracle.rarer import add_to_load, fewest_numbers, finer
from tests.oracle.scripted import draw_script, with_second_payment
from tests.oracle.varied import MAPPED, VARIED, vary
from tests.oracle.world import World, watched
from tests.support.chains import as_yaml

# No chain drawn here has a ledger, whose state some kinds are about.
ON_CARDS = tuple(kind for kind in SEARCHED if not issubclass(KINDS[kind], StateFaultKind))
MAX_DRAWS = 50  # of a chain or a fault that the loader refuses
MAX_FAULTS = 4
PROXIED = 4  # of so many pairs one has a proxy on every hop
TWICE = 15  # of a hundred experiments: whose orders are paid twice
TWICE_WHERE_REFUSED = 50  # and of those on a chain that refuses the second payment
TURNED = 30  # of those: where the refusal's code is turned
AFTER_DECLINES = 10  # of a hundred experiments: whose customers pay again after a decline
SCRIPTED = 25  # of a hundred experiments: those with a failure script
SCHEDULES = 4  # of one chain: to draw and load another takes as long as a short run
# Fault kinds that a search leaves out, with magnitudes.
NOT_SEARCHED: dict[str, tuple[dict[str, Any], ...]] = {
    "refuse": ({}, {"share": "50%"}),
    "cut_after": ({"after": "80B"}, {"after": "80B", "share": "50%"}),
    "slow_close": ({"delay": "500ms"},),
    "slice": ({"size": "16B", "delay": "20ms"},),
    "bandwidth": ({"rate": "1kB/s"},),
    "duplicate_request": ({"copies": 2, "after": "100ms"}, {"copies": 3, "after": "0s"}),
    "rate_limit": ({"rate": "5/s"}, {"rate": "2/s", "retry_after": "1s"}),
    "wrong_answer": (
        {"says": "declined"},
        {"says": "approved"},
        # As repeats are refused, and as they are not.
        {"says": "declined", "code": "94"},
        {"says": "declined", "code": "43"},
    ),
    "gray": ({"share": "50%"},),
}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A chain and an experiment as they are declared, with the seed of their run."""

    chain: Declared
    experiment: Declared
    seed: int

    def text(self) -> str:
        """Both files, one after the other."""
        return f"# seed {self.seed}\n{as_yaml(self.chain)}---\n{as_yaml(self.experiment)}"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One pair that was played: what the chain recorded, and what the world did."""

    chain: Chain
    played: SimulatedRun
    world: World


def loaded_chain(declared: Declared) -> Chain:
    """The model of a chain. Raises ValueError when the file has a mistake."""
    chain = Chain.model_validate(declared)
    problems = check_chain(chain)
    if problems:
        raise ValueError(str(problems[0]))
    return chain


def loaded_experiment(declared: Declared, chain: Chain) -> Experiment:
    """The model of an experiment. Raises ValueError when it has a mistake."""
    experiment = on_chain(Experiment.model_validate(declared), chain)
    problems = check_experiment(experiment, chain)
    if problems:
        raise ValueError(str(problems[0]))
    return experiment.with_ids()


def on_chain(experiment: Experiment, chain: Chain) -> Experiment:
    """The experiment with the chain's own provider, or a link, in place of somebody's."""
    own = min(chain.providers, default=chain.entries[0])
    return renamed(experiment, used_of({MAPPED: own}, experiment), chain)


def run_pair(pair: Pair, chain: Chain | None = None) -> Outcome:
    """Play a pair in virtual time, watched from the world's side. `chain`: loaded already."""
    chain = chain if chain is not None else loaded_chain(pair.chain)
    experiment = loaded_experiment(pair.experiment, chain)
    with watched(chain) as world, straight(_straight_hops(pair, chain)):
        played = simulate_run(chain, experiment, pair.seed)
    return Outcome(chain=chain, played=played, world=world)


def _straight_hops(pair: Pair, chain: Chain) -> frozenset[str]:
    """The hops that no fault of the pair can meet. Every fourth pair has proxies everywhere."""
    if pair.seed % PROXIED == 0:
        return frozenset()
    targets = [fault.get("target", {}) for fault in pair.experiment["faults"]]
    if not all("link" in target or "call" in target for target in targets):
        return frozenset()
    met = {str(target.get("link") or target["call"]).partition(".")[0] for target in targets}
    return frozenset(
        hop.name for hop in chain.hops() if hop.caller not in met and hop.callee not in met
    )


@contextmanager
def straight(hops: frozenset[str]) -> Iterator[None]:
    """Let these hops go without a proxy: most of a pair's time passes in connections."""
    create = VirtualEngine.create

    def create_or_not(self: VirtualEngine, name: str, upstream: str) -> tuple[str, int]:
        if name not in hops:
            return create(self, name, upstream)
        host, _, port = upstream.rpartition(":")
        return host, int(port)

    VirtualEngine.create = create_or_not  # type: ignore[method-assign]  # for one play
    try:
        yield
    finally:
        VirtualEngine.create = create  # type: ignore[method-assign]  # for one play


def numbered(number: int) -> Pair:
    """The pair of a number: the same on every machine. SCHEDULES numbers share a chain."""
    declared, chain = drawn_chain(number // SCHEDULES)
    experiment = _draw_experiment(Seeded(number), chain, str(declared["currency"]))
    return Pair(chain=declared, experiment=experiment, seed=number)


@contextmanager
def playing_many() -> Iterator[Cycles]:
    """What pairs need that are played one after the other, put in place once for all of them.

    Guards alone take as long as some payments. `collect()` is for the end of each pair, when its
    outcome is gone: its loop, links and connections are cycles.
    """
    with guards_installed(), frozen_memory():
        yield Cycles()


def run_numbered(number: int) -> Outcome:
    """Play the pair of a number."""
    return run_pair(numbered(number), drawn_chain(number // SCHEDULES)[1])


@lru_cache(maxsize=2)
def drawn_chain(number: int) -> tuple[Declared, Chain]:
    """The n-th generated chain, declared and loaded."""
    return _draw_chain(Seeded(-number - 1))


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    """A Hypothesis strategy of pairs."""
    chance = Drawn(draw)
    declared, chain = _draw_chain(chance)
    experiment = _draw_experiment(chance, chain, str(declared["currency"]))
    return Pair(chain=declared, experiment=experiment, seed=draw(st.integers(0, 1_000)))


def _draw_chain(chance: Chance) -> tuple[Declared, Chain]:
    """A chain that the loader takes; what it refuses is drawn again."""
    for _ in range(MAX_DRAWS):
        declared = draw_chain(chance)
        try:
            return declared, loaded_chain(declared)
        except ValueError:
            continue
    raise AssertionError("no drawn chain was valid")


def _draw_experiment(chance: Chance, chain: Chain, currency: str) -> Declared:
    # Up to ten: most of a pair's time passes in payments, and two thousand pairs draw many.
    rate, payments = choose(chance, (20, 10, 40)), some(chance, 8, 16) * 5 // 8
    # More than there are trace numbers, so that they are used again.
    payments += fewest_numbers(chain)
    amounts = {"median": 4_000, "least": 100, "most": 90_000}
    paying_ms = payments * 1000 // rate
    steps = [{"at": "0s", "rate": f"{rate}/s"}, {"at": f"{paying_ms}ms", "rate": "0/s"}]
    declared: Declared = {
        "experiment": "drawn",
        "load": {
            "arrivals": {"steps": steps},
            "warm_up": "0s",
            "before": "0s",
            "after": f"{paying_ms + 100}ms",
            # Names that nobody has to invent: that would take as long as a payment.
            "merchants": {"a shop": "60%", "another shop": "40%"},
            "amounts": {name: amount(minor, currency) for name, minor in amounts.items()},
        },
        "faults": [],
    }
    refusing = [name for name, link in chain.links.items() if link.duplicates is not None]
    if happens(chance, TWICE_WHERE_REFUSED if refusing else TWICE):
        twice = {"share": "30%", "gap": "50ms", "key": choose(chance, ("new", "same"))}
        declared["load"]["twice"] = twice
    if refusing and happens(chance, TURNED):
        # The customer is not told that the payment repeats another one.
        turned = {"wrong_answer": {"says": "declined", "code": choose(chance, ("43", "05"))}}
        target = {"link": choose(chance, refusing)}
        always = {"id": "turned", "at": "0ms", "for": "3000ms", "target": target, **turned}
        declared["faults"] = [always]
    for number in range(1, some(chance, 0, MAX_FAULTS) + 1):
        fault = _draw_fault(chance, chain, number)
        with_it = {**declared, "faults": [*declared["faults"], fault]}
        if not check_experiment(Experiment.model_validate(with_it), chain):
            declared = with_it
    if happens(chance, SCRIPTED):
        with_it = {**declared, "scripts": [draw_script(chance, chain)]}
        if not check_experiment(Experiment.model_validate(with_it), chain):
            declared = with_it
    for load in add_to_load(chance, chain, declared["load"]):
        with_it = {**declared, "load": load}
        if not check_experiment(Experiment.model_validate(with_it), chain):
            declared = with_it
            break
    return _paying_again(chance, chain, _varied(chance, chain, declared))


def _varied(chance: Chance, chain: Chain, declared: Declared) -> Declared:
    """The experiment with one of its faults drawn otherwise, where that is valid."""
    faults = declared["faults"]
    if not faults or not happens(chance, VARIED):
        return declared
    number = chance.integer(len(faults) - 1)
    faults = [*faults[:number], vary(chance, chain, faults[number]), *faults[number + 1 :]]
    varied = {**declared, "faults": faults}
    try:
        loaded_experiment(varied, chain)
    except ValueError:
        return declared
    return varied


def _paying_again(chance: Chance, chain: Chain, declared: Declared) -> Declared:
    """The experiment with customers who pay again after a decline, where that is valid."""
    if not happens(chance, AFTER_DECLINES):
        return declared
    with_it = {**declared, "scripts": with_second_payment(chance, declared.get("scripts", []))}
    is_valid = not check_experiment(Experiment.model_validate(with_it), chain)
    return with_it if is_valid else declared


def _draw_fault(chance: Chance, chain: Chain, number: int) -> dict[str, Any]:
    kind = choose(chance, [*ON_CARDS, *NOT_SEARCHED])
    on_calls = kind not in SEARCHED or SEARCHED[kind].on_calls
    if kind in SEARCHED:
        parameters = SEARCHED[kind].parameters(50 * some(chance, 1, 40))
    else:
        parameters = dict(choose(chance, NOT_SEARCHED[kind]))
    if kind == "crash" and happens(chance, 40):
        parameters = {"forgets": True}
    # A search knows errors in place of the work only.
    if kind == "http_error" and happens(chance, 50):
        parameters = {"status": 500, "after_work": True}
    # Which requests of a payment meet it.
    if issubclass(KINDS[kind], RequestFaultKind) and happens(chance, 30):
        parameters |= choose(chance, ({"first": 1}, {"first": 2}, {"requests": [2]}))
    if issubclass(KINDS[kind], RequestFaultKind):
        parameters |= finer(chance, kind)
    target = {"link": choose(chance, list(chain.links))}
    if on_calls and happens(chance, 50):
        calls = [f"{name}.{call}" for name, link in chain.links.items() for call in link.calls]
        target = {"call": choose(chance, calls)}
    return {
        "id": f"f{number}",
        "at": f"{50 * chance.integer(30)}ms",
        "for": f"{choose(chance, DURATIONS_MS)}ms",
        "target": target,
        kind: parameters,
    }


def written_pair(text: str) -> Pair:
    """A pair as `Pair.text` writes it; lines that begin with # say why it is kept."""
    seed = next(line for line in text.splitlines() if line.startswith("# seed "))
    chain, experiment = yaml.load_all(text, Loader=yaml.BaseLoader)
    return Pair(chain=chain, experiment=experiment, seed=int(seed.removeprefix("# seed ")))
