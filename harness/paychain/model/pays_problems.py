"""Mistakes that requests which pay an order, and those that read it back, have in common."""

from __future__ import annotations

from collections.abc import Iterator

from paychain.declaration.problem import Problem
from paychain.declaration.text import KeyPath
from paychain.model.pays import AmountField, Pays
from paychain.protocol.pays.placeholders import mistakes_in

IDS = frozenset({"payment", "order", "key"})  # placeholders that tell payments apart


def placeholder_problems(text: str, at: KeyPath, *, has_answer: bool) -> Iterator[Problem]:
    """Unknown placeholders of a text. `has_answer`: an answer came before."""
    for mistake in mistakes_in(text, has_answer=has_answer):
        what, _, hint = mistake.partition("; ")
        yield Problem(at, what, hint)


def unit_problems(amount: AmountField | None, pays: Pays | None, at: KeyPath) -> Iterator[Problem]:
    """An amount in a unit that neither the field nor the requests show."""
    if amount is None or amount.unit is not None or (pays is not None and pays.usual_unit):
        return
    what = f"'{amount.field}' may be decimal or in minor units"
    hint = f"write amount: {{field: {amount.field}, unit: minor}}, or unit: decimal"
    yield Problem(at, what, hint)
