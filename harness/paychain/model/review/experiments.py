"""Findings that only an experiment and its chain show together."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from paychain.declaration.quantity import seconds_text
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.fallbacks.queue import Queue
from paychain.model.hop import Hop
from paychain.model.links_behind import behind
from paychain.model.operations import TRANSFERS
from paychain.model.places import Place, place_of
from paychain.model.review.calls import (
    DeclaredCall,
    authorising_path,
    declared_calls,
    paying_links,
)
from paychain.model.review.finding import Weakness, of_setting
from paychain.model.review.keys import refuse_duplicates, targets_of
from paychain.model.review.money import last_capture_s, long_enough
from paychain.model.review.remedy import Edit, duration_text
from paychain.model.review.reversals import (
    MIN_PERSISTENCE_S,
    give_up_after,
    is_reversed,
)
from paychain.model.review.stops import down_s, standstill_s, stopped_s

_MARGIN = 2.0  # a reversal, a query or a store should outlast a fault twice


def paid_twice_without_key(chain: Chain, experiment: Experiment) -> Iterator[Weakness]:
    """Orders that the load pays twice, at a link that does not recognise the second payment."""
    twice = experiment.load.twice
    if twice is None or twice.share == 0:
        return
    for name in paying_links(chain):
        link = chain.links[name]
        key, remedy = "an idempotency key of its own", Edit(("load", "twice", "key"), "same")
        if twice.key == "new" and refuse_duplicates(chain, targets_of(chain, name), twice.gap):
            continue
        if twice.key == "same":
            window = link.idempotency.window
            if link.idempotency.model != "none" and (window is None or window > twice.gap):
                continue
            key, remedy = "the same key", Edit(("links", name, "idempotency"), "keyed")
        yield Weakness(
            kind="customer_retry_without_key",
            path=("load", "twice"),
            subject=f"link {name}",
            what=f"{twice.share * 100:.3g} % of the orders are paid a second time under {key}, and "
            f"{name} executes that payment as well",
            hint="one key for each order, recognised where it is paid; or a duplicate window "
            "(duplicates:) where it is authorised",
            remedy=remedy,
            file="experiment",
        )


def reversal_given_up_in_fault(chain: Chain, experiment: Experiment) -> Iterator[Weakness]:
    """Reversals that are given up while the fault that made them necessary is still on."""
    for declared in declared_calls(chain):
        reversal = declared.call.reversal
        if not is_reversed(declared) or reversal.give_up_after < MIN_PERSISTENCE_S:
            continue
        longest_s = _longest_stop(chain, experiment, declared, "void", reversal.timeout)
        if longest_s <= reversal.give_up_after:
            continue
        yield Weakness(
            kind="reversal_given_up_early",
            path=declared.at("reversal"),
            subject=declared.subject,
            what=f"{declared.subject} gives up its reversals after "
            f"{seconds_text(reversal.give_up_after, digits=4)}, and a fault behind it lasts "
            f"{seconds_text(longest_s, digits=4)}",
            hint="repeat reversals for longer than an outage lasts",
            remedy=give_up_after(declared, _MARGIN * longest_s),
        )


def query_given_up_in_fault(chain: Chain, experiment: Experiment) -> Iterator[Weakness]:
    """Queries of unknown outcomes that end while the fault that made them necessary is still on.

    Who lets a wallet send asks on, whatever is declared.
    """
    for declared in declared_calls(chain):
        query = declared.call.query
        if declared.call.on_unknown != "query" or declared.operation in TRANSFERS:
            continue
        asks_s = min(query.shortest_s, query.within if query.within is not None else inf)
        timeout_s = query.timeout if query.timeout is not None else declared.call.timeout
        longest_s = _longest_stop(chain, experiment, declared, "query", timeout_s)
        if longest_s <= asks_s:
            continue
        needed_s = _MARGIN * longest_s
        if query.within == asks_s or "attempts" not in query.model_fields_set:
            change = Edit(declared.at("query", "within"), duration_text(needed_s))
        elif query.attempts > 1:
            pause = duration_text(needed_s / (query.attempts - 1))
            change = Edit(declared.at("query", "pause"), pause)
        else:
            change = Edit(declared.at("query", "first_after"), duration_text(needed_s))
        yield Weakness(
            kind="query_given_up_early",
            path=declared.at("query" if declared.call.declares("query") else "on_unknown"),
            subject=declared.subject,
            what=f"{declared.subject} makes its last query "
            f"{seconds_text(asks_s, digits=4)} after an unknown outcome, and a fault behind it "
            f"lasts {seconds_text(longest_s, digits=4)}",
            hint="query for longer than an outage lasts: as many queries, with longer pauses",
            remedy=change,
        )


def queue_given_up_in_fault(chain: Chain, experiment: Experiment) -> Iterator[Weakness]:
    """Stored requests that are given up while the fault that made them necessary is still on."""
    for declared in declared_calls(chain):
        timeout_s = declared.call.timeout
        longest_s = _longest_stop(chain, experiment, declared, declared.operation, timeout_s)
        for number, step in enumerate(declared.call.fallback):
            if not isinstance(step, Queue):
                continue
            within_s = step.queue.within
            if not MIN_PERSISTENCE_S <= within_s < longest_s:
                continue
            path = declared.at("fallback", number, "queue", "within")
            yield Weakness(
                kind="queue_given_up_early",
                path=path if "within" in step.queue.model_fields_set else path[:-1],
                subject=declared.subject,
                what=f"{declared.subject} gives up what it has stored after "
                f"{seconds_text(within_s, digits=4)}, and a fault behind it lasts "
                f"{seconds_text(longest_s, digits=4)}",
                hint="try to deliver for longer than an outage lasts",
                remedy=Edit(path, duration_text(_MARGIN * longest_s)),
            )


def hold_expires_in_fault(chain: Chain, experiment: Experiment) -> Iterator[Weakness]:
    """Holds that are over before their captures get through a fault, or are due at all."""
    found: set[str] = set()
    for name, gateway in chain.links.items():
        if gateway.captures is None or "authorise" not in chain.calls_of(name):
            continue
        usual_s = last_capture_s(chain, name)
        for holder in authorising_path(chain, name):
            expires_s = chain.links[holder].expires_after
            # What is too short on a good day is said without an experiment.
            if expires_s is None or expires_s <= usual_s or holder in found:
                continue
            longest_s = _captures_wait_s(chain, experiment, name, holder)
            if not longest_s or longest_s + usual_s < expires_s:
                continue
            found.add(holder)
            when = f"captures until {seconds_text(usual_s, digits=4)} after it"
            if gateway.captures.triggers == ("delivery",):
                when = "captures what is final"
            yield of_setting(
                "hold_expires_early",
                holder,
                "expires_after",
                what=f"{holder} holds an authorisation for {seconds_text(expires_s, digits=4)}, "
                f"{name} {when}, and a fault on the way there lasts "
                f"{seconds_text(longest_s, digits=4)}",
                hint="hold for longer than an outage lasts",
                to=long_enough(longest_s + usual_s),
            )


def _captures_wait_s(chain: Chain, experiment: Experiment, gateway: str, holder: str) -> float:
    """Seconds that a fault may keep a gateway's captures from a link that holds the money.

    They wait on the way there, in the gateway while it is down, or for what should trigger them.
    """
    way = {
        name
        for name in authorising_path(chain, gateway)
        if name == holder or holder in behind(chain.links, name, "authorise")
    }
    captures = chain.links[gateway].captures
    assert captures is not None
    is_told = captures.triggers == ("webhook",)

    def is_waited_for(hop: Hop) -> bool:
        if hop.operation == "notify":
            return is_told and hop.callee == gateway
        return hop.operation == "capture" and hop.caller in way and hop.callee in way

    timeout_s = chain.calls_of(gateway)["authorise"].timeout
    waits_s = stopped_s(chain, experiment, is_waited_for, timeout_s)
    waits_s = max(waits_s, down_s(chain, experiment, gateway))
    if captures.triggers != ("delivery",):
        return waits_s
    stands_still = (
        standstill_s(fault, timeout_s)
        for fault in experiment.faults
        if not _delivers(chain, gateway, place_of(chain, fault))
    )
    return max(waits_s, *stands_still, 0.0)


def _delivers(chain: Chain, link: str, place: Place) -> bool:
    """Whether any way from a link to the ledger is open while a fault acts in this place."""
    call = chain.calls_of(link).get("transfer")
    if link in place.links or call is None:
        return link not in place.links
    cut = {hop.callee for hop in chain.hops() if hop.caller == link and hop.name in place.hops}
    return any(to not in cut and _delivers(chain, to, place) for to in call.targets)


def _longest_stop(
    chain: Chain,
    experiment: Experiment,
    declared: DeclaredCall,
    operation: str,
    timeout_s: float,
) -> float:
    """Seconds of the longest time in which a target of a call answers none of these requests.

    What was stored is delivered to the call's own target alone.
    """
    targets = declared.call.targets if operation != declared.operation else [declared.call.to]
    return stopped_s(
        chain,
        experiment,
        lambda hop: (
            (hop.caller, hop.operation) == (declared.link, operation) and hop.callee in targets
        ),
        timeout_s,
    )


def fault_without_traffic(chain: Chain, experiment: Experiment) -> Iterator[Weakness]:
    """A fault on a standby only, in an experiment where nothing makes payments go there."""
    first = _first_choices(chain)
    places = [place_of(chain, fault) for fault in experiment.faults]
    hops = {hop.name: hop for hop in chain.hops()}
    reached = [
        any(name in first for name in place.links)
        or any(
            hops[name].callee in first and hops[name].caller in {*first, "customer"}
            for name in place.hops
        )
        for place in places
    ]
    # Any fault on the usual way may send payments to a standby.
    if any(reached):
        return
    for fault in experiment.faults:
        yield Weakness(
            kind="fault_without_traffic",
            path=("faults", fault.number),
            subject=f"fault {fault.id or fault.kind}",
            what=f"{fault.kind} on {fault.where} meets no traffic: payments go there only when "
            "something else fails, and nothing does",
            hint="also inject a fault into the link it is the standby of",
            remedy=Edit(("faults", fault.number, "target", "link"), _stood_in_for(chain, first)),
            file="experiment",
        )


def _first_choices(chain: Chain) -> set[str]:
    """The links that payments reach while nothing fails."""
    found, waiting = set[str](), [*chain.entries]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        waiting += [
            target
            for call in chain.calls_of(name).values()
            for target in call.targets
            if call.is_first(target)
        ]
        waiting += [
            call.hedge.to
            for call in chain.calls_of(name).values()
            if call.hedge is not None and call.hedge.to is not None
        ]
    return found


def _stood_in_for(chain: Chain, first: set[str]) -> str:
    """The first link that has a standby."""
    for declared in declared_calls(chain):
        if set(declared.call.routes) - first:
            return declared.call.to
    return chain.entries[0]
