"""Payments that went alike are judged once: a million payments have a few hundred outlines.

An outline is the shapes of all its records: what the money rules look at, without what differs from
payment to payment. It is put together by SQLite, so that most stories are never read at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.analysis.store import RunStore, Story
from harness.payments.journal import MovementKind
from harness.payments.outcome import HopResult

_TABLES = ("txn", "hop", "movement", "decision")
_SHAPELESS = "?"
_ACCEPTED_UNASKED = (MovementKind.STOOD_IN, MovementKind.STORED, MovementKind.ADVISED)
_MOST = 100_000  # outlines remembered; beyond them each payment is judged by itself


def unlike(store: RunStore, sound: set[str]) -> Iterator[tuple[Story, str]]:
    """Stories with their outlines, leaving out those with an outline that is in `sound`.

    The caller puts an outline there once its payment broke no rule and `is_plain`.
    """
    store.index()
    sources = [_outlines(store, table) for table in _TABLES]
    heads = [next(source, None) for source in sources]
    while waiting := [head[0] for head in heads if head is not None]:
        payment = min(waiting)
        outline, amounts = "", set[int]()
        for place, head in enumerate(heads):
            outline += "\n"
            if head is not None and head[0] == payment:
                outline += head[1]
                amounts.update(head[2:])
                heads[place] = next(sources[place], None)
        # Amounts that are all the same compare alike, whatever they are.
        is_known_whole = len(amounts) == 1 and _SHAPELESS not in outline
        if outline not in sound or not is_known_whole:
            yield store.story(payment), outline if is_known_whole else ""


def is_plain(story: Story) -> bool:
    """Whether the outline, with its hops in the order they started, says all a rule may ask.

    Not so when a rule asks for times (a failed authentication before or after, a card presented
    again after a decline), or beyond the payment (how often a link stood in), or when nobody knows
    the customer's side. A new rule that asks for more has to be provided for here.
    """
    presented = [
        (hop.callee, hop.result in (HopResult.DECLINED, HopResult.TECHNICAL))
        for hop in story.hops
        if hop.operation == "authorise"
    ]
    is_repeated = len(presented) > len({callee for callee, _ in presented})
    return (
        story.customer is not None
        and not (is_repeated and any(declined for _, declined in presented))
        and not any(
            hop.operation == "authenticate" and hop.result is HopResult.DECLINED
            for hop in story.hops
        )
        and not any(move.kind in _ACCEPTED_UNASKED for move in story.movements)
    )


def remember(sound: set[str], outline: str) -> None:
    """Take an outline as sound, while there is room."""
    if outline and len(sound) < _MOST:
        sound.add(outline)


def _outlines(store: RunStore, table: str) -> Iterator[tuple[Any, ...]]:
    """Payment, outline, and for tables with amounts the least and the largest."""
    amounts = ", MIN(amount_minor), MAX(amount_minor)" if table in ("txn", "movement") else ""
    return store.select(
        f"SELECT payment, group_concat(COALESCE(shape, '{_SHAPELESS}')){amounts} FROM {table} "
        "WHERE payment != '' GROUP BY payment ORDER BY payment",
        (),
    )
