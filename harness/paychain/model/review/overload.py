"""Findings about links that carry only so much: what keeps them overloaded.

Shown by: paychain run card-overload overload; paychain run status-checks-storm upi-2025-04-12;
paychain run pix-lookups-retried dict-lockout.
"""

from __future__ import annotations

from collections.abc import Iterator

from paychain.model.chain import Chain
from paychain.model.policy import Call
from paychain.model.review.calls import DeclaredCall, declared_calls
from paychain.model.review.finding import Weakness
from paychain.model.review.paths import calls_in_payment
from paychain.model.review.remedy import Edit
from paychain.payments.cards import SCHEMES

# How a link at its capacity fails its caller: it refuses (503), or answers too late. The links in
# front of it pass that on as a technical decline, or are late themselves.
_REFUSED = frozenset({"rejected", "http_error", "timeout"})
_PASSED_ON = frozenset({"technical", "timeout"})
# How a try fails that the directory has counted, or refuses because it counts.
_COUNTED = frozenset({"rejected", "http_error", "timeout", "malformed"})
_BUDGET = {"share": "10%"}
_CHECKS = 3  # of one payment, as NPCI allows (docs/domain.md §1.8)


def retries_without_budget(chain: Chain) -> Iterator[Weakness]:
    """Retries that grow with the failures of a link that can be overloaded."""
    for declared in declared_calls(chain):
        retry = declared.call.retry
        if retry is None or retry.attempts == 1 or retry.budget is not None:
            continue
        limited = _overloaded(chain, declared)
        if limited is None:
            continue
        capacity = chain.links[limited].capacity
        assert capacity is not None  # it is limited
        yield Weakness(
            kind="retries_without_budget",
            path=declared.at("retry"),
            subject=declared.subject,
            what=f"{declared.subject} makes up to {retry.attempts} attempts regardless of "
            f"failures, and {limited} carries {capacity.concurrency} requests at a time",
            hint="give the retry a budget",
            remedy=Edit(declared.at("retry", "budget"), _BUDGET),
        )


def shared_pool(chain: Chain) -> Iterator[Weakness]:
    """Pools in which one scheme that hangs leaves no room for the others."""
    for declared in declared_calls(chain):
        pool = declared.call.bulkhead
        if pool is None or pool.per != "target":
            continue
        links = (name for name in declared.call.targets if chain.links[name].role == "scheme")
        # Each link has a pool of its own: links of one scheme each share none.
        if all(len(_schemes_at(declared.call, link)) <= 1 for link in links):
            continue
        yield Weakness(
            kind="shared_pool",
            path=declared.at("bulkhead"),
            subject=declared.subject,
            what=f"{declared.subject} has one pool of {pool.size} for the payments of all schemes",
            hint="give each scheme a pool of its own",
            remedy=Edit(declared.at("bulkhead", "per"), "scheme"),
        )


def _schemes_at(call: Call, link: str) -> set[str]:
    """The schemes whose payments a call sends to a link, by the cards that it prefers links for."""
    schemes = set(SCHEMES)
    # What fails elsewhere may be of any scheme.
    if link not in (call.to, *call.preferred) or link in call.routes[1:]:
        return schemes
    here: set[str] = set()
    for preference in call.prefer:
        cards = preference.cards
        fits = schemes.intersection(cards.schemes) if cards and cards.schemes else schemes
        if preference.to == link:
            here |= fits
        # If something else decides, too, some of them go on.
        if cards and not cards.ranges and preference.model_fields_set == {"to", "cards"}:
            schemes = schemes - fits
    return here | schemes if link == call.to else here


def checks_without_limit(chain: Chain) -> Iterator[Weakness]:
    """Status checks that grow with what a link of limited capacity leaves unanswered."""
    for declared in declared_calls(chain):
        call = declared.call
        limited = (name for name in call.targets if chain.links[name].capacity is not None)
        target = next(limited, None)
        if call.on_unknown != "query" or target is None:
            continue
        query, each_s = call.query, (call.query.timeout or call.timeout) + call.query.pause
        most = query.most_tries or int(query.longest_s(call.timeout) / each_s)
        if most <= _CHECKS:
            continue
        yield Weakness(
            kind="checks_without_limit",
            path=declared.at("query"),
            subject=declared.subject,
            what=f"{declared.subject} checks a payment without an answer up to {most} times, and "
            f"{target} has one queue for payments and checks",
            hint="check later and less often",
            remedy=Edit(declared.at("query", "attempts"), _CHECKS),
        )


def lookups_used_up(chain: Chain) -> Iterator[Weakness]:
    """Retries at a directory that counts its lookups, however many fail."""
    for declared in declared_calls(chain):
        retry = declared.call.retry
        if retry is None or retry.attempts == 1 or retry.budget is not None:
            continue
        counted = {name: chain.links[name].lookups for name in declared.call.targets}
        target, lookups = next(((name, each) for name, each in counted.items() if each), ("", None))
        if lookups is None or not _COUNTED.intersection(retry.on):
            continue
        yield Weakness(
            kind="lookups_used_up",
            path=declared.at("retry"),
            subject=declared.subject,
            what=f"{declared.subject} makes up to {retry.attempts} attempts regardless of "
            f"failures, and {target} has {lookups.bucket} lookups; only an approved payment "
            f"brings {lookups.approved} of them back",
            hint="give the retry a budget",
            remedy=Edit(declared.at("retry", "budget"), _BUDGET),
        )


def _overloaded(chain: Chain, declared: DeclaredCall) -> str | None:
    """The nearest link with a capacity whose overload the call tries again; None without one."""
    retry = declared.call.retry
    assert retry is not None  # it tries again
    waiting = [(target, _REFUSED) for target in declared.call.targets]
    seen: set[str] = set()
    while waiting:
        name, failures = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        if chain.links[name].capacity is not None and failures.intersection(retry.on):
            return name
        behind = calls_in_payment(chain, name).values()
        waiting += [(target, _PASSED_ON) for call in behind for target in call.targets]
    return None
