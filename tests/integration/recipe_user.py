"""Uses everything new that the recipes test registered; prints what it saw as JSON.

python recipe_user.py CHAIN EXPERIMENT STORES: the last one is a chain that stores payments
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from paychain.advice.advise import rule_with_remedies
from paychain.advice.case import Case
from paychain.analysis import doubts
from paychain.analysis.measures.measure import MeasuredRun
from paychain.analysis.measures.measures import MoneyRule
from paychain.board.switches import places_of
from paychain.engine.ability import unsupported
from paychain.explore.schedules import fault_choices
from paychain.model.loading import load_chain, load_experiment
from paychain.payments.journal import DecisionKind, Stall
from paychain.payments.rules import RULES
from paychain.report.outputs import OUTPUTS
from paychain.testing.explore import explore_chain
from tests.support.observed_runs import ObservedRun, decisions
from tests.support.recorded import CHAIN, Recorded, ns


def reused_keys() -> list[str]:
    """Whose keys the second of two payments is said to have used, of an own service."""
    run = ObservedRun()
    for payment, at_s in (("p1", 1.0), ("p2", 3.0)):
        run.pay(payment, at_s)
        run.asked(payment, at_s + 0.1, key="k1")
    with tempfile.TemporaryDirectory() as folder:
        of_second = decisions(run.store(Path(folder)), "p2")
    return sorted(each.detail for each in of_second if each.kind is DecisionKind.KEY_REUSED)


def questions() -> list[str]:
    """What a run leaves open in which a process stalled while a fault was on."""
    run = Recorded(ends_s=20)
    for number in range(20):
        run.pay(number, "approved")
    run.fault("cut", 5, 9)
    run.records.append(Stall("mock services", ns(4), ns(8)))
    measured = MeasuredRun(run.store(), CHAIN, run.experiment(), run.facts())
    return doubts.questions(measured)


def remedies(chain: str) -> list[tuple[str, str, str]]:
    """What to change in a chain whose books do not agree."""
    broken = MoneyRule("books_agree", "Books of all links agree", 1, 1_000, [])
    advised = rule_with_remedies(broken, Case(chain=load_chain(chain)))
    return [(each.of, each.action, each.key) for each in advised.remedies]


def main() -> None:
    """Load, open the switches, search."""
    chain = load_chain(sys.argv[1]).model
    experiment = load_experiment(sys.argv[2], chain).model
    switches = {
        place.name: [toggle.kind for toggle in place.toggles]
        for place in places_of(chain, "embedded")
    }
    meanings = {
        toggle.kind: toggle.meaning
        for place in places_of(chain, "embedded")
        for toggle in place.toggles
    }
    searched = explore_chain(sys.argv[1], schedules=5, payments=5, rules=["books_match"])
    print(
        json.dumps(
            {
                "switches": switches,
                "meanings": meanings,
                "refused": {
                    fault.kind: unsupported(fault, "toxiproxy") for fault in experiment.faults
                },
                "searchable": sorted({choice.kind for choice in fault_choices(chain)}),
                "schedules": searched.schedules,
                "rules": list(RULES),
                "outputs": list(OUTPUTS),
                "reused keys": reused_keys(),
                "questions": questions(),
                "remedies": remedies(sys.argv[3]),
            }
        )
    )


if __name__ == "__main__":
    main()
