"""Findings about time: who gives up first, who waits in vain, how retries multiply."""

from __future__ import annotations

from collections.abc import Iterator

from harness.model.chain import Chain
from harness.model.fallback import Split
from harness.model.policy import Call
from harness.model.review.finding import Found
from harness.model.review.paths import calls_in_payment, longest_call_s, longest_work_s

MOST_REQUESTS = 3  # of one payment at one link: what one layer's usual retries make of a call


def timeout_inversions(chain: Chain) -> Iterator[Found]:
    """Calls that time out before their callee does."""
    for link in chain.links:
        for operation, call in calls_in_payment(chain, link).items():
            told = bool(call.passes_deadline)
            works_s = {target: longest_work_s(chain, target, told=told) for target in call.targets}
            target = max(works_s, key=lambda name: works_s[name])
            if call.timeout >= works_s[target]:
                continue
            where, needs = f"{link}.{operation}", _s(works_s[target])
            yield Found(
                "timeout_inversion", _key(link, operation, "timeout"), where,
                f"{where} waits {_s(call.timeout)}, but {target} may need {needs} until it gives "
                "up itself",
                f"make it longer than {needs}, shorten the time-outs of {target}, or declare "
                "passes_deadline",
            )  # fmt: skip


def deadline_too_short(chain: Chain) -> Iterator[Found]:
    """A customer who goes away before the chain has tried all it declares."""
    needs_s = longest_work_s(chain, chain.entry, told=chain.passes_deadline)
    if needs_s <= chain.deadline:
        return
    longest = max(
        (longest_call_s(chain, operation, call), f"{link}.{operation}")
        for link in chain.links
        for operation, call in calls_in_payment(chain, link).items()
        if operation != "forward"
    )
    yield Found(
        "deadline_too_short", ("deadline",), "the customer",
        f"the customer waits {_s(chain.deadline)}, but the time-outs on the way add up to "
        f"{_s(needs_s)}; the longest is {longest[1]} with {_s(longest[0])}",
        "shorten them, or declare passes_deadline: true so that no link works past it",
    )  # fmt: skip


def amplified_retries(chain: Chain) -> Iterator[Found]:
    """The link at which one payment may become the most requests, when these are many.

    Retries under a budget count as one try: that is what a budget is for.
    """
    requests, senders = _requests(chain)
    end = max(requests, key=lambda link: requests[link])  # the nearest of equals
    if requests[end] <= MOST_REQUESTS:
        return
    most = [f"{link}.{operation} sends up to {sends}" for link, operation, sends in senders[end]]
    link, operation, _ = senders[end][0]
    yield Found(
        "amplified_retries", _key(link, operation, ""), f"link {end}",
        f"one payment may become {requests[end]} requests at {end}: {', '.join(most)}",
        "retry at one link of the path only, and give the retry a budget",
    )  # fmt: skip


_Sender = tuple[str, str, int]  # link, operation, most requests of one execution


def _requests(chain: Chain) -> tuple[dict[str, int], dict[str, list[_Sender]]]:
    """Most requests of one payment at each link, and which calls before it make more of one."""
    requests = {chain.entry: 1}
    senders: dict[str, list[_Sender]] = {chain.entry: []}
    for link in _callers_first(chain):
        if link not in requests:  # only reached as another choice of a split
            continue
        for operation, call in calls_in_payment(chain, link).items():
            choices = _one_of_each_split(call)
            most = sum(_sends(call, target) for target in choices)
            for target in choices:
                arriving = requests[link] * _sends(call, target)
                requests[target] = requests.get(target, 0) + arriving
                above = [*senders[link], *([(link, operation, most)] if most > 1 else [])]
                known = senders.setdefault(target, [])
                known += [one for one in above if one not in known]
    return requests, senders


def _sends(call: Call, target: str) -> int:
    """The most requests that one execution of a call sends to one of its targets."""
    has_budget = call.retry is not None and call.retry.budget is not None
    resends = int(call.on_unknown == "resend")
    is_hedge = call.hedge is not None and (call.hedge.to or call.to) == target
    if call.hedge is not None and call.hedge.to == target and target not in call.routes:
        return 1 + resends
    return (1 if has_budget else call.attempts) + resends + is_hedge


def _one_of_each_split(call: Call) -> list[str]:
    """The targets that one execution may reach all of: one link of each split."""
    others = {
        target
        for step in call.fallback
        if isinstance(step, Split)
        for target in list(step.split)[1:]
    }
    return [target for target in call.targets if target not in others]


def _callers_first(chain: Chain) -> list[str]:
    """The links so that every caller comes before those it calls."""
    ordered: list[str] = []

    def visit(link: str) -> None:
        if link in ordered:
            return
        for call in reversed(calls_in_payment(chain, link).values()):
            for target in reversed(call.targets):
                visit(target)
        ordered.append(link)

    visit(chain.entry)
    return ordered[::-1]


def _key(link: str, operation: str, key: str) -> tuple[str | int, ...]:
    """Where a call or a part of it stands; a call that only forwards has no part."""
    if operation == "forward":
        return ("links", link, "forwards_to")
    return ("links", link, "calls", operation, *([key] if key else []))


def _s(seconds: float) -> str:
    return f"{seconds:.4g} s" if seconds >= 1 else f"{seconds * 1000:.4g} ms"
