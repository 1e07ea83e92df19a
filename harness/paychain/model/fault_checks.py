"""What must hold of one fault: one kind, times that make sense, a target that can have it."""

from __future__ import annotations

from collections.abc import Iterator

from paychain.declaration.problem import Problem, unknown
from paychain.declaration.text import KeyPath
from paychain.faults.fault import Fault
from paychain.faults.kind import LinkFaultKind, ProcessFaultKind, RequestFaultKind, SharedFaultKind
from paychain.faults.target import EVERY_LINK, Target
from paychain.model.chain import Chain
from paychain.model.codes import check_decline_code
from paychain.model.paid_at import paid_link
from paychain.model.places import affected_links
from paychain.model.renaming import map_hint
from paychain.model.roles import ROLES


def check_fault(fault: Fault, chain: Chain | None, at: KeyPath) -> list[Problem]:
    """One shape, one kind and one target, values that can be meant, and a place that can have it.

    `at` is the key path of the fault. Without a chain, its place is not checked.
    """
    unclear = _unclear(fault, at)
    if unclear is not None:
        return [unclear]
    problems = list(fault.parameters.problems((*at, *fault.kind_path)))
    problems += _check_times(fault, at)
    if isinstance(fault.parameters, SharedFaultKind) and fault.parameters.share == 0:
        what = "a share of 0% affects nothing"
        problems.append(Problem((*at, *fault.kind_path, "share"), what, "write one such as 50%"))
    problems += _check_delay(fault, at)
    problems += _check_codes(chain, fault, at)
    problems += _check_windows(fault, at)
    if (fault.ramp or fault.cache_expiry) and not isinstance(fault.parameters, SharedFaultKind):
        (shape,) = fault.shapes()
        what = f"{fault.kind} has no share that could grow"
        problems.append(Problem((*at, shape), what, "use another kind, or flapping"))
    if chain is not None:
        problems += _check_targets(chain, fault, at)
    return problems


def _check_delay(fault: Fault, at: KeyPath) -> Iterator[Problem]:
    """A delay that is all that the fault does, and none."""
    field = type(fault.parameters).model_fields.get("delay")
    if field is None or not field.is_required():
        return
    if not any(getattr(fault.parameters, key, 0) for key in ("delay", "jitter")):
        what = "a delay of 0s affects nothing"
        yield Problem((*at, *fault.kind_path, "delay"), what, "write one such as 2s")


def _check_times(fault: Fault, at: KeyPath) -> list[Problem]:
    """A fault that is on at some time, and a shape that fits into it."""
    if fault.lasts == 0:
        return [Problem((*at, "for"), "the fault lasts 0 s", "write how long, such as 10s")]
    lasts = f"the fault lasts {fault.lasts:g} s"
    if fault.flapping is not None and fault.flapping.period > fault.lasts:
        what = f"a period of {fault.flapping.period:g} s never comes again: {lasts}"
        return [Problem((*at, "flapping", "period"), what, "shorten it, or lengthen the fault")]
    if fault.flapping is not None and fault.flapping.duty in (0, 1):
        what = f"the fault is {'always' if fault.flapping.duty else 'never'} on"
        return [Problem((*at, "flapping", "duty"), what, "write one such as 50%")]
    if fault.relapse is not None and fault.relapse.on + fault.relapse.healthy >= fault.lasts:
        over = fault.relapse.on + fault.relapse.healthy
        what = f"the relapse begins after {over:g} s, and {lasts}"
        return [Problem((*at, "relapse"), what, "shorten on or healthy, or lengthen the fault")]
    return []


def _unclear(fault: Fault, at: KeyPath) -> Problem | None:
    """Why a fault does not say one thing: with two kinds nothing else can be checked."""
    shapes = fault.shapes()
    if len(shapes) > 1:
        return Problem(at, f"two shapes: {', '.join(shapes)}", "give one shape")
    inside = [kind for shape in shapes for kind in getattr(fault, shape).fault.chosen]
    kinds = [*fault.chosen, *inside]
    if len(kinds) != 1:
        what = "a fault needs a kind" if not kinds else f"two kinds: {', '.join(kinds)}"
        return Problem(at, what, "give exactly one, such as down: {}")
    if fault.target is not None and fault.targets:
        what = "a fault has either a target or several targets"
        return Problem((*at, "targets"), what, "remove one of them")
    if not fault.every_target:
        return Problem(at, "'target' is missing", "add target:")
    for target, place in _targets(fault, at):
        if sum(value is not None for _, value in target) != 1:
            hint = "give exactly one of link, role, call, hop, provider"
            return Problem(place, "a target names exactly one thing", hint)
        if fault.every_target.count(target) > 1:
            return Problem(place, "a target is named twice", "keep one")
    return None


def _targets(fault: Fault, at: KeyPath) -> Iterator[tuple[Target, KeyPath]]:
    """The targets of a fault, each with its place."""
    if fault.target is not None:
        yield fault.target, (*at, "target")
    for number, target in enumerate(fault.targets):
        yield target, (*at, "targets", number)


def _check_codes(chain: Chain | None, fault: Fault, at: KeyPath) -> Iterator[Problem]:
    """Codes that a fault declines with. Without a chain, it may declare any."""
    for key, code in fault.parameters.decline_codes.items():
        if chain is not None:
            yield from check_decline_code((*at, *fault.kind_path, key), code, chain.codes)


def _check_windows(fault: Fault, at: KeyPath) -> Iterator[Problem]:
    """A fault that comes back says how often, and is over before it does."""
    if fault.every is None:
        if fault.times is not None:
            what = "times: is the number of occurrences of a fault with every:"
            yield Problem((*at, "times"), what, "add every: such as 10s")
    elif fault.times is None:
        what = "the fault recurs endlessly"
        yield Problem((*at, "every"), what, "add times: such as 3")
    elif fault.lasts > fault.every:
        what = f"the fault lasts {fault.lasts:g} s and is back after {fault.every:g} s"
        yield Problem((*at, "for"), what, "shorten for: or lengthen every:")


def _check_targets(chain: Chain, fault: Fault, at: KeyPath) -> Iterator[Problem]:
    """Targets that are in the chain and can have the fault."""
    for target, place in _targets(fault, at):
        yield from _check_target(chain, target, place, may_miss=fault.may_miss) or _check_ability(
            chain, fault, target, at, place
        )


def _check_target(
    chain: Chain, target: Target, at: KeyPath, *, may_miss: bool = False
) -> list[Problem]:
    """A target that is in the chain. `may_miss`: its provider need not be there for any link."""
    if target.link == EVERY_LINK:
        what = "a standard fault is for every link"
        hint = "run paychain matrix CHAIN --link LINK --fault NAME, or write the link into a copy"
        return [Problem((*at, "link"), what, hint)]
    if target.link is not None and target.link not in chain.links:
        hint = map_hint(target.link, chain.links)
        return [Problem((*at, "link"), f"unknown link '{target.link}'", hint)]
    if target.role is not None:
        if target.role not in ROLES:
            return [unknown((*at, "role"), "role", target.role, ROLES)]
        if not affected_links(chain, target):
            roles = dict.fromkeys(link.role for link in chain.links.values())
            what = f"no link has the role '{target.role}'"
            return [Problem((*at, "role"), what, f"the chain has: {', '.join(roles)}")]
    if target.provider is not None:
        if target.provider not in chain.providers:
            hint = map_hint(target.provider, chain.providers, chain.links)
            return [Problem((*at, "provider"), f"unknown provider '{target.provider}'", hint)]
        if not may_miss and not affected_links(chain, target):
            what = f"no link names provider '{target.provider}'"
            hint = "the fault would have no effect; may_miss: true accepts that"
            return [Problem((*at, "provider"), what, hint)]
    if target.call is not None:
        calls = [f"{name}.{op}" for name in chain.links for op in chain.calls_of(name)]
        if target.call not in calls:
            return [unknown((*at, "call"), "call", target.call, calls)]
    if target.hop is not None:
        hops = [f"{hop.caller} -> {hop.callee}" for hop in chain.hops()]
        written = " -> ".join(part.strip() for part in target.hop.split("->"))
        caller, _, callee = written.partition(" -> ")
        if (backwards := f"{callee} -> {caller}") in hops and written not in hops:
            what = f"unknown hop '{target.hop}'"
            return [Problem((*at, "hop"), what, f"did you mean '{backwards}'?")]
        if written not in hops:
            return [unknown((*at, "hop"), "hop", target.hop, dict.fromkeys(hops))]
    return []


def _check_ability(
    chain: Chain, fault: Fault, target: Target, at: KeyPath, place: KeyPath
) -> list[Problem]:
    """A fault in a link that the link cannot have is refused, not ignored when it is run."""
    parameters = fault.parameters
    if not isinstance(parameters, LinkFaultKind):
        return []
    if parameters.whole_link and (target.call or target.hop):
        what = f"{fault.kind} applies to a whole link, not to one of its callers"
        return [Problem(place, what, "give link:, role: or provider:")]
    links = affected_links(chain, target)
    for name in links:
        if chain.links[name].service is not None and not isinstance(parameters, ProcessFaultKind):
            what = f"{name} is an own service: only a mock can be made to do {fault.kind}"
            return [Problem(place, what, _instead(chain, name))]
    is_for_some = isinstance(parameters, RequestFaultKind) and parameters.only is not None
    for name in links if is_for_some else ():
        if paid_link(chain, name) is not None:
            what = f"{name} passes on a user's own requests: it reads no card and no merchant"
            return [Problem((*at, *fault.kind_path, "only"), what, "remove only:")]
    limitations = (parameters.limitation(name, chain.links[name]) for name in links)
    for limitation in filter(None, limitations):
        return [Problem((*at, *fault.kind_path), *limitation)]
    if not parameters.needs_payments:
        return []
    for name in links:
        if ROLES[chain.links[name].role].only_forwards:
            what = f"{name} only forwards bytes: it cannot have {fault.kind}"
            hint = "use a fault that needs no payment, such as http_error"
            return [Problem(place, what, hint)]
    return []


def _instead(chain: Chain, name: str) -> str:
    """Where a fault that an own service cannot have could be injected."""
    called = [target for call in chain.calls_of(name).values() for target in call.targets]
    mocks = [target for target in called if chain.links[target].service is None]
    behind = f"inject it into the mock behind it ({mocks[0]})" if mocks else "choose a mock"
    return f"{behind}, or such as latency into the hop in front of it; crash and freeze can act"
