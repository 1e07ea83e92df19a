"""Findings about webhooks: events that come twice, and events that never come.

Source: docs/domain.md §2.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

from paychain.declaration.quantity import seconds_text
from paychain.model.chain import Chain
from paychain.model.disputes import reporters_of
from paychain.model.finding_kinds import Kind
from paychain.model.lifecycle import Webhooks
from paychain.model.links_behind import called_by
from paychain.model.review.calls import authorising_path
from paychain.model.review.finding import Weakness, accept, of_setting
from paychain.model.review.remedy import Edit
from paychain.model.review.reversals import MIN_PERSISTENCE_S
from paychain.model.roles import roles_with

_PERSISTENT = "60s"


def webhook_not_deduplicated(chain: Chain) -> Iterator[Weakness]:
    """Gateways that capture on each delivery of a webhook, at links that do so once more.

    Such a capture has the key of the first: a link that still knows it only repeats its answer, and
    passes nothing on.
    """
    senders = _senders(chain)
    for name, link in chain.links.items():
        captures = link.captures is not None and "webhook" in link.captures.triggers
        if link.deduplicates or not captures or name not in senders:
            continue
        if not any(
            _forgets_key(chain, target, senders[name])
            for target in called_by(chain.links, name, "authorise")
        ):
            continue
        yield of_setting(
            "webhook_not_deduplicated",
            name,
            "deduplicates",
            what=(
                f"{name} captures again when a webhook of {', '.join(senders[name])} comes a "
                "second time"
            ),
            hint="remove deduplicates: false",
        )


def _forgets_key(chain: Chain, target: str, senders: Sequence[str]) -> bool:
    """Whether a link may not know a capture's key any more when a webhook comes once more."""
    keys = chain.links[target].idempotency
    sent = [chain.links[sender].webhooks for sender in senders]
    longest_s = max((_again_within_s(webhooks) for webhooks in sent if webhooks), default=0.0)
    return keys.model == "none" or (keys.window is not None and keys.window < longest_s)


def _again_within_s(webhooks: Webhooks) -> float:
    """How long after its first delivery a webhook may come once more.

    It is sent until it is acknowledged, and a duplicate follows that after a delay of its own.
    """
    return webhooks.give_up_after + (webhooks.delay.p99 if webhooks.duplicates else 0.0)


def webhook_refused(chain: Chain) -> Iterator[Weakness]:
    """Webhooks that are all refused: too old by the receiver's clock, or badly signed."""
    for name, link in chain.links.items():
        sent = link.webhooks
        if sent is None:
            continue
        if sent.clock_skew >= sent.max_age:
            key = "clock_skew"
            what = (
                f"{sent.to} refuses every webhook of {name}: its clock is "
                f"{seconds_text(sent.clock_skew, digits=4)} ahead, and a signature may be "
                f"{seconds_text(sent.max_age, digits=4)} old"
            )
            hint = "correct the clock, or accept older signatures"
        elif sent.bad_signatures == 1:
            key = "bad_signatures"
            what = f"{sent.to} refuses every webhook of {name}: none is signed with its secret"
            hint = "share one secret"
        else:
            continue
        path = ("links", name, "webhooks", key)
        yield Weakness(
            kind="webhook_refused",
            path=path,
            subject=f"link {name}",
            what=what,
            hint=hint,
            remedy=Edit(path, action="remove"),
        )


def webhook_not_sent(chain: Chain) -> Iterator[Weakness]:
    """Links that a gateway pays at, and that send it none of the webhooks that it captures on.

    An own service is not asked what it sends.
    """
    found: set[str] = set()
    for name, gateway in chain.links.items():
        call = gateway.calls.get("authorise")
        captures = gateway.captures
        if call is None or captures is None or captures.triggers != ("webhook",):
            continue
        for target in call.targets:
            way = authorising_path(chain, target)
            senders = [chain.links[each].webhooks for each in way]
            is_sent = any(sent is not None and sent.to == name for sent in senders)
            if is_sent or target in found or target in chain.own_services():
                continue
            found.add(target)
            link = chain.links[target]
            can = link.webhooks is None and link.role in roles_with("webhooks")
            yield Weakness(
                kind="webhook_not_sent",
                path=("links", target),
                subject=f"link {target}",
                what=f"{target} sends no webhooks to {name}, which captures on webhooks only",
                hint="send the gateway webhooks" if can else "capture on the answer",
                remedy=Edit(("links", target, "webhooks"), {"to": name})
                if can
                else Edit(("links", name, "captures", "on"), "answer"),
            )


def webhook_given_up_early(chain: Chain) -> Iterator[Weakness]:
    """Webhooks that are given up while a receiver restarts.

    An own service is not asked what it does with them.
    """
    own = chain.own_services()
    for name, link in chain.links.items():
        sent = link.webhooks
        if sent is None or sent.give_up_after >= MIN_PERSISTENCE_S or sent.to in own:
            continue
        captures = chain.links[sent.to].captures
        acts = "learns only from webhooks what happens to a payment later"
        if captures is not None and captures.triggers == ("webhook",):
            acts = "captures on webhooks only"
        yield Weakness(
            kind="webhook_given_up_early",
            path=("links", name, "webhooks", "give_up_after"),
            subject=f"link {name}",
            what=f"{name} gives up a webhook after {seconds_text(sent.give_up_after, digits=4)}, "
            f"and {sent.to} {acts}",
            hint="send webhooks for longer than an outage lasts",
            remedy=Edit(("links", name, "webhooks", "give_up_after"), _PERSISTENT),
        )


def charge_back_not_reported(chain: Chain) -> Iterator[Weakness]:
    """Links that report no chargebacks to a gateway that makes refunds.

    An own service is not asked what it reports.
    """
    kind: Kind = "charge_back_not_reported"
    banks = [name for name, link in chain.links.items() if link.disputes is not None]
    found: set[str] = set()
    for name, gateway in chain.links.items():
        call = gateway.calls.get("authorise")
        if gateway.refunds is None or call is None:
            continue
        for target in call.targets:
            way = set(authorising_path(chain, target))
            disputed = [bank for bank in banks if bank in way]
            unreported = [bank for bank in disputed if not _is_reported(chain, name, way, bank)]
            if not unreported or target in found or target in chain.own_services():
                continue
            found.add(target)
            at, subject = ("links", target, "webhooks"), f"link {target}"
            can = chain.links[target].webhooks is None and target not in unreported
            yield Weakness(
                kind=kind,
                path=at,
                subject=subject,
                what=f"{target} does not report chargebacks of {', '.join(unreported)} to "
                f"{name}, which makes refunds",
                hint="send the gateway webhooks" if can else "have another link report it",
                remedy=Edit(at, {"to": name}) if can else accept(kind, subject),
            )


def _is_reported(chain: Chain, gateway: str, way: Set[str], bank: str) -> bool:
    """Whether a link on the way reports this bank's chargebacks to this gateway."""
    for name in way & set(reporters_of(chain.links, bank)):
        webhooks = chain.links[name].webhooks
        if webhooks is not None and webhooks.to == gateway:
            return True
    return False


def _senders(chain: Chain) -> dict[str, list[str]]:
    """The links that receive webhooks, and who sends them."""
    found: dict[str, list[str]] = {}
    for name, link in chain.links.items():
        if link.webhooks is not None:
            found.setdefault(link.webhooks.to, []).append(name)
    return found
