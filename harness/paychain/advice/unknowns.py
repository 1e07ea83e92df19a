"""What clears up outcomes that nobody knows: where reversals were lost, or nobody asked again."""

from __future__ import annotations

from paychain.advice.case import Case, with_further
from paychain.analysis.measures.measures import MoneyRule
from paychain.model.chain import Chain
from paychain.model.customer import CustomerRetry
from paychain.model.operations import CUSTOMER
from paychain.model.review.calls import declared_calls
from paychain.model.review.keys import customer_retry_without_key
from paychain.model.review.paths import longest_work_s
from paychain.model.review.remedy import Edit, Remedy, duration_within
from paychain.model.review.reversals import is_reversed


def reversals_on_disk(rule: MoneyRule, case: Case, found: list[Remedy]) -> list[Remedy]:
    """Links that lost the reversals in their memory when they crashed keep them on disk."""
    chain = case.chain.model
    reversing = {
        declared.link
        for declared in declared_calls(chain)
        if is_reversed(declared) or declared.call.compensates
    }
    further = [
        case.remedy(Edit(("links", name, "outbox"), "disk"), of=rule.rule, at=name)
        for name in sorted(reversing.intersection(case.crashed))
        if chain.links[name].outbox != "disk"
    ]
    return with_further(found, further)


def claims_cleared_up(rule: MoneyRule, case: Case, found: list[Remedy]) -> list[Remedy]:
    """Own services whose code left an outcome unknown, and claims no more, clear it up."""
    chain = case.chain.model
    own, further = chain.own_services(), dict[str, Remedy]()
    for unknown in rule.unknown:
        if unknown.caller not in own or unknown.operation != "authorise":
            continue
        call = chain.links[unknown.caller].calls.get("authorise")
        claims = call.claims if call is not None else None
        if call is None or (claims is not None and claims.on_unknown not in (None, "give_up")):
            continue
        at = ("links", unknown.caller, "calls", "authorise", "claims", "on_unknown")
        remedy = case.remedy(Edit(at, "reverse"), of=rule.rule, at=unknown.call)
        further.setdefault(unknown.call, remedy)
    return with_further(found, list(further.values()))


def customers_asking(rule: MoneyRule, case: Case, found: list[Remedy]) -> list[Remedy]:
    """Customers who were not told the outcome ask again."""
    if all(unknown.caller != CUSTOMER for unknown in rule.unknown):
        return found
    return with_further(found, asked_again(rule.rule, case))


def asked_again(of: str, case: Case) -> list[Remedy]:
    """Customers who ask again for what they were not told, where that cannot pay a second time."""
    chain = case.chain.model
    customer = chain.customer
    is_own = not chain.own_services().keys().isdisjoint(chain.entries)
    if is_own or customer.retry is not None or customer.leaves is not None:
        return []
    after = _latest_retry(chain)
    if after is None:
        return []
    retry = CustomerRetry.model_validate({"after": after})
    asking = customer.model_copy(update={"retry": retry})
    if any(customer_retry_without_key(chain.model_copy(update={"customer": asking}))):
        return []
    return [case.remedy(Edit(("customer", "retry"), {"after": after}), of=of, at=CUSTOMER)]


def _latest_retry(chain: Chain) -> str | None:
    """When to ask again: as many outages as possible are over, and any answer is still in time.

    None where no moment is both: what is asked before half of the deadline is asked once more after
    it, and that try, which is the last one, would be cut short.
    """
    longest_s = max(longest_work_s(chain, entry) for entry in chain.entries)
    if longest_s > chain.deadline / 2:
        return None
    return duration_within(chain.deadline - longest_s)
