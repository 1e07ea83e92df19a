"""Laws of the faults that answer a request at a vendor's endpoint in place of the work.

What `stale_answer` stores is nothing, and what it hides stays hidden no longer than the fault. Two
requests of a kind, the second under the fault:

    key-0 ─▶ works
    key-1 ─▶ the answer to key-0 once more; nothing is done
    key-1 ─▶ without the fault: works, as if it came for the first time
"""

from __future__ import annotations

from copy import copy
from typing import Any

from paychain.simulation.simulate import simulate
from tests.support.endpoint_laws import Asked, Recipe, Seat, State, Vendor, _masked, _set_key

Shown = tuple[int, Any]


def check_stale(vendor: Vendor, recipe: Recipe, method: str) -> None:
    """An answer of before changes nothing, and its repeat is the first request of its key."""
    sound, stale = two(vendor, recipe, method), two(vendor, recipe, method, is_stale=True)
    if sound is None or stale is None:
        return  # without keys nobody could tell a repeat from another request
    assert stale.second == stale.first, "it is not the answer that was given before"
    assert stale.between == stale.before, "it has changed something"
    assert _masked(stale.repeated) == _masked(sound.second)
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

    async def whole() -> Two | None:
        seat, found = Seat(vendor, recipe.dialect, **recipe.further), Two()
        await seat.start()
        try:
            earlier, asked = await recipe.prepare(seat), await recipe.prepare(seat)
            if not asked.key:
                return None
            views = (*vendor.views, *asked.views)

            async def send(key: str, asked: Asked = asked) -> Shown:
                given = copy(asked.fields)
                _set_key(given, asked.key, key)
                in_header = key if asked.key == "header" else ""
                return await seat.send(method, asked.path, given, in_header, asked.headers)

            found.first = await send("key-0", earlier)
            found.before = await seat.look(views)
            if is_stale:
                seat.inject("stale_answer")
            found.second = await send("key-1")
            if is_stale:
                seat.heal("stale_answer")
                found.between = await seat.look(views)
                found.repeated = await send("key-1")
            found.at_last = await seat.look(views)
            return found
        finally:
            await seat.stop()

    return simulate(lambda _loop: whole())


def check_declined(vendor: Vendor, recipe: Recipe, method: str) -> None:
    """A request that the provider declines is answered for good, at once or to its repeat."""

    async def whole() -> list[int]:
        seat = Seat(vendor, recipe.dialect, **recipe.further)
        await seat.start()
        try:
            asked = await recipe.prepare(seat)
            given = copy(asked.fields)
            _set_key(given, asked.key)
            key = "key-1" if asked.key == "header" else ""
            sent = (method, asked.path, given, key, asked.headers)
            seat.inject("decline", code="91")
            first, _ = await seat.send(*sent)
            seat.heal("decline")
            return [first, (await seat.send(*sent))[0]]
        finally:
            await seat.stop()

    assert min(simulate(lambda _loop: whole())) < 500
