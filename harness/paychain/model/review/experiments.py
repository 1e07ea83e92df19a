"""Findings that only an experiment and its chain show together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf

from paychain.declaration.quantity import seconds_text
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.fallbacks.queue import Queue
from paychain.model.operations import TRANSFERS
from paychain.model.places import Place, place_of
from paychain.model.review.calls import (
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
        longest_s = _longest_fault(chain, experiment, declared.call.targets)
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
        longest_s = _longest_fault(chain, experiment, declared.call.targets)
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
        longest_s = _longest_fault(chain, experiment, [declared.call.to])
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
    """Holds that are over before what they pay for is final, when its way stands still so long."""
    found: set[str] = set()
    for name, gateway in chain.links.items():
        if gateway.captures is None or gateway.captures.triggers != ("delivery",):
            continue
        longest_s = max(
            (
                fault.lasts
                for fault in experiment.faults
                if not _delivers(chain, name, place_of(chain, fault))
            ),
            default=0.0,
        )
        last_s = longest_s + last_capture_s(chain, name)
        for holder in authorising_path(chain, name):
            expires_s = chain.links[holder].expires_after
            # What is too short on a good day is said without an experiment.
            if expires_s is None or not last_s - longest_s < expires_s <= last_s:
                continue
            if longest_s == 0 or holder in found:
                continue
            found.add(holder)
            yield of_setting(
                "hold_expires_early",
                holder,
                "expires_after",
                what=f"{holder} holds an authorisation for {seconds_text(expires_s, digits=4)}, "
                f"{name} captures what is final, and a fault on the way there lasts "
                f"{seconds_text(longest_s, digits=4)}",
                hint="hold for longer than the ledger can be out of reach",
                to=long_enough(last_s),
            )


def _delivers(chain: Chain, link: str, place: Place) -> bool:
    """Whether any way from a link to the ledger is open while a fault acts in this place."""
    call = chain.calls_of(link).get("transfer")
    if link in place.links or call is None:
        return link not in place.links
    cut = {hop.callee for hop in chain.hops() if hop.caller == link and hop.name in place.hops}
    return any(to not in cut and _delivers(chain, to, place) for to in call.targets)


def _longest_fault(chain: Chain, experiment: Experiment, targets: Sequence[str]) -> float:
    """Seconds of the longest fault that one of these links may have; 0 without one."""
    longest_s = 0.0
    for fault in experiment.faults:
        place = place_of(chain, fault)
        callees = {hop.callee for hop in chain.hops() if hop.name in place.hops}
        if callees.union(place.links).intersection(targets):
            longest_s = max(longest_s, fault.lasts)
    return longest_s


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
