"""paychain explore --actions: prints what a search of operators' scripts finds."""

from __future__ import annotations

from paychain.cli.ctrl_c import ctrl_c_between_schedules
from paychain.cli.exit_codes import ExitCode
from paychain.cli.say import say
from paychain.explore.actions import explore_actions
from paychain.explore.spec import SearchSpec
from paychain.payments.rules import RULES


def explore_and_print_actions(spec: SearchSpec) -> ExitCode:
    """Search, and print the shortest script that breaks a rule."""
    with ctrl_c_between_schedules() as check_ctrl_c:
        acted = explore_actions(spec, check_ctrl_c)
    found = acted.found
    if found is not None:
        say(f"✕ {RULES[found.rule].title.lower()}: {found.text}")
        say(*(f"    {step}" for step in found.steps))
    print(
        f"{'searched' if found is not None else 'no sequence of actions broke a rule in'} "
        f"{acted.scripts:,} scripts, in {acted.took_s:.1f} s"
    )
    if acted.was_interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.FAIL if found is not None else ExitCode.PASS
