"""Findings about transfers between accounts: limits of the rail, late answers, rejections."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from paychain.declaration.quantity import seconds_text
from paychain.declaration.text import KeyPath
from paychain.model.chain import Chain
from paychain.model.policy import Call
from paychain.model.review.calls import with_call
from paychain.model.review.finding import Weakness, accept, of_setting
from paychain.model.review.paths import longest_work_s
from paychain.model.review.remedy import Edit, duration_text
from paychain.payments.rails import RailLimits


def late_answer_dropped(chain: Chain) -> Iterator[Weakness]:
    """Payers' banks that debit nobody for a transfer whose yes came after its hold."""
    for name, link in chain.links.items():
        if link.holds.late != "dropped":
            continue
        yield of_setting(
            "late_answer_dropped",
            name,
            "holds",
            "late",
            what=f"{name} debits nobody for a transfer that is confirmed after its hold has ended",
            hint="debit the payer without a hold, or an account of the bank's own",
            to="honoured",
        )


def rejected_credit_kept(chain: Chain) -> Iterator[Weakness]:
    """Payees' banks that keep what they credited for a transfer that was rejected."""
    for name, link in chain.links.items():
        if link.rejected_credits != "kept":
            continue
        yield of_setting(
            "rejected_credit_kept",
            name,
            "rejected_credits",
            what=f"{name} keeps the credit of a transfer that the clearing has rejected",
            hint="take the credit back when the rejection comes",
            to="taken_back",
        )


def returned_again(chain: Chain) -> Iterator[Weakness]:
    """Payees' banks that return the money for each recall that comes, a repeated one as well."""
    if all(link.recalls is None for link in chain.links.values()):
        return
    for name, link in chain.links.items():
        if link.returns.repeats == "answered":
            continue
        yield of_setting(
            "returned_again",
            name,
            "returns",
            "repeats",
            what=f"{name} returns the money of a transfer again when its recall is repeated",
            hint="answer a repeated recall as the first one was answered",
            to="answered",
        )


def double_credit_kept(chain: Chain) -> Iterator[Weakness]:
    """Payees' banks that keep what their accounts got twice for one transfer."""
    for name, link in chain.links.items():
        if link.double_credits == "taken_back":
            continue
        yield of_setting(
            "double_credit_kept",
            name,
            "double_credits",
            what=f"{name} never compares its credits with the transfers that it took",
            hint="compare them, and take the second credit back",
            to="taken_back",
        )


def deemed_believed(chain: Chain) -> Iterator[Weakness]:
    """Payers' banks that take a transfer without an outcome for a failed or a made one."""
    for name, link in chain.links.items():
        if link.deemed.shown == "pending":
            continue
        yield of_setting(
            "deemed_believed",
            name,
            "deemed",
            "shown",
            what=f"{name} reports a transfer as {link.deemed.shown} that is only deemed to be made",
            hint="show it as pending until the payee's bank has confirmed or returned it",
            to="pending",
        )


def rail_limit_missed(chain: Chain) -> Iterator[Weakness]:
    """Times that are longer than their rail permits, or that are not in the rail's order.

    The payee's bank answers before the clearing rejects, the clearing before the payer's bank gives
    up, and that before the hold ends.
    """
    if chain.rail is None:
        return
    found = _of_rail(chain, chain.rail)
    cites = f"{chain.rail.source}; paychain docs bank-transfers: time limits"
    yield from (replace(each, cites=cites) for each in found)


def _of_rail(chain: Chain, rail: RailLimits) -> Iterator[Weakness]:
    for name, call in _transfers(chain, "clearing"):
        yield from _clearing_rejects(name, call, rail)
        yield from _queries_permitted(chain, name, rail)
        for target in call.targets:
            yield from _payee_answers(chain, target, rail)
    for name, call in _transfers(chain, "bank"):
        yield from _payer_learns(name, call, rail)
        yield from _hold_ends(chain, name, call, rail)
        yield from _recalled_in_time(chain, name, rail)
        yield from _confirmed_in_time(chain, name, rail)


def longest_transfer_s(chain: Chain, link: str) -> float | None:
    """How long a link may wait for its transfer on its rail; None where no limit applies."""
    rail = chain.rail
    if rail is None:
        return None
    return {"bank": rail.payer_learns, "clearing": rail.clearing_rejects}.get(
        chain.links[link].role
    )


def answer_in_time(chain: Chain, link: str) -> Edit | None:
    """How the target of a transfer answers as early as its rail wants it to, or closer to that.

    None if it cannot by a single change.
    """
    rail, declared = chain.rail, chain.links[link]
    if rail is None:
        return None
    if declared.role == "clearing":
        return _reject_in_time(chain, link, rail)
    takes = declared.answers_in
    if takes.median > rail.payee_answers or takes.p99 <= rail.payee_answers:
        return None  # a p99 below the median would be a mistake
    return Edit(("links", link, "answers_in", "p99"), duration_text(rail.payee_answers))


def _reject_in_time(chain: Chain, clearing: str, rail: RailLimits) -> Edit | None:
    """How a clearing answers before the payer's bank gives up, or closer to that.

    None if its call gets no shorter: its timeout is never less than what the payee's bank has.
    """
    call = chain.links[clearing].calls.get("transfer")
    if call is None:
        return None
    at: KeyPath = ("links", clearing, "calls", "transfer")
    changes: list[tuple[Edit, Call]] = []
    if call.retry is not None and "timeout" in call.retry.on:
        others = [failure for failure in call.retry.on if failure != "timeout"]
        once = call.retry.model_copy(update={"on": others})
        edit = (
            Edit((*at, "retry", "on"), others) if others else Edit((*at, "retry"), action="remove")
        )
        changes.append((edit, call.model_copy(update={"retry": once})))
    for timeout_s in (rail.clearing_rejects, rail.payee_answers):
        if call.timeout > timeout_s:
            edit = Edit((*at, "timeout"), duration_text(timeout_s))
            changes.append((edit, call.model_copy(update={"timeout": timeout_s})))

    def beyond_s(changed: Call) -> float:
        other = with_call(chain, clearing, "transfer", changed)
        return max(longest_work_s(other, clearing) - rail.payer_learns, 0.0)

    # The first of those that are enough; if none is, the one that brings most.
    return min(changes, key=lambda change: beyond_s(change[1]), default=(None, call))[0]


def _transfers(chain: Chain, role: str) -> Iterator[tuple[str, Call]]:
    """The links of a role that send transfers, each with its call."""
    for name, link in chain.links.items():
        if link.role == role and "transfer" in link.calls:
            yield name, link.calls["transfer"]


def _clearing_rejects(name: str, call: Call, rail: RailLimits) -> Iterator[Weakness]:
    if call.timeout <= rail.clearing_rejects and (rail.deems or rail.payee_answers <= call.timeout):
        return
    does = "deems it made" if rail.deems else "rejects"
    what = f"{name} waits {_s(call.timeout)} for the payee's bank, and {rail.title} {does} after "
    what += _s(rail.clearing_rejects)
    if call.timeout < rail.payee_answers:
        what = f"{name} rejects after {_s(call.timeout)}, and on {rail.title} the payee's bank has "
        what += f"{_s(rail.payee_answers)} to answer"
    yield _missed(
        ("links", name, "calls", "transfer", "timeout"),
        f"{name}.transfer",
        what,
        rail.clearing_rejects,
    )


def _queries_permitted(chain: Chain, name: str, rail: RailLimits) -> Iterator[Weakness]:
    """How soon a clearing may be queried. How often is not a matter of time: see the checks."""
    limits = chain.links[name].query_limits
    if limits is None or limits.first_after >= rail.query_after:
        return
    what = f"{name} permits queries after {_s(limits.first_after)}, and {rail.title} after "
    what += _s(rail.query_after)
    key: KeyPath = ("links", name, "query_limits", "first_after")
    yield _missed(key, f"link {name}", what, rail.query_after)


def _payee_answers(chain: Chain, name: str, rail: RailLimits) -> Iterator[Weakness]:
    takes = chain.links[name].answers_in
    if takes.p99 <= rail.payee_answers:
        return
    key: KeyPath = ("links", name, "answers_in", "p99")
    what = f"{name} takes up to {_s(takes.p99)} to answer, and has {_s(rail.payee_answers)} on "
    found = _missed(key, f"link {name}", what + rail.title, rail.payee_answers)
    remedy = answer_in_time(chain, name) or accept("rail_limit_missed", f"link {name}")
    yield replace(found, remedy=remedy)


def _payer_learns(name: str, call: Call, rail: RailLimits) -> Iterator[Weakness]:
    if call.timeout <= rail.payer_learns:
        return
    what = f"{name} waits {_s(call.timeout)} for the clearing, and {rail.title} has the outcome "
    what += f"there within {_s(rail.payer_learns)}"
    key: KeyPath = ("links", name, "calls", "transfer", "timeout")
    yield _missed(key, f"{name}.transfer", what, rail.payer_learns)


def _hold_ends(chain: Chain, name: str, call: Call, rail: RailLimits) -> Iterator[Weakness]:
    ends_s = chain.links[name].holds.ends_after
    if ends_s is None or rail.hold_ends is None:
        return
    if min(call.timeout, rail.payer_learns) <= ends_s <= rail.hold_ends:
        return
    what = f"{name} holds the money for {_s(ends_s)}, and {rail.title} releases it after "
    what += _s(rail.hold_ends)
    if ends_s < rail.hold_ends:
        what = f"{name} releases the money after {_s(ends_s)}, and waits for the outcome "
        what += f"until {_s(call.timeout)}"
    yield _missed(("links", name, "holds", "ends_after"), f"link {name}", what, rail.hold_ends)


def _recalled_in_time(chain: Chain, name: str, rail: RailLimits) -> Iterator[Weakness]:
    recalls = chain.links[name].recalls
    if recalls is None or recalls.after <= (limit_s := rail.recall_s(recalls.reason)):
        return
    what = (
        f"{name} recalls transfers after {duration_text(recalls.after)}, and {rail.title} permits "
    )
    what += f"that ({recalls.reason}) for {limit_s / 86_400:g} days"
    yield _missed(("links", name, "recalls", "after"), f"link {name}", what, limit_s)


def _confirmed_in_time(chain: Chain, name: str, rail: RailLimits) -> Iterator[Weakness]:
    after_s = chain.links[name].deemed.confirmed_after
    if after_s is None or after_s <= rail.confirms_within:
        return
    what = (
        f"{name} wants a transfer confirmed after {duration_text(after_s)}, and {rail.title} has "
    )
    what += f"it confirmed or returned within {duration_text(rail.confirms_within)}"
    key: KeyPath = ("links", name, "deemed", "confirmed_after")
    yield _missed(key, f"link {name}", what, rail.confirms_within)


def _missed(path: KeyPath, subject: str, what: str, limit_s: float) -> Weakness:
    return Weakness(
        kind="rail_limit_missed",
        path=path,
        subject=subject,
        what=what,
        hint=f"write {duration_text(limit_s)}: the limits of a rail build on each other",
        remedy=Edit(path, duration_text(limit_s)),
    )


def _s(seconds: float) -> str:
    return seconds_text(seconds, digits=4)
