"""Faults drawn otherwise: by hop, role or provider, at several places, again and again, in shapes.

It is drawn last, so that whatever is not varied stays the pair of its number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paychain.model.chain import Chain
from tests.oracle.chance import Chance, choose, some

Declared = dict[str, Any]
VARIED = 30  # of a hundred experiments with faults: those with one that is varied
# A provider that no chain has: an option maps it to one that the chain has, as an outage's file.
MAPPED = "somebodys-cloud"


def vary(chance: Chance, chain: Chain, fault: Declared) -> Declared:
    """One fault, at another place, at other times, or with an answer about something else."""
    return choose(chance, VARIATIONS)(chance, chain, fault)


def _by_hop(chance: Chance, chain: Chain, fault: Declared) -> Declared:
    return {**fault, "target": {"hop": choose(chance, [hop.name for hop in chain.hops()])}}


def _by_role(chance: Chance, chain: Chain, fault: Declared) -> Declared:
    roles = sorted({link.role for link in chain.links.values()})
    return {**fault, "target": {"role": choose(chance, roles)}}


def _by_provider(chance: Chance, chain: Chain, fault: Declared) -> Declared:
    return {**fault, "target": {"provider": choose(chance, (MAPPED, *sorted(chain.providers)))}}


def _at_several(chance: Chance, chain: Chain, fault: Declared) -> Declared:
    others = choose(chance, [name for name in chain.links if {"link": name} != fault["target"]])
    first = fault["target"]
    return {**_without(fault, "target"), "targets": [first, {"link": others}]}


def _again(chance: Chance, chain: Chain, fault: Declared) -> Declared:
    del chain
    every = choose(chance, ("500ms", "300ms", "1s"))
    return {**fault, "for": choose(chance, ("100ms", "250ms")), "every": every, "times": 3}


def _in_shape(chance: Chance, chain: Chain, fault: Declared) -> Declared:
    del chain
    kind = next(key for key in fault if key not in ("id", "at", "for", "target"))
    shape, values = choose(
        chance,
        (
            ("flapping", {"period": "200ms"}),
            ("relapse", {"on": "150ms", "healthy": "300ms"}),
            ("ramp", {"steps": some(chance, 2, 4)}),
            ("cache_expiry", {"ttl": "500ms"}),
        ),
    )
    return {**_without(fault, kind), shape: {**values, "fault": {kind: fault[kind]}}}


def _about_another(chance: Chance, chain: Chain, fault: Declared) -> Declared:
    """The answer is about another amount, or about an authorisation that nobody has."""
    del chain
    kind = next(key for key in fault if key not in ("id", "at", "for", "target"))
    says = choose(chance, ("another_amount", "another_payment"))
    wrong: Declared = {"says": says, **choose(chance, ({}, {"share": "30%"}, {"first": 1}))}
    return {**_without(fault, kind), "wrong_answer": wrong}


def _without(fault: Declared, key: str) -> Declared:
    return {name: value for name, value in fault.items() if name != key}


Variation = Callable[[Chance, Chain, Declared], Declared]
VARIATIONS: tuple[Variation, ...] = (
    _by_hop,
    _by_role,
    _by_provider,
    _at_several,
    _again,
    _in_shape,
    _about_another,
)
