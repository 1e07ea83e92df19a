"""Findings about breakers that an experiment gives too few calls to judge.

rate at the entries ──> share of it that reaches the caller ──> share for each of its targets
    ──> the most calls in a window ──> fewer than the breaker needs

A breaker counts calls when they end. Those that were sent while a fault let them time out end
beside the quick ones after it: for that moment a window has those of its length and a timeout.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp, inf, sqrt

from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.links_behind import behind
from paychain.model.places import place_of
from paychain.model.policy import Call
from paychain.model.review.calls import DeclaredCall, declared_calls
from paychain.model.review.finding import Weakness
from paychain.model.review.remedy import Edit
from paychain.model.review.times import requests_per_payment

_MARGIN = 2.0  # a breaker should open in half of its window
_RARE = 0.01  # of the windows have more calls than count as the most, where they come at random
_MANY = 500.0  # calls in a window, from which on their spread is that of a normal distribution


@dataclass(frozen=True)
class _Calls:
    """How many calls end in a window: on average at the fastest rate, and nearly always at most.

    `rarest`: the most in any window; that may be one with more than its own payments.
    """

    usual: float
    most: float
    rarest: float

    def times(self, each: int) -> _Calls:
        """With so many calls of each payment."""
        return _Calls(self.usual * each, self.most * each, self.rarest * each)


def breaker_cannot_open(chain: Chain, experiment: Experiment) -> Iterator[Weakness]:
    """Breakers whose window never has the calls that they need to judge.

    Judged at the fastest declared rate, with as many requests of each payment as policies allow,
    for the target that gets the fewest. Where customers pay for an order again, nothing says how
    many payments there are.
    """
    if _pays_again(chain, experiment):
        return
    shares = _Shares(chain, experiment)
    requests = requests_per_payment(chain)
    for declared in declared_calls(chain):
        breaker = declared.call.breaker
        if breaker is None or breaker.consecutive is not None:
            continue
        found: dict[str, _Calls] = {}
        for target in declared.call.targets:
            share = shares.at(declared.link) * shares.of(declared.call, target)
            calls = _in_window(chain, experiment, declared.link, declared.call, share)
            if calls is not None:
                found[target] = calls.times(requests.get(target, 1))
        too_few = {
            target: calls for target, calls in found.items() if calls.most < breaker.minimum_calls
        }
        if too_few:
            yield _weakness(declared, too_few, len(too_few) == len(declared.call.targets))


def _weakness(declared: DeclaredCall, too_few: Mapping[str, _Calls], is_all: bool) -> Weakness:
    breaker = declared.call.breaker
    assert breaker is not None  # it was judged
    by_number = sorted(too_few.items(), key=lambda item: item[1].usual)
    # Where all get too few, no other is any better than the one that gets most.
    target, calls = by_number[-1 if is_all else 0]
    needed = max(1, int(by_number[0][1].usual / _MARGIN))
    where = "" if is_all else f" for {target}"
    window, minimum = breaker.window, breaker.minimum_calls
    can = "hardly ever opens" if calls.rarest >= minimum else "cannot open"
    return Weakness(
        kind="breaker_cannot_open",
        path=declared.at("breaker"),
        subject=declared.subject,
        what=f"the breaker of {declared.subject} {can}{where}: "
        f"{minimum} calls in {window:g} s need {minimum / window:.3g}/s, "
        f"there is {calls.usual / window:.3g}/s",
        hint="lower minimum_calls, lengthen the window, or set consecutive",
        remedy=Edit(declared.at("breaker", "minimum_calls"), needed),
    )


class _Shares:
    """Which share of the payments may reach a link, and each target of a call.

    A preference by share leaves the rest to the call's own target, unless the preferred link may
    fail in the experiment.
    """

    def __init__(self, chain: Chain, experiment: Experiment) -> None:
        self._chain = chain
        places = [place_of(chain, fault) for fault in experiment.faults]
        hops = {hop.name: hop for hop in chain.hops()}
        self._disturbed = {name for place in places for name in place.links} | {
            hops[name].callee for place in places for name in place.hops
        }
        self._known: dict[str, float] = dict.fromkeys(chain.entries, 1.0)

    def at(self, link: str) -> float:
        """The share that may reach a link, over all of its callers."""
        if link not in self._known:
            self._known[link] = 1.0  # for a link that is behind itself
            self._known[link] = min(
                1.0,
                sum(
                    self.at(caller) * self.of(call, link)
                    for caller in self._chain.links
                    for call in self._chain.calls_of(caller).values()
                    if link in call.targets
                ),
            )
        return self._known[link]

    def of(self, call: Call, target: str) -> float:
        """The share of a call's payments that may reach a target.

        Where a link is a fallback as well, or has payments for other reasons than a share, that
        may be all of them.
        """
        chosen = _chosen_by_share(call)
        if target in chosen:
            return chosen[target]
        if target != call.to or call.preferred.count(target) or target in _tenders(call):
            return 1.0
        elsewhere = sum(
            each.share
            for each in call.prefer
            if each.share is not None and each.is_by_share and not self._may_fail(each.to)
        )
        return max(0.0, 1 - elsewhere)

    def _may_fail(self, link: str) -> bool:
        return not self._disturbed.isdisjoint([link, *behind(self._chain.links, link)])


def _tenders(call: Call) -> list[str]:
    return [name for name, _ in call.shared_tenders]


def _chosen_by_share(call: Call) -> dict[str, float]:
    """Links that get a share of the payments and nothing else, by that share."""
    others = [*call.routes, *_tenders(call), *([call.hedge.to] if call.hedge is not None else [])]
    return {
        each.to: each.share
        for each in call.prefer
        if each.share is not None
        and each.when_failing is None
        and each.to not in others
        and call.preferred.count(each.to) == 1
    }


def _pays_again(chain: Chain, experiment: Experiment) -> bool:
    """Whether orders may have more payments than the load has of them."""
    retry = chain.customer.retry
    return (
        experiment.load.twice is not None
        or (retry is not None and retry.key == "new")
        or any(script.pays_again for script in experiment.scripts)
    )


def _in_window(
    chain: Chain, experiment: Experiment, caller: str, call: Call, share: float
) -> _Calls | None:
    """The payments of which a window may have a share; None: nothing limits them."""
    assert call.breaker is not None  # whose window it is
    window_s, load = call.breaker.window, experiment.load
    together_s = window_s + call.timeout
    if load.users is not None and load.think_time is not None:
        think_s = load.think_time.median
        if think_s == 0:
            return None
        # Of one user no two calls end together.
        paid = load.users * (1 + window_s / think_s)
        return _drawn(share, of=paid, rarest=paid)
    if load.arrivals is not None and load.arrivals.replay is not None:
        times = load.arrivals.times
        return _drawn(share, of=_busiest(times, window_s), rarest=_busiest(times, together_s))
    entries = [entry for entry in chain.entries if caller in (entry, *behind(chain.links, entry))]
    lasts_s = experiment.load_lasts
    shapes = [load.corners_at(entry, lasts_s) for entry in entries if load.entries]
    if not load.entries:
        # They are spread over the entries at random.
        shapes = [load.corners(lasts_s)]
        share *= len(entries) / len(chain.entries)
    rate = share * sum(max((rate for _, rate in shape), default=0) for shape in shapes)
    usual = rate * window_s
    if load.spacing == "poisson" or share < 1:
        return _Calls(usual, _most_at_random(usual), inf)
    # A window may have a payment at either end: 1.9/s are 20 of them in 10 s.
    return _Calls(usual, usual + len(shapes), rate * together_s + len(shapes))


def _drawn(share: float, *, of: float, rarest: float) -> _Calls:
    """The calls of payments that each come with this probability. `rarest`: when all of them do."""
    usual = of * share
    most = min(of, _most_at_random(usual)) if share < 1 else of
    return _Calls(usual, most, rarest)


def _busiest(times: Sequence[float], window_s: float) -> int:
    """The most payments of a recorded load within any window."""
    return max(
        (bisect_left(times, at + window_s) - number for number, at in enumerate(times)),
        default=0,
    )


def _most_at_random(mean: float) -> float:
    """As many as hardly any window has more of, where so many come on average (Poisson)."""
    if mean > _MANY:
        return mean + 3 * sqrt(mean)
    number, term = 0, exp(-mean)
    upto = term
    while upto < 1 - _RARE:
        number += 1
        term *= mean / number
        upto += term
    return float(number)
