"""What failure scripts make of customers: who follows one, and how such a customer pays.

The links find the script of a payment by the same rules (`services/scripts.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from paychain.load.traffic.plan import LoadPlan

# Each function imports the model where it has a script: a load without scripts needs none of it.
if TYPE_CHECKING:
    from paychain.model.customer_steps import ScriptedSecondPress


def script_of(plan: LoadPlan, number: int, amount_minor: int = 0, masked: str = "") -> str:
    """The script that a payment of the load follows, as the plan has it; "" without one.

    `masked`: its card. Without amount and card, only the number of the payment picks a script.
    """
    for text, script in zip(plan.scripts, plan.failure_scripts(), strict=True):
        chosen = script.payments
        if chosen is None:
            continue
        if chosen.picks_number(plan.seed, script.id, number):
            return text
        if chosen.picks_purchase(amount_minor, masked, plan.currency):
            return text
    return ""


def plan_under(plan: LoadPlan, script: str) -> LoadPlan:
    """The plan as it holds for a customer who follows a script."""
    if not script:
        return plan
    from paychain.model.scripts import decode_script

    followed = decode_script(script)
    retry, leaves = followed.customer("retry"), followed.customer("leaves")
    if retry is not None:
        plan = replace(plan, retry_after_s=retry.after, retry_same_key=retry.key == "same")
    again = followed.customer("pays_again")
    if again is not None:
        plan = replace(plan, pays_again_s=again.after, changes_card=again.card == "another")
    lingers, tampers = followed.customer("lingers"), followed.customer("tampers")
    if lingers is not None:
        plan = replace(plan, lingers_s=lingers.lasts)
    if tampers is not None:
        plan = replace(plan, named_share=tampers.amount)
    if leaves is not None:
        plan = replace(
            plan,
            leaves_share=1.0,
            leaves_after_s=leaves.after,
            returns_after_s=leaves.returns_after,
        )
    return plan


def second_press(script: str) -> ScriptedSecondPress | None:
    """How the customer presses twice; None for one who does not."""
    if not script:
        return None
    from paychain.model.customer_steps import ScriptedSecondPress
    from paychain.model.scripts import decode_script

    pressed = decode_script(script).customer("presses_twice")
    assert pressed is None or isinstance(pressed, ScriptedSecondPress)
    return pressed
