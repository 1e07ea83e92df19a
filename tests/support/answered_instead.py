"""Laws of the faults that answer a request at a vendor's endpoint in place of the work.

What `stale_answer` stores is nothing, and what it hides stays hidden no longer than the fault. Two
requests of a kind, the second under the fault:

    key-0 ─▶ works
    key-1 ─▶ the answer to key-0 once more; nothing is done
    key-1 ─▶ without the fault: works, as if it came for the first time
"""

from __future__ import annotations

from typing import Any

from tests.support.endpoint_laws import Recipe, Seat, State, Vendor, masked, on_seat

Shown = tuple[int, Any]


def check_stale(vendor: Vendor, recipe: Recipe, method: str) -> None:
    """An answer of before changes nothing, and its repeat is the first request of its key."""
    sound, stale = two(vendor, recipe, method), two(vendor, recipe, method, is_stale=True)
    if sound is None or stale is None:
        return  # without keys nobody could tell a repeat from another request
    assert stale.second == stale.first, "it is not the answer that was given before"
    assert stale.between == stale.before, "it has changed something"
    assert masked(stale.repeated) == masked(sound.second)
    assert stale.at_last == sound.at_last, "a repeat of it does not do it once"


class Two:
    """What two requests of a kind were answered, and what was seen around them."""

    first: Shown
    second: Shown
    repeated: Shown = (0, None)
    before: State
    between: State
    at_last: State


def two(vendor: Vendor, recipe: Recipe, method: str, *, is_stale: bool = False) -> Two | None:
    """Ask for the same twice, under keys of their own; None for what has no key."""

    async def scenario(seat: Seat) -> Two | None:
        found = Two()
        earlier, asked = await recipe.prepare(seat), await recipe.prepare(seat)
        if not asked.key:
            return None
        views = (*vendor.views, *asked.views)
        found.first = await seat.ask_for(method, earlier, "key-0")
        found.before = await seat.look(views)
        if is_stale:
            seat.inject("stale_answer")
        found.second = await seat.ask_for(method, asked)
        if is_stale:
            seat.heal("stale_answer")
            found.between = await seat.look(views)
            found.repeated = await seat.ask_for(method, asked)
        found.at_last = await seat.look(views)
        return found

    return on_seat(vendor, recipe, scenario)


def check_declined(vendor: Vendor, recipe: Recipe, method: str) -> None:
    """A request that the provider declines is answered for good, at once or to its repeat."""

    async def scenario(seat: Seat) -> list[int]:
        asked = await recipe.prepare(seat)
        seat.inject("decline", code="91")
        first, _ = await seat.ask_for(method, asked)
        seat.heal("decline")
        return [first, (await seat.ask_for(method, asked))[0]]

    assert min(on_seat(vendor, recipe, scenario)) < 500
