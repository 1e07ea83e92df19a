"""What must hold of the links that are the user's processes, and of those around them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath

from paychain.declaration.problem import Problem, unknown
from paychain.declaration.text import KeyPath
from paychain.model.chain import Chain, Link
from paychain.model.disputes import DISPUTE
from paychain.model.fallbacks import key_of
from paychain.model.fallbacks.step import Failover
from paychain.model.own_services import secrets_shared_with
from paychain.model.placeholders import (
    KINDS,
    OF_LINKS,
    OWN,
    SECRET,
    ServicePlaceholder,
    placeholders_in,
)
from paychain.model.policy import Call, Claims
from paychain.model.service import OwnService
from paychain.processes.loopback import is_loopback
from paychain.protocol.dialects.vendors import APIS
from paychain.protocol.vendor import secret_problem

# What a link with `service` may declare; everything else is how a mock behaves.
SETTINGS = frozenset(
    {
        "role",
        "provider",
        "title",
        "service",
        "pays",
        "books",
        "receives",
        "forwards_to",
        "calls",
        "dialect",
    }
)
_CALL_KEYS = frozenset({"to", "fallback", "claims"})
_SHELLS = frozenset({"sh", "bash", "zsh", "dash", "fish"})
_OPERATORS = frozenset({"&&", "||", "|", ";", "&", ">", ">>", "<", "2>&1"})
_EXPANSION = re.compile(r"\$\{?[A-Za-z_]\w*\}?|\$\(|`")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_services(chain: Chain) -> Iterator[Problem]:
    """Mistakes in own services, in their calls, and in where they and their callees are placed."""
    for name, link in chain.links.items():
        at: KeyPath = ("links", name)
        if link.service is None:
            yield from _of_mock(name, link, at)
            continue
        yield from _settings(name, link, at)
        for operation, call in link.calls.items():
            yield from _call(name, call, (*at, "calls", operation))
        if link.dialect.is_vendors:
            what = f"{name} is an own service: '{link.dialect.name}' is an API that mocks have"
            yield Problem((*at, "dialect"), what, "remove it; pays: declares how customers pay it")
        yield from _shell(link.service, (*at, "service"))
        yield from _placeholders(chain, name, link.service, (*at, "service"))
        yield from _ports(chain, name, link.service, (*at, "service"))
        yield from _reach(name, link.service, (*at, "service", "url"))
        yield from _placed(chain, name)
    yield from _webhooks(chain)
    yield from _listening_twice(chain)
    yield from _tls(chain)
    yield from _vendors(chain)


def _vendors(chain: Chain) -> Iterator[Problem]:
    """A provider's API is called by own services alone: mocks speak our own dialect."""
    own = chain.own_services()
    for hop in chain.hops():
        link = chain.links.get(hop.callee)
        if link is None or not link.dialect.is_vendors or hop.caller in own or hop.callee in own:
            continue
        if hop.operation == DISPUTE:
            continue
        name = link.dialect.name
        what = f"customers do not speak {name}: it is the API of a payment provider"
        if hop.caller in chain.links:
            what = f"{hop.caller} is a mock, and mocks do not speak {name}"
        hint = "remove dialect:, or put your own service in front of it (service:)"
        yield Problem(("links", hop.callee, "dialect"), what, hint)
        return
    for hop in chain.hops():
        sender = chain.links.get(hop.caller)
        if sender is None or not sender.dialect.is_vendors or sender.webhooks is None:
            continue
        if hop.operation != "notify" or hop.callee in own or hop.callee not in chain.links:
            continue
        what = f"{hop.callee} is a mock, and mocks do not read webhooks of {sender.dialect.name}"
        place: KeyPath = ("links", hop.caller, "webhooks", "to")
        yield Problem(place, what, "name your own service (service:), or remove dialect:")


def _tls(chain: Chain) -> Iterator[Problem]:
    """Links whose TLS has no caller, and proxies that could not map a host to a link."""
    own = chain.own_services()
    called = {name: chain.callees_of(name) for name in own}
    for name, link in chain.links.items():
        if link.tls and not any(name in targets for targets in called.values()):
            what = f"no own service calls {name}: mocks reach it without TLS"
            yield Problem(("links", name, "tls"), what, "remove it")
    for name, service in own.items():
        if not service.proxy:
            continue
        at: KeyPath = ("links", name, "service", "proxy")
        dialects = [
            chain.links[target].dialect.name
            for target in called[name]
            if target in chain.links and chain.links[target].dialect.is_vendors
        ]
        if not dialects:
            what = f"{name} calls no link that speaks a payment provider's dialect"
            yield Problem(at, what, "give one a dialect:, such as stripe, or remove proxy:")
        for dialect in sorted({each for each in dialects if dialects.count(each) > 1}):
            what = f"{name} calls two links by {dialect}: its host names could stand for either"
            yield Problem(at, what, "give the service their addresses with {url:LINK} instead")


def _of_mock(name: str, link: Link, at: KeyPath) -> Iterator[Problem]:
    """What only an own service declares."""
    if link.books is not None:
        hint = "add service:, or remove it"
        yield Problem((*at, "books"), f"{name} is a mock: its book is known", hint)
    if link.receives is not None:
        hint = "add service:, or remove it"
        yield Problem((*at, "receives"), f"{name} is a mock: it needs no path for webhooks", hint)
    if link.pays is not None:
        hint = "add service:, or remove it"
        yield Problem((*at, "pays"), f"{name} is a mock: customers pay it in its dialect", hint)
    for operation, call in link.calls.items():
        if call.claims is not None:
            what = f"{name} is a mock: it does what the call declares"
            hint = "write the keys under claims: directly into the call"
            yield Problem((*at, "calls", operation, "claims"), what, hint)


def _settings(name: str, link: Link, at: KeyPath) -> Iterator[Problem]:
    for key in sorted(link.model_fields_set - SETTINGS):
        what = f"{name} is an own service: '{key}' is how a mock behaves"
        hint = "remove it: the service's code decides"
        if key == "isolate":
            what, hint = f"{name} is an own service, which has a process of its own", "remove it"
        yield Problem((*at, key), what, hint)


def _call(name: str, call: Call, at: KeyPath) -> Iterator[Problem]:
    """A call of an own service names links and claims; its code is its policy."""
    for key in sorted(call.model_fields_set - _CALL_KEYS):
        what = f"{name} is an own service: its code decides, not '{key}'"
        is_claim = key in Claims.model_fields
        hint = "if the code is meant to do that, put it under claims:" if is_claim else "remove it"
        yield Problem((*at, key), what, hint)
    for number, step in enumerate(call.fallback):
        here: KeyPath = (*at, "fallback", number)
        is_plain = isinstance(step, Failover) and step.model_fields_set == {"to"}
        if not is_plain:
            what = f"{name} is an own service: its code decides, not '{key_of(step)}'"
            yield Problem(here, what, "name the links that it may call: {to: LINK}")


def _commands(service: OwnService) -> Iterator[tuple[list[str], str]]:
    """The commands that start it and that come before, each with its key."""
    if service.command is not None:
        yield service.command, "command"
    for command in service.before:
        yield command, "before"


def _shell(service: OwnService, at: KeyPath) -> Iterator[Problem]:
    """What only a shell understands, in a command that none reads."""
    for command, key in _commands(service):
        if PurePath(command[0]).name in _SHELLS:
            continue
        hint = 'write [sh, -c, "…"] for a shell'
        if _ASSIGNMENT.match(command[0]):
            what = f"'{command[0]}' sets a variable, which only a shell can do"
            yield Problem((*at, key), what, "put it under env:")
        for word in command:
            if word in _OPERATORS:
                yield Problem((*at, key), f"'{word}' needs a shell, but none is used", hint)
            elif _EXPANSION.search(word):
                what = f"no shell expands '{word}'"
                yield Problem((*at, key), what, f"write a placeholder such as {{port}}; {hint}")


def _placeholders(chain: Chain, name: str, service: OwnService, at: KeyPath) -> Iterator[Problem]:
    """Placeholders that exist, of links that the service calls."""
    texts: list[tuple[str, KeyPath]] = [
        (word, (*at, key)) for command, key in _commands(service) for word in command
    ]
    texts += [(value, (*at, "env", key)) for key, value in service.env.items()]
    texts += [(word, (*at, "ready", "command")) for word in service.ready.command or ()]
    for variable in service.env:
        if not _VARIABLE.fullmatch(variable):
            what = f"'{variable}' is not the name of a variable"
            yield Problem((*at, "env", variable), what, "write letters, digits and _")
    for text, place in texts:
        for placeholder in placeholders_in(text):
            yield from _placeholder(chain, name, placeholder, place)


def _placeholder(
    chain: Chain, name: str, placeholder: ServicePlaceholder, at: KeyPath
) -> Iterator[Problem]:
    kind, link, call = placeholder.kind, placeholder.link, placeholder.call
    known = ", ".join(
        [*(f"{{{each}}}" for each in OWN), *(f"{{{each}:LINK}}" for each in OF_LINKS)]
    )
    literal = f"for the literal text write {{{placeholder}}}"
    if kind not in KINDS:
        what = f"unknown placeholder '{placeholder}'"
        yield Problem(at, what, f"there are {known}; {literal}")
        return
    if link is None:
        if kind not in OWN:
            yield Problem(at, f"'{placeholder}' names no link", f"write {{{kind}:LINK}}")
        return
    if kind not in OF_LINKS:
        yield Problem(at, f"'{placeholder}': {kind} is of no link", f"write {{{kind}}}")
        return
    if kind == SECRET:
        sharing = secrets_shared_with(chain, name)
        if link not in sharing:
            what = f"'{link}' sends no webhooks to {name}, so there is no secret for it"
            yield Problem(at, what, f"there is one for: {', '.join(sharing) or 'no link'}")
        return
    calls, called = chain.calls_of(name), chain.callees_of(name)
    if link not in chain.links:
        yield unknown(at, "link", link, called)
    elif link not in called:
        what = f"{name} does not call '{link}', so it has no hop there"
        yield Problem(at, what, f"it calls: {', '.join(called) or 'no link'}")
    elif call is not None and (call not in calls or link not in calls[call].targets):
        what = f"{name} has no call '{call}' to {link}"
        yield Problem(at, what, f"write {{{kind}:{link}}}")


def _ports(chain: Chain, name: str, service: OwnService, at: KeyPath) -> Iterator[Problem]:
    """Fixed ports are for links that the service calls; one that runs already needs all of them."""
    called = chain.callees_of(name)
    for link in service.ports:
        if link not in called:
            yield unknown((*at, "ports", link), "link", link, called)
    if service.url is None:
        return
    missing = [link for link in called if link not in service.ports]
    if missing:
        what = f"{name} is already running: before the run it must know where {missing[0]} will be"
        hint = f"add ports: {{{missing[0]}: 9101}}, and let it call http://127.0.0.1:9101"
        yield Problem((*at, "url"), what, hint)


def _listening_twice(chain: Chain) -> Iterator[Problem]:
    """Two ports of own services that are the same."""
    seen: dict[int, str] = {}
    for name, service in chain.own_services().items():
        at: KeyPath = ("links", name, "service")
        named = [(service.port, name, (*at, "port"))] if service.port is not None else []
        named += [(port, link, (*at, "ports", link)) for link, port in service.ports.items()]
        for port, of, place in named:
            if port in seen:
                what = f"port {port} is used by {seen[port]} already"
                yield Problem(place, what, "choose another port")
            seen.setdefault(port, of)


def _reach(name: str, service: OwnService, at: KeyPath) -> Iterator[Problem]:
    """The near ends of a service's hops are on loopback, where only this machine reaches them."""
    if service.url is None:
        return
    host = service.url.removeprefix("http://").rpartition(":")[0]
    if not is_loopback(host):
        what = f"{name} runs at {host}, which cannot reach the links that it calls"
        yield Problem(at, what, "run it on the machine of the run: http://127.0.0.1:8080")


def _placed(chain: Chain, name: str) -> Iterator[Problem]:
    """The service and the links that it calls run on this machine, in the mocks' own process."""
    called = chain.callees_of(name)
    for host, placed in chain.hosts.items():
        for number, link in enumerate(placed.links):
            place: KeyPath = ("hosts", host, "links", number)
            if link == name:
                what = f"'{link}' is an own service: it runs on the machine of the run"
                yield Problem(place, what, "remove it")
            elif link in called:
                what = f"'{link}' is called by the own service {name}: both run on one machine"
                yield Problem(place, what, "remove it")
    for link in sorted(called):
        if link in chain.links and chain.links[link].isolate:
            what = f"'{link}' is called by the own service {name} and cannot be isolated"
            yield Problem(("links", link, "isolate"), what, "remove isolate:")


def _webhooks(chain: Chain) -> Iterator[Problem]:
    """The webhooks of an own service, and where it receives them."""
    receivers: dict[str, str] = {}
    for name, link in chain.links.items():
        if link.webhooks is not None:
            receivers.setdefault(link.webhooks.to, name)
    for name in chain.own_services():
        receives = chain.links[name].receives
        at: KeyPath = ("links", name)
        if receives is None and name in receivers:
            what = f"{receivers[name]} sends webhooks to {name}, which declares no path for them"
            yield Problem(at, what, "add receives: {path: /webhooks/{link}}")
        if receives is not None and name not in receivers:
            what = f"no link sends webhooks to {name}"
            hint = f"add webhooks: {{to: {name}}} to its processor, or remove it"
            yield Problem((*at, "receives"), what, hint)
        if receives is not None and receives.secret is not None:
            yield from _secret(chain, name, receives.secret)


def _secret(chain: Chain, name: str, secret: str) -> Iterator[Problem]:
    """A declared secret that a sender's own libraries would not take."""
    for sender, link in chain.links.items():
        is_sender = link.webhooks is not None and link.webhooks.to == name
        if is_sender and link.dialect.is_vendors:
            wrong = secret_problem(APIS[link.dialect.name], secret)
            if wrong:
                place: KeyPath = ("links", name, "receives", "secret")
                yield Problem(
                    place, f"for {sender} it is {wrong}", "remove it: one is generated for each run"
                )
