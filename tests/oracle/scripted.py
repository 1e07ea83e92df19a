"""Failure scripts, drawn at random: what the n-th request of a payment meets, or its customer does.

What the checks of an experiment refuse is left out by the caller.
"""

from __future__ import annotations

from typing import Any

from paychain.model.chain import Chain
from paychain.model.script_checks import operations_at, senders_of
from tests.oracle.chance import Chance, choose, happens, some

Declared = dict[str, Any]
MAX_STEPS = 4
# What a request meets. An answer of another payment or amount is none that a page may show.
MET: tuple[Declared, ...] = (
    {"lost_answer": {}},
    {"slow_answer": {"delay": "1s"}},
    {"http_error": {"status": 503}},
    {"http_error": {"status": 500, "after_work": True}},
    {"late_answer": {"delay": "1500ms"}},
    {"duplicate_answer": {}},
    {"duplicate_request": {"copies": 2, "after": "50ms"}},
    {"malformed": {}},
    {"decline": {"code": "91"}},
    {"decline": {"code": "51"}},
    {"wrong_answer": {"says": "declined"}},
    {"wrong_answer": {"says": "declined", "code": "94"}},
    {"wrong_answer": {"says": "declined", "code": "43"}},
    {"wrong_answer": {"says": "approved"}},
    {"stuck_pending": {}, "for": "1s"},
)
# Of a capture or refund, which no page shows: the answer to another one.
STALE: Declared = {"stale_answer": {}}
OF_WEBHOOKS: tuple[Declared, ...] = (
    {"dropped": {}},
    {"twice": {"after": "200ms"}},
    {"late": {"by": "1s"}},
    {"out_of_order": {}},
    {"before_answer": {}},
)


def draw_script(chance: Chance, chain: Chain) -> Declared:
    """One script for some payments."""
    payments = choose(chance, ({"every": 2}, {"every": 1}, {"every": 3}, {"share": "50%"}))
    steps = [_step(chance, chain) for _ in range(some(chance, 1, MAX_STEPS))]
    return {"payments": payments, "steps": steps}


def with_second_payment(chance: Chance, scripts: list[Declared]) -> list[Declared]:
    """The same scripts, and customers who pay again once they are shown a decline."""
    again = {"after": choose(chance, ("200ms", "1s")), "card": choose(chance, ("another", "same"))}
    step = {"customer": {"pays_again": again}}
    if scripts:
        return [{**script, "steps": [*script["steps"], step]} for script in scripts]
    return [{"payments": choose(chance, ({"every": 1}, {"every": 2})), "steps": [step]}]


def _step(chance: Chance, chain: Chain) -> Declared:
    if happens(chance, 25):
        return {"customer": _customer(chance)}
    senders = senders_of(chain)
    if senders and happens(chance, 25):
        what = choose(chance, OF_WEBHOOKS)
        return {"webhook": choose(chance, senders), "event": some(chance, 1, 3), **what}
    link = choose(chance, list(chain.links))
    step: Declared = {"link": link, "request": some(chance, 1, 3)}
    operations = operations_at(chain, link)
    if operations and happens(chance, 70):
        step["operation"] = choose(chance, operations)
    is_later = step.get("operation") in ("capture", "refund")
    return {**step, **choose(chance, (*MET, STALE) if is_later else MET)}


def _customer(chance: Chance) -> Declared:
    after, key = choose(chance, ("500ms", "150ms", "1s")), choose(chance, ("same", "new"))
    what = choose(chance, ("retry", "presses_twice", "leaves"))
    if what != "leaves":
        return {what: {"after": after, "key": key}}
    # At mocks there is nothing to come back to.
    return {what: {"after": draw_leaving(chance)["after"]}}


def draw_leaving(chance: Chance) -> Declared:
    """When customers leave, and when they are back."""
    leaves: Declared = {"after": choose(chance, ("300ms", "100ms", "1s"))}
    if happens(chance, 60):
        leaves["returns_after"] = choose(chance, ("500ms", "2s"))
    return leaves
