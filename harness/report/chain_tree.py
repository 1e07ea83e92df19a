"""A declared chain as text: the calls as a tree, the providers, and what its review found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from harness.model.chain import CUSTOMER, Chain
from harness.model.fallback import (
    DeclineWith,
    Exempt,
    FailoverTo,
    Fallback,
    Queue,
    Skip,
    Split,
    StandIn,
)
from harness.model.policy import Call
from harness.model.review import ReviewFinding
from harness.model.review.providers import links_of

WIDTH = 100
_NOT_OF_A_LINK = ("single_link", "single_provider")


def chain_lines(chain: Chain, findings: Sequence[ReviewFinding]) -> list[str]:
    """The whole of it, a line each."""
    single = {one.subject for one in findings if one.kind in _NOT_OF_A_LINK}
    title = f"{chain.chain}: {chain.title}" if chain.title else chain.chain
    told = ", passed on" if chain.passes_deadline else ""
    if chain.asks_again is not None:
        told += f", asks again every {seconds(chain.asks_again)}"
    lines = [title, f"{CUSTOMER}, waits {seconds(chain.deadline)}{told}"]
    lines += _below(chain, chain.entry, "pay", "", single, set(), is_last=True, policy="")
    if chain.providers:
        lines += ["", "providers"]
    for name, provider in chain.providers.items():
        links = ", ".join(sorted(links_of(chain, name))) or "nothing"
        lines.append(f"  {_mark(f'provider {name}', single)} {name} ({provider.kind}): {links}")
    if single:
        lines += ["", "! no payment, or no larger one, goes round it"]
    return [*lines, "", *finding_lines(findings)]


def finding_lines(findings: Sequence[ReviewFinding]) -> list[str]:
    """Every finding with its place and how to mend it; why it matters once for each kind."""
    if not findings:
        return ["review: nothing found"]
    lines = [f"review: {len(findings)} finding{'s' if len(findings) > 1 else ''}"]
    explained: set[str] = set()
    for one in findings:
        lines.append(f"{one.place}: {one.kind}: {one.what}")
        why = [] if one.kind in explained else [f"{one.why} ({one.source})"]
        explained.add(one.kind)
        for part in (*why, f"mend: {one.mend}"):
            lines += wrap(part, WIDTH, initial_indent="    ", subsequent_indent="    ")
    return lines


def _below(
    chain: Chain, link: str, operation: str, indent: str, single: set[str], seen: set[str], *,
    is_last: bool, policy: str,
) -> Iterator[str]:  # fmt: skip
    """The line of one call and, at a link's first place, the lines of its own calls."""
    declared = chain.links[link]
    facts = ", ".join(filter(None, (declared.role, declared.provider)))
    again = " (see above)" if link in seen and chain.calls_of(link) else ""
    line = f"{indent}{'└' if is_last else '├'}─{_mark(f'link {link}', single)} "
    yield f"{line}{operation} → {link} ({facts}){again}" + (f": {policy}" if policy else "")
    if link in seen:
        return
    seen.add(link)
    children = [
        (call, target, name if route == 0 else f"or {name}")
        for name, call in chain.calls_of(link).items()
        for route, target in enumerate(call.targets)
    ]
    inside = indent + ("    " if is_last else "│   ")
    for number, (call, target, name) in enumerate(children, start=1):
        words = "" if name.startswith("or ") or name == "forward" else policy_words(call)
        yield from _below(
            chain, target, name, inside, single, seen, is_last=number == len(children), policy=words
        )


def policy_words(call: Call) -> str:
    """A call's policy in few words."""
    words = [seconds(call.timeout)]
    if call.retry is not None:
        budget = call.retry.budget
        limited = f" within {budget.share:.0%} of the calls" if budget is not None else ""
        words.append(f"{call.attempts} tries{limited}")
    if call.breaker is not None:
        words.append("breaker")
    if call.bulkhead is not None:
        per = " a scheme" if call.bulkhead.per == "scheme" else ""
        words.append(f"{call.bulkhead.size} at a time{per}")
    if call.hedge is not None:
        words.append(f"hedge after {seconds(call.hedge.after)}")
    if call.on_unknown != "give_up":
        words.append(f"unknown: {call.on_unknown}")
    return ", ".join([*words, *map(_step_words, call.fallback)])


def _step_words(step: Fallback) -> str:
    match step:
        case FailoverTo():
            return f"or {step.to}" + (" for some cards" if step.cards is not None else "")
        case Split():
            return f"or one of {', '.join(step.split)}"
        case Skip():
            return f"skip up to {step.skip.up_to}"
        case Exempt():
            return f"exempt up to {step.exempt.up_to}"
        case StandIn():
            return f"stand in up to {step.stand_in.up_to}"
        case Queue():
            up_to = f" up to {step.queue.up_to}" if step.queue.up_to is not None else ""
            return f"store{up_to} and deliver later, {step.queue.most} at most"
        case DeclineWith():
            return f"decline {step.decline}"


def seconds(value: float) -> str:
    """`300 ms`, `2.5 s`."""
    return f"{value:g} s" if value >= 1 else f"{value * 1000:g} ms"


def _mark(subject: str, single: set[str]) -> str:
    return "!" if subject in single else " "
