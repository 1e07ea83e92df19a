"""Findings about money that was approved but is never collected, or is not guaranteed."""

from __future__ import annotations

from collections.abc import Iterator

from paychain.declaration.quantity import seconds_text
from paychain.model.chain import Chain
from paychain.model.fallbacks.queue import Queue
from paychain.model.fallbacks.skip import Skip
from paychain.model.fallbacks.stand_in import StandIn
from paychain.model.ledger_checks import transfer_s
from paychain.model.named_calls import operation_of
from paychain.model.review.calls import (
    DeclaredCall,
    authorising_path,
    declared_calls,
    delivering_path,
)
from paychain.model.review.finding import Weakness, of_setting
from paychain.model.review.remedy import Edit, duration_text
from paychain.model.roles import ROLES
from paychain.model.third_parties import lacking, must_fail_closed
from paychain.payments.errors import both
from paychain.payments.money import exponent

# Stand-in approvals since a link's start, above which a limit on their number limits nothing: more
# than a busy shop takes in the hours that an outage lasts.
MAX_STAND_IN = 10_000
_DAY_S = 86_400.0
_HOLD_DAYS = 7  # the usual validity of a card authorisation
_GRACE_S = 1.0  # beyond the last try of a delivery
_STAND_IN = 100
# Roles that go on with what they have begun after their answer.
_DELIVERING = {
    "exchange": "payouts under way",
    "wallet": "signed transfers",
    "depositor": "deposits under way",
    "bank": "transfers under way",
    "clearing": "transfers under way",
}
_QUEUED = 50.0
_SKIPPED = 50.0


def hold_expires_early(chain: Chain) -> Iterator[Weakness]:
    """Links whose hold expires before the last part of a capture reaches them."""
    found: set[str] = set()
    for name, gateway in chain.links.items():
        if gateway.captures is None:
            continue
        last_s = last_capture_s(chain, name)
        for holder in authorising_path(chain, name):
            expires_s = chain.links[holder].expires_after
            if expires_s is None or expires_s > last_s or holder in found:
                continue
            found.add(holder)
            yield of_setting(
                "hold_expires_early",
                holder,
                "expires_after",
                what=f"{holder} holds an authorisation for {_s(expires_s)}, and {name} captures "
                f"until {_s(last_s)} after it",
                hint="hold for longer, or capture sooner",
                to=long_enough(last_s),
            )


def long_enough(last_s: float) -> str:
    """How long to hold what is captured so late: the usual validity, or some whole days."""
    days = int(last_s // _DAY_S) + 2
    return f"{max(_HOLD_DAYS, days)}d"


def last_capture_s(chain: Chain, name: str) -> float:
    """Seconds after a hold until the last part of a gateway's capture arrives, on a slow day.

    The answer travels to the gateway and the capture back: every link at its 99th percentile.
    What waits for the delivery waits until the transfer is final.
    """
    gateway, path = chain.links[name], authorising_path(chain, name)
    captures = gateway.captures
    assert captures is not None
    webhooks = [link.webhooks for link in chain.links.values() if link.webhooks is not None]
    waits = [sent.delay.p99 for sent in webhooks] if captures.triggers == ("webhook",) else []
    if captures.triggers == ("delivery",):
        waits.append(transfer_s(chain))
        path = [*path, *delivering_path(chain, gateway)]
    travel_s = sum(chain.links[name].answers_in.p99 for name in path)
    return captures.after * captures.parts + max(waits, default=0.0) + travel_s


def captured_before_delivery(chain: Chain) -> Iterator[Weakness]:
    """Captures that are due while a link behind the gateway may still store the authorisation.

    A gateway that stores a payment itself captures it after its delivery.
    """
    for name, gateway in chain.links.items():
        if gateway.captures is None:
            continue
        behind = set(authorising_path(chain, name)) - {name}
        stored_s = {
            declared.link: step.queue.within + declared.call.timeout
            for declared in declared_calls(chain)
            for step in declared.call.fallback
            if declared.link in behind and isinstance(step, Queue)
        }
        longest = max(stored_s, key=lambda link: stored_s[link], default=None)
        if longest is None or gateway.captures.after > stored_s[longest]:
            continue
        key = ("links", name, "captures", "after")
        is_declared = "after" in gateway.captures.model_fields_set
        yield Weakness(
            kind="captured_before_delivery",
            path=key if is_declared else key[:-1],
            subject=f"link {name}",
            what=f"{name} captures {_s(gateway.captures.after)} after an approval, and {longest} "
            f"may deliver what it has stored until {_s(stored_s[longest])} after it",
            hint="capture later, or store for a shorter time",
            remedy=Edit(key, duration_text(stored_s[longest] + _GRACE_S)),
        )


def wrong_decimals(chain: Chain) -> Iterator[Weakness]:
    """Links that take the currency for one with another number of decimals."""
    for name, link in chain.links.items():
        if link.exponent is None:
            continue
        yield of_setting(
            "wrong_decimals",
            name,
            "exponent",
            what=f"{name} assumes that {chain.currency} has {link.exponent} decimals; it has "
            f"{exponent(chain.currency)}",
            hint="remove exponent: the link then scales amounts by the currency's own decimals",
        )


def memory_outbox(chain: Chain) -> Iterator[Weakness]:
    """Links that have something due in memory only, so that a crash loses it."""
    later = [operation for operation in chain.follow_ups() if operation != "advise"]
    for name, link in chain.links.items():
        if link.outbox == "disk":
            continue
        due = []
        call = chain.calls_of(name).get("authorise")
        steps = call.fallback if call is not None else []
        if call is not None and later:
            due += [f"{operation}s" for operation in later]
        # A payee's bank has done everything with its answer.
        if link.role in _DELIVERING and (link.role != "bank" or "transfer" in link.calls):
            due.append(_DELIVERING[link.role])
        elif "transfer" in link.calls and ROLES[link.role].party == "merchant":
            due.append("purchases under way")
        due += ["stored requests"] * any(isinstance(step, Queue) for step in steps)
        due += ["advices of stand-in"] * any(isinstance(step, StandIn) for step in steps)
        if not due:
            continue
        isolated = " (an isolated link keeps nothing on disk)" if link.isolate else ""
        key = ("links", name, "outbox")
        yield Weakness(
            kind="memory_outbox",
            path=key,
            subject=f"link {name}",
            what=f"{name} keeps {both(due)} in memory until they are delivered{isolated}",
            hint="declare outbox: disk",
            remedy=Edit(("links", name, "isolate"), action="remove")
            if link.isolate
            else Edit(key, "disk"),
        )


def unlimited_fallback(chain: Chain) -> Iterator[Weakness]:
    """Stand-in, store-and-forward and skip without a limit that would ever be reached."""
    for declared in declared_calls(chain):
        for number, step in enumerate(declared.call.fallback):
            path = declared.at("fallback", number)
            where = declared.subject
            if isinstance(step, StandIn):
                limits = step.stand_in
                if limits.per_card is not None or (limits.most or MAX_STAND_IN + 1) <= MAX_STAND_IN:
                    continue
                count = "any number of" if limits.most is None else f"{limits.most:,}"
                what = f"{where} approves {count} payments by itself while {declared.call.to} fails"
                key, value = ("stand_in", "most"), str(_STAND_IN)
                remedy = Edit((*path, *key), int(value))
            elif isinstance(step, Skip) and step.skip.up_to is None and _guards(chain, declared):
                lacks = lacking(chain, declared.link, declared.operation)
                what = f"{where} lets payments of any amount go on without {lacks} while "
                what += f"{declared.call.to} fails"
                remedy = Edit((*path, "skip", "up_to"), _SKIPPED)
            elif isinstance(step, Queue) and step.queue.up_to is None:
                what = f"{where} accepts payments of any amount before {declared.call.to} has "
                what += "decided them"
                remedy = Edit((*path, "queue", "up_to"), _QUEUED)
            else:
                continue
            yield Weakness(
                kind="unlimited_fallback",
                path=path,
                subject=where,
                what=what,
                hint="limit the amount and number of approvals without the issuer",
                remedy=remedy,
            )


def _guards(chain: Chain, declared: DeclaredCall) -> bool:
    """Whether a call guards against fraud; one that must fail closed has a finding of its own."""
    is_guard = operation_of(declared.operation) in ("screen", "authenticate")
    return is_guard and not must_fail_closed(chain, declared.operation, declared.call)


def _s(seconds: float) -> str:
    return seconds_text(seconds, digits=4)
