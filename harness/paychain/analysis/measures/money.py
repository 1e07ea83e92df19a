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
        collecting=run.facts.collecting,
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
