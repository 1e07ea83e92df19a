"""What was found, as files and words: an ordinary experiment that replays it, and its story."""

from __future__ import annotations

from pathlib import Path

import yaml

from harness.explore.judged import SUCCESS
from harness.explore.schedules import declaration
from harness.explore.search import Found, Order, Searched, told_short


def slug(chain: str, rule: str) -> str:
    """The experiment's name: `shop-no-double-charge`."""
    return f"{chain}-{rule}".replace("_", "-")[:63].strip("-")


def write_found(found: Found, order: Order, folder: Path) -> Path:
    """Write the smallest schedule as an experiment file; a found one replaces its last version."""
    name = slug(order.chain.chain, found.rule)
    declared = declaration(
        found.sturdy or found.schedule, name=name, payments=order.payments, rate=order.rate,
        title=f"{found.title} broken by {len(found.schedule)} "
        f"fault{'' if len(found.schedule) == 1 else 's'}",
    )  # fmt: skip
    if found.rule == SUCCESS and order.success is not None:
        declared["tolerances"] = {SUCCESS: order.success.text}
    lines = [
        f"# Found by exploring {order.chain.chain}. Broken: {found.title}.",
        f"# {found.broken.text}",
        *(f"# Breaks with {one}." for one in found.limits),
        *(["# Here it has room, so that a real run meets it, too."] * bool(found.sturdy)),
        f"# Seed {order.seed}"
        + (f", interleaving {found.interleaving}" * bool(found.interleaving)),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    text = yaml.safe_dump(declared, sort_keys=False, allow_unicode=True, width=100)
    path.write_text("\n".join(line.replace("\r", " ") for line in lines) + "\n" + text, "utf-8")
    return path


def found_lines(found: Found) -> list[str]:
    """One broken rule for a terminal."""
    lines = [f"✕ {found.title.lower()}: {found.broken.text}"]
    if len(found.schedule) != 1 or not found.limits:
        lines.append(f"    smallest outage: {told_short(found.schedule)}")
    lines += [f"    breaks with {one}" for one in found.limits]
    if found.schedule and not found.limits:
        lines.append("    its limits were not looked for: the search ended before")
    if found.interleaving:
        lines.append(
            f"    only when events happen in another order (interleaving {found.interleaving})"
        )
    payments = found.broken.payments
    line = f"    found with schedule {found.at_schedule:,}"
    if payments:  # of a run that does not end, nobody's payment is wrong
        line += f"; the smallest outage strikes {payments} payment{'s' * (payments != 1)}"
    return [*lines, line]


def searched_line(searched: Searched) -> str:
    """`1,240 schedules, 1.3 virtual hours, in 20.1 s (3,700 a minute)`."""
    hours, many = searched.virtual_s / 3600, searched.schedules
    passed = f"{hours:.1f} virtual hours" if hours >= 0.1 else f"{60 * hours:.1f} virtual minutes"
    return (
        f"{many:,} schedule{'s' * (many != 1)}, {passed}, "
        f"in {searched.took_s:.1f} s ({searched.rate:,.0f} a minute)"
    )
