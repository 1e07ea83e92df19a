"""What must hold of one link of a chain: the names it gives, and what its role may declare."""

from __future__ import annotations

from collections.abc import Iterator

from paychain.declaration.problem import Problem, unknown
from paychain.declaration.text import KeyPath
from paychain.model.books import check_books
from paychain.model.call_checks import check_call
from paychain.model.chain import Chain, Link
from paychain.model.codes import check_decline_code
from paychain.model.operation_checks import check_operation
from paychain.model.pays_checks import check_pays
from paychain.model.roles import ROLES, restricted_settings, roles_with
from paychain.model.third_parties import check_third_parties
from paychain.payments.money import exponent


def check_link(chain: Chain, name: str) -> Iterator[Problem]:
    """What must hold of a link whatever the shape of the chain."""
    link = chain.links[name]
    at: KeyPath = ("links", name)
    yield from link.dialect.problems((*at, "dialect"))
    yield from link.dialect.fits(link.role, chain.currency, (*at, "dialect"))
    yield from _names(chain, link, at)
    yield from _codes(chain, link, at)
    yield from _role(name, link, at)
    if link.exponent == exponent(chain.currency):
        what = f"{chain.currency} has {link.exponent} decimals: the link scales nothing wrongly"
        yield Problem((*at, "exponent"), what, "remove it")
    if link.isolate and link.outbox == "disk":
        what = f"{name} is isolated: its process keeps nothing on disk"
        yield Problem((*at, "outbox"), what, "remove isolate: or outbox:")
    yield from _captures(chain, name, (*at, "captures"))
    yield from _after_capture(chain, link, at)
    yield from _proofs(chain, link, (*at, "valid_for"))
    yield from _webhooks(chain, link, (*at, "webhooks", "to"))
    if link.pays is not None:
        yield from check_pays(link.pays, (*at, "pays"))
    if link.books is not None:
        yield from check_books(link.books, link.pays, (*at, "books"))
    yield from check_third_parties(link, at)
    for operation, call in link.calls.items():
        yield from check_operation(chain.links, link, operation, (*at, "calls", operation))
        yield from check_call(chain.links, operation, call, (*at, "calls", operation), chain.codes)
        if call.min_time_left >= chain.deadline:
            what = f"never is that much time left: the deadline is {chain.deadline:g} s"
            yield Problem((*at, "calls", operation, "min_time_left"), what, "shorten it")


def _names(chain: Chain, link: Link, at: KeyPath) -> Iterator[Problem]:
    """The providers that it depends on, and the link behind it."""
    if link.provider is not None and link.providers:
        what = "the link has both provider and providers"
        yield Problem((*at, "provider"), what, "name all of them in providers:")
    if link.provider is not None and link.provider not in chain.providers:
        yield unknown((*at, "provider"), "provider", link.provider, chain.providers)
    for number, name in enumerate(link.providers):
        if name not in chain.providers:
            yield unknown((*at, "providers", number), "provider", name, chain.providers)
        elif name in link.providers[:number]:
            yield Problem((*at, "providers", number), f"'{name}' is named twice", "keep one")
    if link.forwards_to is not None and link.forwards_to not in chain.links:
        yield unknown((*at, "forwards_to"), "link", link.forwards_to, chain.links)


def _codes(chain: Chain, link: Link, at: KeyPath) -> Iterator[Problem]:
    """Codes that it declines with."""
    if link.declines is not None:
        yield from check_decline_code((*at, "declines", "code"), link.declines.code, chain.codes)
    if link.duplicates is not None:
        code = link.duplicates.code
        yield from check_decline_code((*at, "duplicates", "code"), code, chain.codes)


def _role(name: str, link: Link, at: KeyPath) -> Iterator[Problem]:
    """What its role cannot do without, and settings that only other roles have."""
    role = ROLES[link.role]
    for needed in role.needs:
        if needed not in link.calls:
            what = f"the role {link.role} needs a call '{needed}'"
            yield Problem(at, what, f"add {needed}: to its calls")
    if role.only_forwards and link.forwards_to is None and "forward" not in link.calls:
        yield Problem(at, f"{name} forwards to no link", "add forwards_to:")
    for key in restricted_settings():
        if key in link.model_fields_set and key not in role.settings:
            what = f"the role {link.role} has no '{key}'"
            yield Problem((*at, key), what, f"it is for: {', '.join(roles_with(key))}")
    for operation, call in link.calls.items():
        if call.tenders and role.party != "merchant":
            what = f"the role {link.role} takes no payment in parts"
            key_path: KeyPath = (*at, "calls", operation, "tenders")
            yield Problem(key_path, what, "declare them on a gateway")


def _captures(chain: Chain, name: str, at: KeyPath) -> Iterator[Problem]:
    """Triggers that never come, and a key where there is nothing to tell apart."""
    captures = chain.links[name].captures
    if captures is None:
        return
    triggers = captures.triggers
    sent = [link.webhooks.to for link in chain.links.values() if link.webhooks is not None]
    if "webhook" in triggers and name not in sent:
        result = "none starts a capture" if "answer" in triggers else "nothing is ever captured"
        what = f"no link sends webhooks to {name}, so {result}"
        yield Problem((*at, "on"), what, f"add webhooks: {{to: {name}}} to its processor")
    if "key" in captures.model_fields_set and len(triggers) == 1:
        what = "each capture has one trigger, and thus one key"
        yield Problem((*at, "key"), what, "write on: [answer, webhook], or remove key:")
    if "delivery" in triggers and "transfer" not in chain.links[name].calls:
        what = f"{name} makes no transfers, so nothing is ever captured"
        yield Problem((*at, "on"), what, "add a call transfer: to a wallet, or capture on: answer")
    if "delivery" in triggers and len(triggers) > 1:
        what = "capture on delivery allows no other trigger"
        yield Problem((*at, "on"), what, "write on: delivery")
    if not isinstance(captures.on, str) and len(triggers) < len(captures.on):
        yield Problem((*at, "on"), "a trigger is named twice", "name each once")


def _after_capture(chain: Chain, link: Link, at: KeyPath) -> Iterator[Problem]:
    """Refunds and disputes without captures."""
    refunds = link.refunds
    if refunds is not None and link.captures is None:
        yield Problem((*at, "refunds"), "there are no captures to refund", "add captures:")
    if refunds is not None and refunds.times == 1 and "gap" in refunds.model_fields_set:
        what = "there is one refund, and no gap to a next one"
        yield Problem((*at, "refunds", "gap"), what, "add times: 2, or remove gap:")
    # An own service captures whenever it likes.
    if link.disputes is not None and "capture" not in chain.follow_ups():
        what = "nothing is captured, so there is nothing to dispute"
        yield Problem((*at, "disputes"), what, "add captures: to a gateway")


def _proofs(chain: Chain, link: Link, at: KeyPath) -> list[Problem]:
    """Links that an authentication is valid at although no gateway calls them."""
    calls = [
        other.calls["authorise"]
        for other in chain.links.values()
        if ROLES[other.role].party == "merchant" and "authorise" in other.calls
    ]
    called = {target for call in calls for target in call.targets}
    return [
        unknown((*at, number), "link", name, chain.links)
        if name not in chain.links
        else Problem((*at, number), f"no gateway authorises at '{name}'", "name a processor")
        for number, name in enumerate(link.valid_for)
        if name not in called
    ]


def _webhooks(chain: Chain, link: Link, at: KeyPath) -> Iterator[Problem]:
    """The receiver of webhooks must exist and accept them."""
    if link.webhooks is None:
        return
    receiver = chain.links.get(link.webhooks.to)
    if receiver is None:
        yield unknown(at, "link", link.webhooks.to, chain.links)
    elif not ROLES[receiver.role].takes_webhooks:
        yield Problem(at, f"the role {receiver.role} takes no webhooks", "name a gateway")
    elif receiver.role == "service" and receiver.lookups is None:
        what = f"{link.webhooks.to} ignores webhooks"
        yield Problem(at, what, "name a gateway, or a service with lookups:")
