"""What few chains declare: trace numbers, capacity, own codes, clocks, finer policies and loads.

It is drawn last, so that a chain without any of it stays as it was. What the loader refuses is
left out or drawn again by the caller.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from paychain.model.chain import Chain
from tests.oracle.chance import Chance, choose, happens, some

Declared = dict[str, Any]
RARELY = 5  # of a hundred places where it may stand
OWN_CODE = "Z7"
CARDS = ("4000-4599", "51-55")
MERCHANTS = ["a shop"]
FEW_NUMBERS = 10
# Status codes that say that nothing was done, and some that say nothing.
STATUSES = (429, 404, 500, 408)


def add_to_chain(chance: Chance, chain: Declared) -> None:
    """Declare some of it in a drawn chain."""
    links: dict[str, Declared] = chain["links"]
    for link in links.values():
        _at_a_link(chance, link)
        for operation, call in link.get("calls", {}).items():
            _in_a_call(chance, call, operation, _targets(call))
    if happens(chance, RARELY):
        meaning = choose(chance, ("business", "technical"))
        chain["codes"] = {OWN_CODE: {"class": meaning, "retry": choose(chance, ("no", "soon"))}}
        for link in links.values():
            if "declines" in link:
                link["declines"]["code"] = OWN_CODE


def _targets(call: Declared) -> list[str]:
    """The links that a call may go to, without its tenders."""
    steps = call.get("fallback", [])
    others = [name for step in steps for name in step.get("split", {step.get("to"): 1})]
    return [call["to"], *(str(name) for name in others if name)]


def _at_a_link(chance: Chance, link: Declared) -> None:
    role = link["role"]
    if role != "edge" and happens(chance, RARELY):
        capacity = {"concurrency": some(chance, 1, 3), "queue": some(chance, 0, 4)}
        link["capacity"] = capacity
    if "idempotency" in link and link["idempotency"] != "none" and happens(chance, 20):
        # Some are shorter than a payment, so that its repeat is a request like any other.
        window = choose(chance, ("1m", "300ms", "1s", "5s"))
        link["idempotency"] = {"model": link["idempotency"], "window": window}
    if "duplicates" in link and happens(chance, 50):
        by = choose(chance, (["card"], ["amount"], ["card", "amount", "merchant"]))
        link["duplicates"] |= {"by": by, "code": choose(chance, ("94", "05"))}
    if "soft_declines" in link and happens(chance, 40):
        link["soft_declines"]["lacking"] = "authentication"
    if "outcomes" in link:
        link["outcomes"] |= choose(chance, ({}, {"attempted": "20%"}))
        if happens(chance, 30):
            link["challenge"] = {"answers_in": {"median": "300ms", "p99": "900ms"}, "fails": "30%"}
    if "webhooks" in link:
        link["webhooks"] |= choose(chance, ({}, {}, *_CLOCKS))


_CLOCKS: tuple[Declared, ...] = (
    {"delay": {"median": "400ms", "p99": "2s"}},
    {"clock_skew": "4s", "max_age": "4200ms", "give_up_after": "2s"},
    {"timeout": "20ms"},
)


def _in_a_call(chance: Chance, call: Declared, operation: str, targets: list[str]) -> None:
    if operation == "authorise" and "tenders" not in call and happens(chance, RARELY):
        # With one digit and no time, the eleventh request has the number of the first.
        call["trace"] = {"digits": choose(chance, (6, 1)), "with_time": bool(chance.integer(1))}
    if happens(chance, RARELY):
        call["propagate_deadline"] = True
        call["min_time_left"] = choose(chance, ("1ms", "500ms", "1500ms"))
    if "breaker" in call and happens(chance, 20):
        finer: tuple[Declared, ...] = (
            {"consecutive": 2},
            {"slow_after": "150ms", "slow_rate": "30%"},
        )
        call["breaker"] |= choose(chance, finer)
    if "bulkhead" in call and happens(chance, 30):
        call["bulkhead"]["per"] = "scheme"
    if "retry" in call and happens(chance, 20):
        waits: tuple[Declared, ...] = (
            {"jitter": "none"},
            {"jitter": "half", "max_backoff": "100ms"},
            {"respects_retry_after": False},
        )
        call["retry"] |= choose(chance, waits)
    if call.get("on_unknown") == "query" and happens(chance, 30):
        asks: tuple[Declared, ...] = (
            {"first_after": "500ms", "pause": "200ms", "within": "3s"},
            {"timeout": "50ms", "attempts": 2, "pause": "100ms"},
            {"breaker": _BREAKER},
        )
        call["query"] = choose(chance, asks)
    if "reversal" in call and "shares_breaker" not in call["reversal"] and happens(chance, 20):
        call["reversal"] |= choose(chance, ({"repeats": "2/s"}, {"breaker": _BREAKER}))
    for step in call.get("fallback", []):
        if "split" in step and happens(chance, 30):
            step["cards"] = {"schemes": ["visa"]}
        elif "cards" in step and happens(chance, 50):
            step["cards"]["ranges"] = [choose(chance, CARDS)]
    others = [name for name in targets if name != call["to"]]
    if operation == "authorise" and others and "prefer" not in call and "hedge" not in call:
        _prefer(chance, call, others)


_BREAKER: Declared = {"consecutive": 2, "open_for": "500ms", "minimum_calls": 3}


def _prefer(chance: Chance, call: Declared, others: list[str]) -> None:
    """Some payments go elsewhere first, by their amount or their merchant."""
    if not happens(chance, RARELY):
        return
    conditions: tuple[Declared, ...] = (
        {"merchants": MERCHANTS},
        {"amount": {"from": "40"}},
        {"cards": {"schemes": ["visa"], "ranges": ["40-45"]}},
    )
    call["prefer"] = [{"to": choose(chance, others), **choose(chance, conditions)}]


def add_to_load(chance: Chance, chain: Chain, load: Declared) -> Iterator[Declared]:
    """Loads with something else in it, each to be tried."""
    if happens(chance, RARELY):
        yield {**load, "spacing": "poisson"}
    if happens(chance, RARELY):
        yield {**load, "schemes": {"visa": "50%", "mastercard": "30%", "amex": "20%"}}
    if happens(chance, RARELY):
        small = {"median": "10", "least": "1", "most": "20"}
        other = {"share": "50%", "amounts": small}
        yield {**load, "merchants": {"a shop": "50%", "another shop": other}}
    if len(chain.entries) > 1 and happens(chance, 50):
        rest = {key: value for key, value in load.items() if key != "arrivals"}
        each = dict.fromkeys(chain.entries, load["arrivals"])
        yield {**rest, "entries": each}


def fewest_numbers(chain: Chain) -> int:
    """How many trace numbers the caller has that uses them again the soonest; 0: none ever does."""
    calls = [call for link in chain.links.values() for call in link.calls.values()]
    numbers = [call.trace.numbers for call in calls if call.trace is not None]
    return min((count for count in numbers if count <= FEW_NUMBERS), default=0)


def finer(chance: Chance, kind: str) -> Declared:
    """Parameters that make a fault of a kind act on some requests only, or otherwise."""
    if not happens(chance, 20):
        return {}
    only = choose(chance, ({"schemes": ["visa"]}, {"merchants": MERCHANTS}, {"ranges": ["4"]}))
    options: list[Declared] = [{"only": only}, {"share": "40%"}]
    if kind == "http_error":
        options += [{"status": choose(chance, STATUSES), "after_work": False}]
        options += [{"status": 429, "after_work": False, "retry_after": "1s"}]
    return choose(chance, options)
