"""What must hold of failure scripts: clear steps, links that exist and can do what is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from paychain.declaration.problem import Problem, unknown
from paychain.declaration.quantity import seconds_text
from paychain.declaration.text import KeyPath
from paychain.faults.kind import RequestFaultKind
from paychain.faults.kinds import KINDS
from paychain.model.chain import Chain
from paychain.model.codes import check_decline_code
from paychain.model.customer_steps import CustomerStep
from paychain.model.paid_at import ways_to_pay
from paychain.model.pays_checks import check_returning
from paychain.model.roles import ROLES
from paychain.model.scripts import Script, ScriptStep, step_place
from paychain.model.webhook_steps import WEBHOOK_KINDS

# Keys of a fault that a step says otherwise: it is for one request of one payment already.
_NOT_IN_STEPS = {
    "first": "request: says which request it is",
    "requests": "request: says which request it is",
    "share": "payments: of the script says which payments follow it",
    "only": "payments: of the script says which payments follow it",
}
_OF_LINKS = ("operation", "request", "lasts")
_OF_OWN_SERVICES = ("authorise", "capture", "void", "refund", "query")


def check_scripts(scripts: Sequence[Script], chain: Chain | None) -> Iterator[Problem]:
    """Mistakes in the scripts of an experiment. Without a chain, links are not checked."""
    ids = Counter(script.id for script in scripts if script.id)
    for number, script in enumerate(scripts):
        at: KeyPath = ("scripts", number)
        if script.id and ids[script.id] > 1:
            yield Problem((*at, "id"), f"duplicate script id '{script.id}'", "rename one")
        yield from _check_chosen(script, at)
        yield from check_steps(script, number, chain)


def check_steps(script: Script, number: int, chain: Chain | None) -> Iterator[Problem]:
    """Mistakes in the steps of one script. `number`: its place in the file, from 0."""
    seen: Counter[str] = Counter()
    for place, step in enumerate(script.steps):
        at = step_place(number, place)
        unclear = list(_unclear(step, at))
        yield from unclear
        if unclear:
            continue
        yield from _check_repeated(step, script.steps[:place], at)
        if step.customer is not None:
            if script.is_by_header:
                what = "a header is known at the provider, where the customer has paid already"
                yield Problem((*at, "customer"), what, "choose the payments by amount or card")
            seen[step.kind] += 1
            if seen[step.kind] > 1:
                what = f"the customer has {step.kind} in an earlier step"
                yield Problem((*at, "customer"), what, "keep one of them")
            yield from _check_customer(step, chain, at)
        elif step.webhook is not None:
            yield from _check_webhook(step, chain, at)
        else:
            yield from _check_link(step, chain, at)
    yield from _check_retry_after_leaving(script, number)


def _check_retry_after_leaving(script: Script, number: int) -> Iterator[Problem]:
    """Who has left does not pay again."""
    retry, leaves = script.customer("retry"), script.customer("leaves")
    if retry is None or leaves is None or retry.after < leaves.after:
        return
    place = next(
        place
        for place, step in enumerate(script.steps)
        if step.customer is not None and step.customer.retry is not None
    )
    what = f"the customer has left before, after {seconds_text(leaves.after, digits=4)}"
    at: KeyPath = (*step_place(number, place), "customer", "retry", "after")
    yield Problem(at, what, "shorten it, or let the customer leave later")


def _check_chosen(script: Script, at: KeyPath) -> Iterator[Problem]:
    if script.payments is None:
        yield Problem(at, "'payments' is missing", "add payments: {every: 20}")
    elif len(script.payments.given()) != 1:
        hint = "give exactly one of every, share, amount, card, header"
        yield Problem((*at, "payments"), "a script is for one kind of payments", hint)


def _unclear(step: ScriptStep, at: KeyPath) -> Iterator[Problem]:
    """Why a step does not say one thing: then nothing else of it can be checked."""
    subjects = step.subjects()
    if len(subjects) != 1:
        what = f"a step is for one thing, not for {' and '.join(subjects) or 'nothing'}"
        yield Problem(at, what, "give exactly one of link, webhook, customer")
        return
    subject = subjects[0]
    faults, webhooks = step.chosen, step.webhook_kinds()
    if subject != "link":
        misplaced = [*faults, *(key for key in _OF_LINKS if _is_given(step, key))]
        yield from _misplaced(misplaced, "is for a request at a link", "add link:", at)
    if subject != "webhook":
        misplaced = [*webhooks, *(["event"] if _is_given(step, "event") else [])]
        yield from _misplaced(misplaced, "is for a webhook", "add webhook:", at)
    if step.customer is not None and len(step.customer.given()) != 1:
        hint = f"give exactly one of {', '.join(CustomerStep.model_fields)}"
        yield Problem((*at, "customer"), "a step has exactly one customer action", hint)
    if subject == "link" and len(faults) != 1:
        what = "a step at a link needs what the request meets"
        if faults:
            what = f"two kinds: {', '.join(faults)}"
        yield Problem(at, what, "give exactly one, such as lost_answer: {}")
    if subject == "webhook" and len(webhooks) != 1:
        hint = f"give exactly one of {', '.join(WEBHOOK_KINDS)}"
        yield Problem(at, "a step about a webhook says what happens to it", hint)


def _check_repeated(
    step: ScriptStep, before: Sequence[ScriptStep], at: KeyPath
) -> Iterator[Problem]:
    """One thing happens to a webhook, and one thing of a kind to a request."""
    same = [other for other in before if not list(_unclear(other, at)) and step.is_about(other)]
    if same and step.webhook is not None:
        what = "an earlier step is about the same webhook"
        yield Problem(at, what, "keep one of them, or give one another event:")
    elif any(other.kind == step.kind for other in same):
        what = f"an earlier step has {step.kind} for the same request"
        yield Problem(at, what, "keep one of them, or give one another request:")


def _is_given(step: ScriptStep, key: str) -> bool:
    return key in step.model_fields_set


def _misplaced(keys: Iterable[str], what: str, hint: str, at: KeyPath) -> Iterator[Problem]:
    for key in keys:
        name = "for" if key == "lasts" else key
        yield Problem((*at, name), f"{name} {what}", f"remove it, or {hint}")


def _check_link(step: ScriptStep, chain: Chain | None, at: KeyPath) -> Iterator[Problem]:
    """A kind for one request, at a mock that supports it, for an operation that it serves."""
    parameters = step.parameters_of(step.kind)
    if not isinstance(parameters, RequestFaultKind):
        able = [name for name, kind in KINDS.items() if issubclass(kind, RequestFaultKind)]
        what = f"{step.kind} is not about one request"
        hint = f"use one of {', '.join(able)}; or declare it under faults:"
        yield Problem((*at, step.kind), what, hint)
        return
    for key, hint in _NOT_IN_STEPS.items():
        if key in parameters.model_fields_set:
            yield Problem((*at, step.kind, key), f"{key} does not belong in a step", hint)
    if parameters.holds_requests and step.lasts is None:
        what = f"the step does not say how long the request stays {step.kind}"
        yield Problem(at, what, "add for: such as 5s")
    if step.lasts is not None and not parameters.holds_requests:
        what = f"{step.kind} is over with its request"
        yield Problem((*at, "for"), what, "remove for:")
    yield from parameters.problems((*at, step.kind))
    if chain is None:
        return
    for key, code in parameters.decline_codes.items():
        yield from check_decline_code((*at, step.kind, key), code, chain.codes)
    assert step.link is not None, "the step is for a link"
    yield from _check_place(step, parameters, chain, step.link, at)


def _check_place(
    step: ScriptStep, parameters: RequestFaultKind, chain: Chain, name: str, at: KeyPath
) -> Iterator[Problem]:
    """A mock of the chain that can do what is asked, to requests that it gets."""
    if name not in chain.links:
        yield unknown((*at, "link"), "link", name, chain.links)
        return
    link = chain.links[name]
    if link.service is not None:
        behind = [each for each in chain.callees_of(name) if chain.links[each].service is None]
        hint = f"name the mock behind it ({behind[0]})" if behind else "name a mock"
        what = f"{name} is an own service: only a mock can be made to do {step.kind}"
        yield Problem((*at, "link"), what, hint)
        return
    limitation = parameters.limitation(name, link)
    if limitation is not None:
        yield Problem((*at, step.kind), *limitation)
    if parameters.needs_payments and ROLES[link.role].only_forwards:
        what = f"{name} only forwards bytes: it cannot have {step.kind}"
        yield Problem((*at, "link"), what, "use a kind that needs no payment, such as http_error")
    known = operations_at(chain, name)
    if step.operation is not None and step.operation not in known:
        yield unknown((*at, "operation"), "operation", step.operation, known)


def operations_at(chain: Chain, link: str) -> list[str]:
    """The operations that a mock is called for in this chain, each once, in declared order."""
    own = chain.own_services()
    found: dict[str, None] = {}
    for hop in chain.hops():
        if hop.callee == link:
            found[hop.operation] = None
            # An own service has one hop for all that it may ask.
            found |= dict.fromkeys(_OF_OWN_SERVICES if hop.caller in own else ())
    return list(found)


def _check_webhook(step: ScriptStep, chain: Chain | None, at: KeyPath) -> Iterator[Problem]:
    if chain is None:
        return
    assert step.webhook is not None, "the step is about a webhook"
    if step.webhook not in chain.links:
        yield unknown((*at, "webhook"), "link", step.webhook, chain.links)
        return
    link = chain.links[step.webhook]
    if link.webhooks is None or link.service is not None:
        senders = senders_of(chain)
        what = f"{step.webhook} sends no webhooks"
        hint = f"name one of {', '.join(senders)}" if senders else "add webhooks: to the link"
        yield Problem((*at, "webhook"), what, hint)
    operation, known = step.webhook_kind.waits_for_request, operations_at(chain, step.webhook)
    if operation and operation not in known:
        yield unknown((*at, step.kind, "operation"), "operation", operation, known)


def senders_of(chain: Chain) -> list[str]:
    """The mocks that send webhooks."""
    return [
        name
        for name, link in chain.links.items()
        if link.webhooks is not None and link.service is None
    ]


def _check_customer(step: ScriptStep, chain: Chain | None, at: KeyPath) -> Iterator[Problem]:
    """What a customer does happens before the deadline."""
    assert step.customer is not None, "the step is the customer's"
    if chain is None:
        return
    does = getattr(step.customer, step.kind)
    leaves = step.customer.leaves
    if leaves is not None and leaves.returns_after is not None:
        yield from check_returning(chain, (*at, "customer", "leaves", "returns_after"))
    if step.kind in ("lingers", "tampers"):
        yield from _check_later_requests(step, chain, (*at, "customer", step.kind))
    # Who sees a decline, or has the service's answer, may take any time.
    elif step.kind != "pays_again" and does.after >= chain.deadline:
        what = f"the customer waits {chain.deadline:g} s at most (deadline)"
        yield Problem((*at, "customer", step.kind, "after"), what, "shorten it")


def _check_later_requests(step: ScriptStep, chain: Chain, at: KeyPath) -> Iterator[Problem]:
    """Customers send more than one request, and later ones name the amount that is to be wrong."""
    ways = [pays for pays in ways_to_pay(chain) if not pays.by]
    if not ways:
        what = "no customer of this chain sends a second request"
        yield Problem(at, what, "it is for an own service whose pays: has steps:")
    elif step.kind == "tampers" and not any(pays.names_amount_again for pays in ways):
        what = "customers name the amount once, or not in their first request"
        yield Problem(at, what, "remove it: the service can only believe what they name")
