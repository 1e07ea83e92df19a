"""Findings about time: who gives up first, who waits in vain, how retries multiply.

Source: docs/domain.md §1.7 (budget rule) and §0.8.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from paychain.declaration.quantity import duration_seconds, seconds_text
from paychain.declaration.text import KeyPath
from paychain.model.chain import Chain
from paychain.model.fallbacks.split import Split
from paychain.model.ledger_checks import finality_s, transfer_s
from paychain.model.named_calls import operation_of
from paychain.model.operations import TRANSFERS
from paychain.model.policy import Budget, Call
from paychain.model.review.accounts import answer_in_time, longest_transfer_s
from paychain.model.review.calls import declared_calls, with_call
from paychain.model.review.finding import Weakness, accept
from paychain.model.review.paths import (
    calls_in_payment,
    exceeds,
    longest_wait_s,
    longest_work_s,
    typical_work_s,
)
from paychain.model.review.remedy import Edit, duration_between, duration_text
from paychain.model.review.sooner import answers_within, patience

MAX_REQUESTS = 3  # of one payment at one link: the usual retries of a single link


def timeout_inversions(chain: Chain) -> Iterator[Weakness]:
    """Calls that time out before their callee does, or before a wallet's transfer is final."""
    patience_s = patience(chain)
    for link in chain.links:
        for operation, call in calls_in_payment(chain, link).items():
            works_s = {
                target: longest_work_s(chain, target, has_deadline=bool(call.propagate_deadline))
                for target in call.targets
            }
            finals_s = {
                target: transfer_s(chain)
                for target in call.targets
                if operation in TRANSFERS and chain.links[target].role == "wallet"
            }
            works_s = {name: max(took_s, finals_s.get(name, 0)) for name, took_s in works_s.items()}
            target = max(works_s, key=lambda name: works_s[name])
            end = "answers" if works_s[target] == finals_s.get(target) else "gives up"
            if not exceeds(works_s[target], call.timeout):
                continue
            where, needs = f"{link}.{operation}", _s(works_s[target])
            longer = _longer(chain, link, operation, works_s[target], patience_s[link])
            fits = longer is not None and _is_in_time(chain, link, operation, longer, patience_s)
            yield Weakness(
                kind="timeout_inversion",
                path=_key(chain, link, operation, "timeout"),
                subject=where,
                what=f"{where} waits {_s(call.timeout)}, but {target} may take {needs} before it "
                f"{end}",
                hint=("" if longer is None else f"set it above {needs}, ")
                + f"shorten the timeouts of {target}, or set propagate_deadline: true",
                remedy=(longer if fits else None)
                or _sooner(chain, link, operation, target, patience_s[target])
                or accept("timeout_inversion", where),
                in_code=longer,
            )


def _longer(
    chain: Chain, link: str, operation: str, needs_s: float, patience_s: float
) -> Edit | None:
    """A timeout that is long enough, where those before the link and its rail wait for so long.

    `forwards_to` has none: it waits as long as the customer does.
    """
    if (
        operation not in chain.links[link].calls
        or exceeds(needs_s, patience_s)
        or _is_too_long(chain, link, operation, needs_s)
    ):
        return None
    path = _key(chain, link, operation, "timeout")
    return Edit(path, duration_between(needs_s, patience_s))


def _is_in_time(
    chain: Chain, link: str, operation: str, longer: Edit, patience_s: Mapping[str, float]
) -> bool:
    """Whether a link with a longer timeout still answers in time, with all of its tries."""
    call = chain.links[link].calls[operation]
    waiting = call.model_copy(update={"timeout": duration_seconds(longer.value)})
    changed = with_call(chain, link, operation, waiting)
    return not exceeds(longest_work_s(changed, link), patience_s[link])


def _sooner(chain: Chain, link: str, operation: str, target: str, patience_s: float) -> Edit | None:
    """How the target answers while the link waits: by a shorter timeout, or by the deadline.

    `patience_s`: how long everyone before the target waits.
    """
    within_s = calls_in_payment(chain, link)[operation].timeout
    works_s = longest_work_s(chain, target)
    if _is_too_long(chain, link, operation, works_s):
        return answer_in_time(chain, target)
    if not exceeds(works_s, within_s):
        return None  # it waits for a ledger, which no timeout makes quicker
    # Best in time for all that wait for the target.
    all_s = min(within_s, patience_s)
    shorter = answers_within(chain, target, all_s) or answers_within(chain, target, within_s)
    return shorter or _with_deadline(chain, target, within_s)


def _with_deadline(chain: Chain, target: str, within_s: float) -> Edit | None:
    """The deadline passed on, where that is enough; an own service does not know of it."""
    passing = chain.model_copy(update={"propagate_deadline": True})
    if exceeds(longest_work_s(passing, target, has_deadline=True), within_s):
        return None
    return Edit(("propagate_deadline",), True)


def _is_too_long(chain: Chain, link: str, operation: str, timeout_s: float) -> bool:
    """Whether a link that waits so long for a transfer would miss a limit of its rail."""
    limit_s = longest_transfer_s(chain, link) if operation in TRANSFERS else None
    return limit_s is not None and timeout_s > limit_s


def deadline_too_short(chain: Chain) -> Iterator[Weakness]:
    """A customer who gives up before the chain has tried everything it declares."""
    needs_s = max(
        longest_work_s(chain, entry, has_deadline=chain.propagate_deadline)
        for entry in chain.entries
    )
    final_s = finality_s(chain)
    if final_s > max(needs_s, chain.deadline):
        yield Weakness(
            kind="deadline_too_short",
            path=("deadline",),
            subject="the customer",
            what=f"the customer waits {_s(chain.deadline)}, and a transfer over {chain.network} "
            f"takes up to {_s(final_s)} until it is final",
            hint="wait longer, or accept that payments are pending at first",
            remedy=Edit(("deadline",), duration_text(final_s)),
        )
        return
    if needs_s <= chain.deadline:
        return
    longest = max(
        (longest_wait_s(chain, link, operation, call), f"{link}.{operation}")
        for link in chain.links
        for operation, call in calls_in_payment(chain, link).items()
        if operation != "forward"
    )
    yield Weakness(
        kind="deadline_too_short",
        path=("deadline",),
        subject="the customer",
        what=f"the customer waits {_s(chain.deadline)}, but the timeouts on the way add up to "
        f"{_s(needs_s)}; the longest is {longest[1]} with {_s(longest[0])}",
        hint="shorten them, or set propagate_deadline: true so that no link works past it",
        remedy=_in_time(chain, needs_s),
    )


def _in_time(chain: Chain, needs_s: float) -> Edit:
    """The deadline passed on, where that is enough; an own service does not know of it."""
    passing = chain.model_copy(update={"propagate_deadline": True})
    works_s = (longest_work_s(passing, entry, has_deadline=True) for entry in chain.entries)
    if max(*works_s, finality_s(chain)) <= chain.deadline:
        return Edit(("propagate_deadline",), True)
    return Edit(("deadline",), duration_text(needs_s))


def hedge_too_early(chain: Chain) -> Iterator[Weakness]:
    """Hedges that are sent before half of all calls have their answer."""
    for declared in declared_calls(chain):
        call, hedge = declared.call, declared.call.hedge
        if hedge is None:
            continue
        usual_s = typical_work_s(chain, call.to, "median")
        if hedge.after > usual_s:
            continue
        late_s = typical_work_s(chain, call.to, "p99")
        written = duration_text(late_s)  # rounded up
        fits = usual_s < late_s and duration_seconds(written) < call.timeout
        yield Weakness(
            kind="hedge_too_early",
            path=declared.at("hedge", "after"),
            subject=declared.subject,
            what=f"{declared.subject} sends its hedge after {_s(hedge.after)}, and "
            f"{call.to} usually needs {_s(usual_s)}",
            hint="hedge after the 95th percentile of the callee",
            remedy=Edit(declared.at("hedge", "after"), written)
            if fits
            else Edit(declared.at("hedge"), action="remove"),
        )


def amplified_retries(chain: Chain) -> Iterator[Weakness]:
    """The link at which one payment may become the most requests, above MAX_REQUESTS.

    Retries under a budget count as one try: the budget bounds them.
    """
    # A payment comes in at one entry: what several of them send does not add up.
    requests: dict[str, int] = {}
    senders: dict[str, list[_Sender]] = {}
    for entry in chain.entries:
        for link, (count, above) in _requests(chain, entry).items():
            if count > requests.get(link, 0):
                requests[link], senders[link] = count, above
    end = max(requests, key=lambda link: requests[link])  # the nearest of equals
    if requests[end] <= MAX_REQUESTS:
        return
    most = [f"{link}.{operation} sends up to {sends}" for link, operation, sends in senders[end]]
    link, operation, _ = senders[end][0]
    yield Weakness(
        kind="amplified_retries",
        path=_key(chain, link, operation),
        subject=f"link {end}",
        what=f"one payment can cause {requests[end]} requests at {end}: {', '.join(most)}",
        hint="retry at only one link of the path, and give that retry a budget",
        remedy=_fewer_requests(chain, end, senders[end]),
    )


def requests_per_payment(chain: Chain) -> dict[str, int]:
    """The most requests of one payment at each link, for every link that a payment reaches."""
    most: dict[str, int] = {}
    for entry in chain.entries:
        for link, (number, _) in _requests(chain, entry).items():
            most[link] = max(number, most.get(link, 0))
    return most


def _fewer_requests(chain: Chain, end: str, senders: list[_Sender]) -> Edit:
    """A budget for the retry that multiplies most, where a budget alone is enough."""
    for link, operation, _ in sorted(senders, key=lambda sender: -sender[2]):
        call = chain.calls_of(link)[operation]
        if call.retry is None or call.retry.budget is not None:
            continue
        budget = {"share": "10%"}
        retry = call.retry.model_copy(update={"budget": Budget.model_validate(budget)})
        limited = call.model_copy(update={"retry": retry})
        fewer = with_call(chain, link, operation, limited)
        if max(requests_per_payment(fewer).values()) <= MAX_REQUESTS:
            return Edit(_key(chain, link, operation, "retry", "budget"), budget)
    return accept("amplified_retries", f"link {end}")


def call_without_policy(chain: Chain) -> Iterator[Weakness]:
    """Calls that declare a timeout and nothing else.

    An authorisation and a third party have findings of their own for that, and a forward has
    nothing better to do.
    """
    for declared in declared_calls(chain):
        call = declared.call
        if (
            operation_of(declared.operation) in ("authorise", "forward", "serve")
            or call.retry is not None
            or call.breaker is not None
            or call.bulkhead is not None
            or call.hedge is not None
            or call.fallback
            or call.pick is not None
        ):
            continue
        yield Weakness(
            kind="call_without_policy",
            path=declared.path,
            subject=declared.subject,
            what=f"{declared.subject} has only a timeout: no retry, breaker or fallback",
            hint="declare what happens when it fails: a retry, or a fallback such as skip or "
            "decline",
            remedy=Edit(declared.at("retry"), {"attempts": 2, "on": ["refused"]}),
        )


_Sender = tuple[str, str, int]  # link, operation, most requests of one execution


def _requests(chain: Chain, entry: str) -> dict[str, tuple[int, list[_Sender]]]:
    """The most requests of one payment at each link, and the calls that multiply them."""
    requests = {entry: 1}
    senders: dict[str, list[_Sender]] = {entry: []}
    for link in _callers_first(chain, entry):
        # Reached only as another choice of a split, which is counted at its first choice.
        if link not in requests:
            continue
        for operation, call in calls_in_payment(chain, link).items():
            choices = _one_of_each_split(call)
            most = sum(_sends(call, target) for target in choices)
            for target in choices:
                arriving = requests[link] * _sends(call, target)
                requests[target] = requests.get(target, 0) + arriving
                above = [*senders[link], *([(link, operation, most)] if most > 1 else [])]
                known = senders.setdefault(target, [])
                known += [sender for sender in above if sender not in known]
    return {link: (count, senders[link]) for link, count in requests.items()}


def _sends(call: Call, target: str) -> int:
    """The most requests that one execution of a call sends to one of its targets."""
    has_budget = call.retry is not None and call.retry.budget is not None
    resends = int(call.on_unknown == "resend")
    is_hedge = call.hedge is not None and (call.hedge.to or call.to) == target
    if call.hedge is not None and call.hedge.to == target and target not in call.routes:
        return 1 + resends
    return (1 if has_budget else call.attempts) + resends + is_hedge


def _one_of_each_split(call: Call) -> list[str]:
    """The targets that one execution may all reach: of each split, its first link."""
    if call.pick is not None:
        return list(call.pick.of[: call.pick.most])
    others = {
        target
        for step in call.fallback
        if isinstance(step, Split)
        for target in list(step.split)[1:]
    }
    return [target for target in call.targets if target not in others]


def _callers_first(chain: Chain, entry: str) -> list[str]:
    """The links from an entry on, in an order in which every caller comes before its callees."""
    ordered: list[str] = []

    def visit(link: str) -> None:
        if link in ordered:
            return
        for call in reversed(calls_in_payment(chain, link).values()):
            for target in reversed(call.targets):
                visit(target)
        ordered.append(link)

    visit(entry)
    return ordered[::-1]


def _key(chain: Chain, link: str, operation: str, *keys: str) -> KeyPath:
    """The key path of a call or of one of its keys; `forwards_to` has no keys."""
    if operation not in chain.links[link].calls:
        return ("links", link, "forwards_to")
    return ("links", link, "calls", operation, *keys)


def _s(seconds: float) -> str:
    return seconds_text(seconds, digits=4)
