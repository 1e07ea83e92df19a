"""A declared chain as text: the calls as a tree, the providers, and the review's findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from paychain.declaration.quantity import seconds_text
from paychain.model.chain import Chain, Link
from paychain.model.operations import CUSTOMER
from paychain.model.policy import Call
from paychain.model.review import ReviewFinding
from paychain.model.review.providers import links_of
from paychain.report.text.review import finding_lines

DECLARED_DIGITS = 6  # of a declared time: all that it was written with
_SINGLE_POINTS = ("single_link", "single_provider")


def chain_lines(chain: Chain, findings: Sequence[ReviewFinding]) -> list[str]:
    """The chain as lines of text: title, tree of calls, providers, review findings."""
    single = {finding.subject for finding in findings if finding.kind in _SINGLE_POINTS}
    lines = [f"{chain.chain}: {chain.title}" if chain.title else chain.chain, _customer(chain)]
    lines += _Tree(chain, single).lines()
    if chain.providers:
        lines += ["", "providers"]
    for name, provider in chain.providers.items():
        links = ", ".join(sorted(links_of(chain, name))) or "no link"
        words = ", ".join(filter(None, (provider.kind, provider.title)))
        lines.append(f"  {_mark(f'provider {name}', single)} {name} ({words}): {links}")
    if single:
        lines += ["", "! single point of failure: no other route for payments, or for large ones"]
    return [*lines, "", *finding_lines(findings)]


def _customer(chain: Chain) -> str:
    facts = [f"{CUSTOMER}, waits {_seconds(chain.deadline)}"]
    if chain.propagate_deadline:
        facts.append("deadline propagated to the links")
    if chain.customer.retry is not None:
        facts.append(f"retries every {_seconds(chain.customer.retry.after)}")
    return ", ".join(facts)


class _Tree:
    """The calls of a chain as a tree. A link's own calls are listed where it first appears."""

    def __init__(self, chain: Chain, single: set[str]) -> None:
        self._chain = chain
        self._single = single
        self._listed: set[str] = set()

    def lines(self) -> Iterator[str]:
        """The customer's payment at the root, then everything below it."""
        *others, last = self._chain.entries
        for entry in others:
            yield from self._branch(entry, "pay", policy="", indent="", is_last=False)
        yield from self._branch(last, "pay", policy="", indent="", is_last=True)

    def _branch(
        self, link: str, label: str, *, policy: str, indent: str, is_last: bool
    ) -> Iterator[str]:
        declared = self._chain.links[link]
        title = "" if link in self._listed else declared.title
        facts = ", ".join(filter(None, (role_words(declared), title, *declared.depends_on)))
        line = f"{indent}{'└' if is_last else '├'}─{_mark(f'link {link}', self._single)} "
        line += f"{label} → {link} ({facts})"
        if link in self._listed and self._chain.calls_of(link):
            line += " (see above)"
        yield f"{line}: {policy}" if policy else line
        if link in self._listed:
            return
        self._listed.add(link)
        branches = [
            (
                target,
                (name if call.is_first(target) else f"or {name}") + alike,
                self._words(declared, call) if route == 0 and name != "forward" else "",
            )
            for name, call in self._chain.calls_of(link).items()
            for route, (target, alike) in enumerate(self._targets(call))
        ]
        inside = indent + ("    " if is_last else "│   ")
        for number, (target, name, words) in enumerate(branches, start=1):
            # The policy belongs to the call, so it stands at its first target only.
            yield from self._branch(
                target,
                name,
                policy=words,
                indent=inside,
                is_last=number == len(branches),
            )

    def _targets(self, call: Call) -> Iterator[tuple[str, str]]:
        """The targets of a call; of many nodes that are alike the first one, and how many."""
        of_kind: dict[tuple[str, ...], list[str]] = {}
        among = call.pick.of if call.pick is not None else ()
        for name in among:
            of_kind.setdefault(self._chain.links[name].depends_on, []).append(name)
        for names in of_kind.values():
            yield names[0], f", {len(names)} alike" if len(names) > 1 else ""
        for target in call.targets:
            if target not in among:
                yield target, ""

    def _words(self, link: Link, call: Call) -> str:
        """A call's policy; of an own service what it claims, since its code decides."""
        if link.service is None:
            return policy_words(call)
        return f"claims {claimed_words(call)}" if call.claims is not None else ""


def role_words(link: Link) -> str:
    """`processor`, `gateway, own service`."""
    return f"{link.role}, own service" if link.service is not None else link.role


def claimed_words(call: Call) -> str:
    """`3 s, unknown: reverse`: what a service claims to do, in a few words."""
    assert call.claims is not None
    claims = call.claims
    words = [_seconds(claims.timeout)] if claims.timeout is not None else []
    words += [f"{claims.retry.attempts} attempts"] if claims.retry is not None else []
    words += ["breaker"] if claims.breaker is not None else []
    words += [f"unknown: {claims.on_unknown}"] if claims.on_unknown is not None else []
    return ", ".join(words)


def policy_words(call: Call) -> str:
    """`2.5 s, 2 attempts, breaker, unknown: reverse`: a call's policy in a few words."""
    words = [_seconds(call.timeout), *(preference.words for preference in call.prefer)]
    if call.retry is not None:
        budget = call.retry.budget
        limited = f" (budget {budget.share:.0%} of calls)" if budget is not None else ""
        words.append(f"{call.attempts} attempts{limited}")
    if call.breaker is not None:
        words.append("breaker")
    if call.bulkhead is not None:
        per = " per scheme" if call.bulkhead.per == "scheme" else ""
        words.append(f"at most {call.bulkhead.size} at once{per}")
    if call.hedge is not None:
        words.append(f"hedge after {_seconds(call.hedge.after)}")
    if call.aside:
        words.append("not waited for")
    if call.on_unknown != "give_up":
        words.append(f"unknown: {call.on_unknown}")
    if call.pick is not None:
        words.append(call.pick.words)
    return ", ".join([*words, *(step.words for step in call.steps)])


def _seconds(seconds: float) -> str:
    return seconds_text(seconds, digits=DECLARED_DIGITS)


def _mark(subject: str, single: set[str]) -> str:
    return "!" if subject in single else " "
