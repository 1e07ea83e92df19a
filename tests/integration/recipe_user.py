"""Uses everything new that the recipes test registered; prints what it saw as JSON.

python recipe_user.py CHAIN EXPERIMENT
"""

from __future__ import annotations

import json
import sys

from paychain.board.switches import places_of
from paychain.engine.ability import unsupported
from paychain.explore.schedules import fault_choices
from paychain.model.loading import load_chain, load_experiment
from paychain.payments.rules import RULES
from paychain.report.outputs import OUTPUTS
from paychain.testing.explore import explore_chain


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
            }
        )
    )


if __name__ == "__main__":
    main()
