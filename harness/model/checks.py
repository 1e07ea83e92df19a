"""What must hold between the parts of a file, and between an experiment and its chain."""

from __future__ import annotations

from collections import Counter

from harness.model.call_checks import check_call
from harness.model.chain import Chain, Link
from harness.model.experiment import Experiment
from harness.model.fault import (
    EVERY_LINK,
    PAYMENT_KINDS,
    WHOLE_LINK_KINDS,
    Crash,
    Decline,
    Fault,
    FaultKind,
    Target,
    WrongAnswer,
)
from harness.model.load import check_load
from harness.model.placement import check_placed
from harness.model.problem import Problem, unknown
from harness.model.stop import check_stop
from harness.model.text import KeyPath
from harness.payments.codes import table

_ONLY_FOR = {
    **dict.fromkeys(
        (
            "captures",
            "cancels",
            "refunds",
            "accepts_partial",
            "reauthentications",
            "forgets_notifications",
        ),
        ("gateway",),
    ),
    "notifies": ("processor",),
    **dict.fromkeys(("partial_approvals", "soft_declines"), ("issuer",)),
    **dict.fromkeys(("outcomes", "challenge"), ("authentication",)),
    "expires_after": ("gateway", "processor", "scheme", "issuer"),
}
_NEEDS = {"gateway": "authorise", "processor": "authorise", "scheme": "authorise"}


def check_chain(chain: Chain) -> list[Problem]:
    """Unknown names, calls a role cannot do without, cycles, links nobody reaches."""
    problems = []
    if chain.entry not in chain.links:
        problems.append(unknown(("entry",), "link", chain.entry, chain.links))
    for name, link in chain.links.items():
        at: KeyPath = ("links", name)
        if link.provider is not None and link.provider not in chain.providers:
            problems.append(unknown((*at, "provider"), "provider", link.provider, chain.providers))
        if link.forwards_to is not None and link.forwards_to not in chain.links:
            problems.append(unknown((*at, "forwards_to"), "link", link.forwards_to, chain.links))
        if link.declines is not None and link.declines.code not in table():
            problems.append(unknown((*at, "declines", "code"), "response code",
                                     link.declines.code, table()))  # fmt: skip
        needed = _NEEDS.get(link.role)
        if needed is not None and needed not in link.calls:
            problems.append(Problem(at, f"a {link.role} needs a call '{needed}'", "add it"))
        if link.role == "edge" and link.forwards_to is None and "forward" not in link.calls:
            problems.append(Problem(at, "an edge forwards to nobody", "add forwards_to:"))
        if link.isolate and link.outbox == "disk":
            what = f"{name} is isolated: its process keeps nothing on disk"
            problems.append(Problem((*at, "outbox"), what, "remove isolate: or outbox:"))
        problems += _roles(link, at)
        problems += _notifies(chain, link, (*at, "notifies"))
        for operation, call in link.calls.items():
            problems += check_call(chain.links, operation, call, (*at, "calls", operation))
    isolated = {name: link.isolate for name, link in chain.links.items()}
    problems += check_placed(chain.hosts, isolated, chain.allow)
    return problems or [*_cycles(chain), *_unreached(chain)]


def _roles(link: Link, at: KeyPath) -> list[Problem]:
    """Settings that only some roles have."""
    found = [
        Problem((*at, key), f"a {link.role} has no '{key}'", f"it is for: {', '.join(roles)}")
        for key, roles in _ONLY_FOR.items()
        if key in link.model_fields_set and link.role not in roles
    ]
    if link.refunds is not None and link.captures is None:
        found.append(Problem((*at, "refunds"), "nothing is captured to refund", "add captures:"))
    return found


def _notifies(chain: Chain, link: Link, at: KeyPath) -> list[Problem]:
    if link.notifies is None:
        return []
    receiver = chain.links.get(link.notifies.to)
    if receiver is None:
        return [unknown((*at, "to"), "link", link.notifies.to, chain.links)]
    if receiver.role != "gateway":
        what = f"a {receiver.role} takes no notifications"
        return [Problem((*at, "to"), what, "name a gateway")]
    return []


def _cycles(chain: Chain) -> list[Problem]:
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> list[Problem]:
        if name in above:
            ring = " → ".join([*above[above.index(name) :], name])
            return [Problem(("links", above[-1]), f"the calls go round: {ring}", "cut one")]
        if name in done:
            return []
        done.add(name)
        found = []
        for call in chain.calls_of(name).values():
            for target in call.targets:
                found += visit(target, (*above, name))
        return found

    return [problem for name in chain.links for problem in visit(name, ())]


def _unreached(chain: Chain) -> list[Problem]:
    reached: set[str] = set()
    waiting = [chain.entry]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [to for call in chain.calls_of(name).values() for to in call.targets]
    return [
        Problem(("links", name), f"nothing reaches link '{name}'", "call it or remove it")
        for name in chain.links
        if name not in reached
    ]


def check_experiment(experiment: Experiment, chain: Chain | None) -> list[Problem]:
    """One kind and one target per fault, names that exist in the chain, unique ids."""
    problems = list(check_load(experiment.load, experiment.load_lasts))
    if not problems:
        lasts_s = experiment.load_lasts
        rates = [rate for _, rate in experiment.load.corners(lasts_s)]
        problems += check_stop(experiment.stop_when, lasts_s, max(rates, default=None))
    ids = Counter(fault.id for fault in experiment.faults if fault.id)
    for number, fault in enumerate(experiment.faults):
        at: KeyPath = ("faults", number)
        inside = [one for name in fault.shapes() for one in getattr(fault, name).fault.chosen()]
        kinds = fault.chosen() + inside
        if len(fault.shapes()) > 1:
            what = f"two shapes: {', '.join(fault.shapes())}"
            problems.append(Problem(at, what, "give one"))
            continue
        if len(kinds) != 1:
            what = "a fault needs a kind" if not kinds else f"two kinds: {', '.join(kinds)}"
            problems.append(Problem(at, what, "give exactly one, such as down: {}"))
            continue
        if ids[fault.id] > 1:
            problems.append(Problem((*at, "id"), f"two faults are called '{fault.id}'", "rename"))
        targets = [name for name, value in fault.target if value is not None]
        if len(targets) != 1:
            mend = "give exactly one of link, call, hop, provider"
            problems.append(Problem((*at, "target"), "a fault strikes one target", mend))
            continue
        parameters = fault.parameters
        if isinstance(parameters, Decline | WrongAnswer) and parameters.code not in table():
            problems.append(unknown(at, "response code", parameters.code, table()))
        if (fault.ramp or fault.cache_expiry) and not isinstance(parameters, FaultKind):
            (shape,) = fault.shapes()
            what = f"{fault.kind} has no share that could grow"
            problems.append(Problem((*at, shape), what, "use another kind, or flapping"))
        if chain is not None:
            problems += _target(chain, fault, (*at, "target"))
    return problems


def _target(chain: Chain, fault: Fault, at: KeyPath) -> list[Problem]:
    target = fault.target
    if target.link == EVERY_LINK:
        mend = "name a link, or strike them all with paychain matrix"
        return [Problem((*at, "link"), "a standard fault strikes no link of its own", mend)]
    if target.link is not None and target.link not in chain.links:
        return [unknown((*at, "link"), "link", target.link, chain.links)]
    if target.provider is not None:
        if target.provider not in chain.providers:
            return [unknown((*at, "provider"), "provider", target.provider, chain.providers)]
        if all(link.provider != target.provider for link in chain.links.values()):
            what = f"no link names provider '{target.provider}'"
            return [Problem((*at, "provider"), what, "the fault would strike nothing")]
    if target.call is not None:
        calls = [f"{name}.{op}" for name in chain.links for op in chain.calls_of(name)]
        if target.call not in calls:
            return [unknown((*at, "call"), "call", target.call, calls)]
    if target.hop is not None:
        hops = [f"{hop.caller} -> {hop.callee}" for hop in chain.hops()]
        written = " -> ".join(part.strip() for part in target.hop.split("->"))
        if written not in hops:
            return [unknown((*at, "hop"), "hop", target.hop, hops)]
    return _can_do(chain, fault, at)


def _can_do(chain: Chain, fault: Fault, at: KeyPath) -> list[Problem]:
    """A fault in a link that the link cannot have is refused, not ignored when it is run."""
    target = fault.target
    if fault.kind in WHOLE_LINK_KINDS and (target.call or target.hop):
        what = f"{fault.kind} strikes a whole link, not one of its callers"
        return [Problem(at, what, "give link: or provider:")]
    struck = _struck(chain, target)
    if isinstance(fault.parameters, Crash) and not fault.parameters.forgets:
        killed = [name for name in struck if chain.links[name].isolate]
        inside = [step for shape in fault.shapes() for step in (shape, "fault")]
        key: KeyPath = (*at[:-1], *inside, fault.kind)
        what = "{} is isolated: a crash kills its process, which keeps no books on disk"
        return [Problem(key, what.format(name), "write forgets: true") for name in killed[:1]]
    if fault.kind not in PAYMENT_KINDS:
        return []
    edges = [name for name in struck if chain.links[name].role == "edge"]
    if not edges:
        return []
    what = f"{edges[0]} only forwards bytes: it cannot {fault.kind.replace('_', ' ')}"
    return [Problem(at, what, "give http_error, slow_answer, lost_answer or crash")]


def _struck(chain: Chain, target: Target) -> list[str]:
    """The links that a fault in the link acts in."""
    if target.link is not None:
        return [target.link]
    if target.call is not None:
        caller, _, operation = target.call.partition(".")
        return [chain.calls_of(caller)[operation].to]
    if target.hop is not None:
        return [target.hop.partition("->")[2].strip()]
    return [name for name, one in chain.links.items() if one.provider == target.provider]
