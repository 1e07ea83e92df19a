"""The money of a run: money rules, what each link's book adds up to, and what was completed."""

from __future__ import annotations

import msgspec

from paychain.analysis.measures.files import files
from paychain.analysis.measures.measure import MeasuredRun, measure
from paychain.analysis.measures.measures import MIN_PAYMENTS, MoneyMeasure
from paychain.analysis.measures.payments import phases
from paychain.analysis.money import findings
from paychain.analysis.money.vendor_names import with_vendor_names
from paychain.analysis.store.facts import NOT_UNDERSTOOD
from paychain.model.chain import Chain


@measure("money")
def money(run: MeasuredRun) -> MoneyMeasure:
    """All money rules judged; those about what is left in the end only after the drain.

    None by an incomplete journal: half of a payment's records look like wrong money, and wrong
    money may be in the other half. Neither by customers whose answers nobody understood: what they
    were told is half of every rule.
    """
    why = NOT_UNDERSTOOD if run.facts.misfit else next(iter(run.facts.incomplete), "")
    if why:
        books = findings.unjudged(run.store, run.chain, why)
        return msgspec.structs.replace(books, rules=[*books.rules, *run[files]])
    found = findings.money(
        run.store,
        run.chain,
        is_final=run.is_drained,
        pending=run.facts.pending,
        collecting=[] if _captures_lead_to_more(run.chain) else run.facts.collecting,
    )
    if run.chain.own_services():
        found = msgspec.structs.replace(found, rules=with_vendor_names(run.store, found.rules))
    rules = [*found.rules, *run[files]]
    (approved,) = (phase.approved for phase in run[phases] if phase.kind == "all")
    completed = at_least = None
    if found.uncompleted is not None and approved >= MIN_PAYMENTS:
        completed = 1 - found.uncompleted / approved
        at_least = max(0.0, completed - found.undecided / approved)
    return msgspec.structs.replace(
        found, rules=rules, completed=completed, completed_at_least=at_least
    )


def _captures_lead_to_more(chain: Chain) -> bool:
    """Whether captures, or what follows them, may give money back.

    The last capture of less than is held releases the rest, or its hold expires. What an own
    service does once it hears of a capture, nobody knows before.
    """
    return bool(chain.own_services()) or any(
        link.captures is not None and link.captures.of < 1 for link in chain.links.values()
    )
