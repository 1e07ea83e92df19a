"""Outages that were found, as files and words: an ordinary experiment that reproduces each."""

from __future__ import annotations

from pathlib import Path

import yaml

from paychain.declaration.quantity import count
from paychain.explore.checks import SUCCESS
from paychain.explore.result import SearchResult, SmallestOutage
from paychain.explore.schedules import declaration, in_words
from paychain.explore.spec import SearchSpec
from paychain.payments.rules import RULES
from paychain.processes.files import make_folder


def slug(chain: str, rule: str) -> str:
    """The experiment's name: `shop-no-double-charge`."""
    return f"{chain}-{rule}".replace("_", "-")[:63].strip("-")


def write_outage(outage: SmallestOutage, spec: SearchSpec, folder: Path) -> Path:
    """Write an outage as an experiment file and return its path.

    An older file of the same chain and rule is replaced.
    """
    name = slug(spec.chain.chain, outage.rule)
    declared = declaration(
        outage.with_margin or outage.schedule,
        name=name,
        payments=spec.payments,
        rate=spec.rate,
        title=f"{outage.title} broken by {count(len(outage.schedule), 'fault')}",
    )
    if outage.rule == SUCCESS and spec.success is not None:
        declared["tolerances"] = {SUCCESS: spec.success.text}
    lines = [
        f"# Found by exploring {spec.chain.chain}. Broken: {outage.title}.",
        f"# {outage.broken.text}",
        *(f"# Fails when {limits}." for limits in outage.limits),
    ]
    if outage.with_margin:
        lines.append("# The faults here exceed these limits, so that a real run fails as well.")
    interleaving = f", interleaving {outage.interleaving}" if outage.interleaving else ""
    lines.append(f"# Seed {spec.seed}{interleaving}")
    make_folder(folder)
    path = folder / f"{name}.yaml"
    text = yaml.safe_dump(declared, sort_keys=False, allow_unicode=True, width=100)
    path.write_text("\n".join(line.replace("\r", " ") for line in lines) + "\n" + text, "utf-8")
    return path


def outage_lines(outage: SmallestOutage) -> list[str]:
    """One broken rule for a terminal."""
    lines = [f"✕ {outage.title.lower()}: {outage.broken.text}"]
    # One fault with its limits says all; of several faults the limits do not say when each begins.
    if len(outage.schedule) != 1 or not outage.limits:
        lines.append(f"    smallest outage: {in_words(outage.schedule)}")
    lines += [f"    fails when {limits}" for limits in outage.limits]
    if outage.schedule and not outage.limits:
        lines.append("    limits unknown: the search ended first")
    if outage.interleaving:
        lines.append(
            f"    only when events happen in another order (interleaving {outage.interleaving})"
        )
    line = f"    found with schedule {outage.at_schedule:,}"
    if outage.broken.payments:  # a run that does not end has no payment to blame
        rule = RULES.get(outage.rule)
        what = "order" if rule is not None and rule.per == "order" else "payment"
        line += f"; the smallest outage affects {count(outage.broken.payments, what)}"
    return [*lines, line]


def searched_line(result: SearchResult) -> str:
    """`1,240 schedules, 1.3 virtual hours, in 20.1 s (3,700 per minute)`."""
    hours = result.virtual_s / 3600
    passed = f"{hours:.1f} virtual hours" if hours >= 0.1 else f"{60 * hours:.1f} virtual minutes"
    return (
        f"{count(result.schedules, 'schedule')}, {passed}, "
        f"in {result.took_s:.1f} s ({result.rate:,.0f} per minute)"
    )
