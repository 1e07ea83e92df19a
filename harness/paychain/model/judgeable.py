"""What an experiment declares and could never show: known before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from paychain.declaration.problem import Problem, unknown
from paychain.declaration.quantity import seconds_text
from paychain.declaration.text import KeyPath
from paychain.faults.affected import AffectedPayments
from paychain.faults.kind import RequestFaultKind
from paychain.model.experiment import Experiment
from paychain.model.load import USUAL_AMOUNTS, Load
from paychain.payments.cards import SCHEMES, TEST_CARDS, Card

RECOVERED_S = 10  # seconds in a row that count as recovered (docs/measures.md)
STEADY_S = 5  # seconds in a row that count as failed over or back (docs/measures.md)


def check_judgeable(experiment: Experiment) -> Iterator[Problem]:
    """Tolerances that no run could judge, and faults that no payment could meet."""
    yield from _check_times(experiment)
    for number, fault in enumerate(experiment.faults):
        if isinstance(fault.parameters, RequestFaultKind) and fault.parameters.only is not None:
            at: KeyPath = ("faults", number, *fault.kind_path, "only")
            yield from _check_only(fault.parameters.only, experiment.load, at)


def check_magic(experiment: Experiment) -> Iterator[Problem]:
    """Scripts for a card or an amount that no customer of the load pays with.

    Where only the user's own tests pay, any card may be theirs, and this is not asked.
    """
    for number, script in enumerate(experiment.scripts):
        if script.payments is None or script.may_miss:
            continue
        at: KeyPath = ("scripts", number, "payments")
        hint = "or add may_miss: true to the script, if only your own tests pay it"
        cards = [each.masked.replace("…", "-") for each in _cards_of(experiment.load)]
        card, amount = script.payments.card, script.payments.amount
        if card is not None and card.replace("…", "-") not in cards:
            known = ", ".join(sorted(cards))
            yield Problem((*at, "card"), "no customer of this load has it", f"use {known}; {hint}")
        limits = _amounts_of(experiment.load)
        if amount is not None and limits is not None and not limits[0] <= amount <= limits[1]:
            what = f"this load has amounts of {limits[0]:f} to {limits[1]:f}"
            yield Problem((*at, "amount"), what, f"use one of them; {hint}")


def _check_times(experiment: Experiment) -> Iterator[Problem]:
    """Limits for times that are longer than there is to see."""
    if not experiment.faults:
        return
    limits, after_s = experiment.tolerances, experiment.load.after
    if limits.recovery is not None and after_s < RECOVERED_S:
        what = (
            f"recovery can be seen only {RECOVERED_S} s after the last heal, and the load ends "
            f"{seconds_text(after_s)} after it"
        )
        yield Problem(("tolerances", "recovery"), what, f"write after: {RECOVERED_S}s, or more")
    longest_s = max(fault.lasts for fault in experiment.faults)
    if limits.failover is not None and longest_s < STEADY_S:
        what = (
            f"a failover can be seen only {STEADY_S} s into a fault, and the longest one lasts "
            f"{seconds_text(longest_s)}"
        )
        hint = f"let a fault last {STEADY_S}s or longer, or judge technical_success"
        yield Problem(("tolerances", "failover"), what, hint)
    quiet_s = max(_quiet_after(experiment))
    if limits.failback is not None and quiet_s < STEADY_S:
        what = (
            f"a fail-back can be seen only {STEADY_S} s after a heal, and the longest time without "
            f"a fault is {seconds_text(quiet_s)}"
        )
        yield Problem(("tolerances", "failback"), what, f"write after: {STEADY_S}s, or more")


def _quiet_after(experiment: Experiment) -> Iterator[float]:
    """Of each fault the seconds from its heal until the next one begins, or the load ends."""
    end_s = experiment.faults_last + experiment.load.after
    for fault in experiment.faults:
        healed_s = fault.at + fault.lasts
        others = [other for other in experiment.faults if other is not fault]
        if any(other.at <= healed_s < other.at + other.lasts for other in others):
            yield 0.0
        else:
            later_s = (other.at for other in others if other.at > healed_s)
            yield min([end_s, *later_s]) - healed_s


def _schemes_of(load: Load) -> list[str]:
    """The schemes of the load's cards."""
    schemes = list(load.schemes or SCHEMES)
    recorded = load.arrivals.recorded if load.arrivals is not None else None
    if recorded is not None:
        # What the file does not say is drawn as in any other load.
        schemes = sorted({paid.scheme for paid in recorded.payments} - {""}) or schemes
    return schemes


def _cards_of(load: Load) -> list[Card]:
    """The cards that the load's customers have."""
    schemes = _schemes_of(load)
    return [card for card in TEST_CARDS if card.scheme in schemes]


def _amounts_of(load: Load) -> tuple[Decimal, Decimal] | None:
    """The least and the most that a payment of the load may be of; None: as it was recorded."""
    if load.arrivals is not None and load.arrivals.recorded is not None:
        return None
    declared = [merchant.amounts or load.amounts for merchant in load.merchants.values()]
    amounts = [each or USUAL_AMOUNTS for each in declared or [load.amounts]]
    return min(each.least for each in amounts), max(each.most for each in amounts)


def _check_only(only: AffectedPayments, load: Load, at: KeyPath) -> Iterator[Problem]:
    """Payments that a fault is for, and that the load has none of."""
    schemes, merchants = _schemes_of(load), list(load.merchants)
    recorded = load.arrivals.recorded if load.arrivals is not None else None
    if recorded is not None:
        merchants = sorted({paid.merchant for paid in recorded.payments} - {""}) or merchants
    has_mistakes = False
    for number, scheme in enumerate(only.schemes):
        if scheme not in schemes:
            has_mistakes = True
            yield unknown((*at, "schemes", number), "scheme of this load", scheme, schemes)
    cards = _cards_of(load)
    if not has_mistakes and not any(only.has(card.number, card.scheme) for card in cards):
        known = ", ".join(sorted(card.number[:6] for card in cards))
        yield Problem((*at, "ranges"), "no card of this load is in these ranges", f"cards: {known}")
    for number, merchant in enumerate(only.merchants):
        place: KeyPath = (*at, "merchants", number)
        if not merchants:
            # Without declared merchants each seed invents others, so none is known beforehand.
            what = f"unknown merchant '{merchant}': the load declares none"
            yield Problem(place, what, f"write merchants: {{{merchant}: 100%}} under load:")
        elif merchant not in merchants:
            yield unknown(place, "merchant of this load", merchant, merchants)
