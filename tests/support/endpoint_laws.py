"""What an error before the work, one after it and a lost answer must leave of a vendor's endpoint.

Each endpoint has one or more recipes: how to prepare a mock, and what to ask it for. The laws are
checked by asking four mocks for the same, one of which meets no fault.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec

from paychain.payments.journal import Movement
from paychain.protocol.dialects.vendors import VENDORS
from paychain.simulation.simulate import simulate
from paychain.wire.http import HttpRequest, WireError
from tests.support.stripe_links import StripeLinks

LOST_S, SETTLES_S = 0.5, 0.4
LATE_S = 2.0  # longer than a client waits
WINDOW_S = 5.0  # of a key, where the law is about its end
_WORDS = re.compile(r"[A-Za-z_ .,:'?-]{0,80}|-?\d+\.\d\d|\d{1,2}")
_IDS = ("id", "invoice_prefix", "product", "default_price")  # may be a word by chance
_TIME = 10**8  # numbers from here on are times
State = tuple[Any, ...]
Done = TypeVar("Done")


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """How a vendor is asked. `views`: where its objects are listed."""

    name: str
    dialect: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]
    event: Callable[[HttpRequest], str]
    headers: dict[str, str] = field(default_factory=dict)
    key_header: str = ""
    views: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a recipe asks for. `key`: where its key goes, "" where the vendor has none for it."""

    path: str
    fields: Any = field(default_factory=dict)  # a patch is a list
    views: tuple[str, ...] = ()  # further ones
    new: str = ""  # where what it makes is shown: `/v2/refunds/{id}`
    key: str = "header"
    headers: dict[str, str] = field(default_factory=dict)
    executes_again: bool = False  # the vendor takes a repeat after an error for a new request


class Seat(StripeLinks):
    """One mock, and who asks it."""

    def __init__(self, vendor: Vendor, dialect: str = "", **further: str) -> None:
        self.dialect, self.vendor = dialect or vendor.dialect, vendor
        super().__init__(**further)

    async def send(
        self,
        method: str,
        path: str,
        given: Any = None,
        key: str = "",
        more: dict[str, str] | None = None,
        timeout_s: float = LOST_S,
    ) -> tuple[int, Any]:
        """Status and body of an answer; status 0 where none came."""
        headers = {**self.vendor.headers, **(more or {})}
        if key and self.vendor.key_header:
            headers[self.vendor.key_header] = key
        body = self.vendor.encode(given) if given is not None and method != "GET" else b""
        try:
            got = await self.pool.request(method, path, body, headers=headers, timeout_s=timeout_s)
        except WireError:
            return 0, {}
        location = {"location": got.headers["location"]} if "location" in got.headers else {}
        try:
            shown = self.vendor.decode(got.body) if got.body else {}
        except (ValueError, msgspec.MsgspecError):
            shown = {"text": got.body.decode()}
        return got.status, {**shown, **location} if isinstance(shown, dict) else shown

    async def ask_for(
        self, method: str, asked: Asked, key: str = "key-1", timeout_s: float = LOST_S
    ) -> tuple[int, Any]:
        """Send what a recipe asks for, with its key where the vendor has one."""
        given = copy(asked.fields)
        _set_key(given, asked.key, key)
        in_header = key if asked.key == "header" else ""
        return await self.send(method, asked.path, given, in_header, asked.headers, timeout_s)

    async def made(self, path: str, given: dict[str, Any] | None = None, **more: Any) -> Any:
        """What a request that must succeed shows."""
        status, shown = await self.send(more.get("method", "POST"), path, given or {})
        assert 200 <= status < 400, (path, status, shown)
        return shown

    async def look(self, views: tuple[str, ...]) -> State:
        """Books, webhooks and objects, without ids and times."""
        await asyncio.sleep(SETTLES_S)
        objects = [masked(await self.send("GET", view)) for view in views]
        moves = Counter(
            (move.link, move.kind.value, move.amount_minor)
            for move in self.journal
            if isinstance(move, Movement)
        )
        events = Counter(self.vendor.event(http) for http in self.received)
        return sorted(moves.items()), sorted(events.items()), objects


Prepare = Callable[[Seat], Awaitable[Asked]]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """`changes`: False where the endpoint changes nothing that anybody could see.

    `further`: of the chain, as `chain_of` takes it.
    """

    prepare: Prepare
    dialect: str = ""
    further: dict[str, str] = field(default_factory=dict)
    changes: bool = True


@dataclass(kw_only=True)
class Outcome:
    """One run: what was seen before the request, after it, and after its repeat."""

    status: int
    shown: Any
    repeated: int
    asked: Asked
    before: State
    after: State
    at_last: State
    new: tuple[State, State] = ((), ())  # of what it makes: after the request, after its repeat


FAULTS: dict[str, dict[str, Any]] = {
    "before": {"kind": "http_error", "status": 503},
    "after": {"kind": "http_error", "status": 500, "after_work": True},
    "lost": {"kind": "lost_answer"},
}


def on_seat(vendor: Vendor, recipe: Recipe, scenario: Callable[[Seat], Awaitable[Done]]) -> Done:
    """What comes of a scenario at a mock as a recipe wants it, in virtual time."""

    async def whole() -> Done:
        seat = Seat(vendor, recipe.dialect, **recipe.further)
        await seat.start()
        try:
            return await scenario(seat)
        finally:
            await seat.stop()

    return simulate(lambda _loop: whole())


def ask(vendor: Vendor, recipe: Recipe, method: str, fault: str = "", new: str = "") -> Outcome:
    """Prepare a mock, ask it under a fault, and again under the same key without it."""

    async def scenario(seat: Seat) -> Outcome:
        asked = await recipe.prepare(seat)
        views = (*vendor.views, *asked.views)
        before = await seat.look(views)
        if fault:
            fields = dict(FAULTS[fault])
            kind = fields.pop("kind")
            seat.inject(kind, **fields)
        status, shown = await seat.ask_for(method, asked)
        if fault:
            seat.heal(kind)
        after = await seat.look(views)
        made = await seat.look((new,)) if new else ()
        repeated = 0
        if fault and asked.key:
            repeated, _ = await seat.ask_for(method, asked)
        at_last = await seat.look(views)
        return Outcome(
            status=status,
            shown=shown,
            repeated=repeated,
            asked=asked,
            before=before,
            after=after,
            at_last=at_last,
            new=(made, await seat.look((new,)) if new else ()),
        )

    return on_seat(vendor, recipe, scenario)


# By the recipe's identity: recipes stay, and every law of one asks for the same first.
_GOOD: dict[int, Outcome] = {}


def _good(vendor: Vendor, recipe: Recipe, method: str) -> Outcome:
    """What comes of a recipe that meets no fault."""
    if id(recipe) not in _GOOD:
        _GOOD[id(recipe)] = ask(vendor, recipe, method)
    return _GOOD[id(recipe)]


def check(vendor: Vendor, recipe: Recipe, method: str) -> None:
    """The laws of one fault, for one endpoint."""
    good = _good(vendor, recipe, method)
    name = good.asked.new and good.asked.new.format(id=_id_in(good.shown))
    good = ask(vendor, recipe, method, new=name) if name else good
    assert (good.after != good.before or bool(name)) is recipe.changes, (good.status, good.shown)
    if name:
        assert good.new[0][2][0][0] == 200, (name, good.new)

    early = ask(vendor, recipe, method, "before", name)
    assert early.status == 503
    assert early.after == early.before, "an error before the work has changed something"
    if name:
        assert early.new[0][2][0][0] == 404, "an error before the work has made something"
    if early.asked.key:
        assert early.at_last == good.at_last, (
            f"a repeat of it does not do it once: {early.repeated}"
        )

    for fault, status in (("after", 500), ("lost", 0)):
        late = ask(vendor, recipe, method, fault, name)
        assert late.status == status
        assert late.after == good.after, f"{fault}: not done as when the answer comes"
        assert late.new[:1] == good.new[:1], f"{fault}: not made as when the answer comes"
        if late.asked.key and not (fault == "after" and late.asked.executes_again):
            assert late.at_last == good.at_last, f"{fault}: a repeat of the key does it again"
            assert late.new == good.new


@dataclass(frozen=True, kw_only=True)
class Repeats:
    """What comes of a first try that fails late, and of its repeats, which overlap with it.

    `is_done`: the first try does not fail, but its answer is lost. `failed`: how many repeats fail
    at once before the last one. `is_late`: whether that one begins its work after the first try has
    failed. `is_lost`: whether its answer is. `has_another_key`: it has, and may be refused.
    """

    is_done: bool = False
    failed: int = 0
    is_late: bool = False
    is_lost: bool = False
    has_another_key: bool = False


@dataclass(frozen=True, kw_only=True)
class Overlapped:
    """Status of the last repeat, what is seen at last, and whether what it shows can be found."""

    status: int
    seen: State
    is_found: bool = True


def overlap(vendor: Vendor, recipe: Recipe, method: str, repeats: Repeats) -> Overlapped:
    """Send a request that has a key, and its repeats."""

    async def scenario(seat: Seat) -> Overlapped:
        asked = await recipe.prepare(seat)
        if repeats.is_done:
            seat.inject("lost_answer")
            assert (await seat.ask_for(method, asked))[0] == 0
            seat.heal("lost_answer")
            seat.inject("http_error", status=503)
        else:
            seat.inject("late_answer", delay=f"{LATE_S:g}s")
            seat.inject("http_error", status=503)
            assert (await seat.ask_for(method, asked))[0] == 0
            if not repeats.is_late:
                seat.heal("late_answer")
        for _ in range(repeats.failed):
            assert (await seat.ask_for(method, asked))[0] == 503
        seat.heal("http_error")
        if repeats.is_lost:
            seat.inject("lost_answer")
        key = f"key-{1 + repeats.has_another_key}"
        status, shown = await seat.ask_for(method, asked, key, 2 * LATE_S)
        if repeats.is_late:
            seat.heal("late_answer")
        if repeats.is_lost:
            seat.heal("lost_answer")
        await asyncio.sleep(LATE_S)
        seen = await seat.look((*vendor.views, *asked.views))
        found = 200
        if asked.new and not repeats.is_lost:
            found, _ = await seat.send("GET", asked.new.format(id=_id_in(shown)))
        return Overlapped(status=status, seen=seen, is_found=found == 200)

    return on_seat(vendor, recipe, scenario)


def check_overlap(vendor: Vendor, recipe: Recipe, method: str, *repeats: Repeats) -> None:
    """What is done once under a key stays done, whatever becomes of its other requests."""
    good = _good(vendor, recipe, method)
    if not good.asked.key:
        return
    for each in repeats:
        found = overlap(vendor, recipe, method, each)
        if each.has_another_key and found.status != good.status:
            continue  # the vendor lets nobody in while the first try is at work
        if each.is_lost:
            assert found.status == 0, each
        else:
            assert each.is_done or found.status == good.status, each
            assert found.is_found, each
        assert found.seen == good.at_last, each


def check_escaped(vendor: Vendor, recipe: Recipe, endpoint: str) -> None:
    """An id with escaped characters, as SDKs escape those of `ccof:…`, is the same id."""
    method, _, pattern = endpoint.partition(" ")
    parts = pattern.strip("/").split("/")
    from_end = max(place for place, part in enumerate(parts) if part[0] == "{") - len(parts)

    async def prepare(seat: Seat) -> Asked:
        asked = await recipe.prepare(seat)
        path, mark, query = asked.path.partition("?")
        given = path.split("/")
        given[from_end] = "".join(f"%{each:02X}" for each in unquote_to_bytes(given[from_end]))
        return replace(asked, path="/".join(given) + mark + query)

    good, escaped = (
        _good(vendor, recipe, method),
        ask(vendor, replace(recipe, prepare=prepare), method),
    )
    assert (escaped.status, escaped.after) == (good.status, good.after)


def check_wrong_answer(vendor: Vendor, recipe: Recipe, method: str) -> None:
    """A repeat that goes on with what its first try did shows that, not the first try's answer."""

    async def scenario(seat: Seat) -> tuple[tuple[int, Any], State]:
        asked = await recipe.prepare(seat)
        seat.inject("wrong_answer", says="declined", code="91")
        for _ in range(2):  # the work of the second one is done, too
            await seat.ask_for(method, asked)
        seat.heal("wrong_answer")
        shown = await seat.ask_for(method, asked)
        return shown, await seat.look((*vendor.views, *asked.views))

    good = _good(vendor, recipe, method)
    if not good.asked.key:
        return
    keyed = replace(recipe, further={"psp": "idempotency: keyed"})
    shown, at_last = on_seat(vendor, keyed, scenario)
    assert masked(shown) == masked((good.status, good.shown))
    assert at_last == good.at_last


def check_window(vendor: Vendor, recipe: Recipe, method: str) -> None:
    """A key whose window is over is a new key: it is answered, and does, what another one would."""
    model = VENDORS[vendor.name].idempotency
    declared = f"idempotency: {{model: {model}, window: {WINDOW_S:g}s}}"
    own = recipe.further.get("psp", "")
    psp = f"{own}\n    {declared}" if own else declared
    windowed = replace(recipe, further={**recipe.further, "psp": psp})

    def used_again(key: str) -> tuple[Any, State]:
        async def scenario(seat: Seat) -> tuple[Any, State]:
            asked = await recipe.prepare(seat)
            await seat.ask_for(method, asked)
            await asyncio.sleep(WINDOW_S + 1)
            shown = await seat.ask_for(method, asked, key)
            return masked(shown), await seat.look((*vendor.views, *asked.views))

        return on_seat(vendor, windowed, scenario)

    if _good(vendor, recipe, method).asked.key:
        assert used_again("key-1") == used_again("key-2")


def _set_key(given: dict[str, Any], place: str, key: str) -> None:
    """Write the key into a body: `transaction.api_request_key`."""
    if place in ("", "header"):
        return
    *inside, last = place.split(".")
    for name in inside:
        given[name] = dict(given.get(name, {}))
        given = given[name]
    given[last] = key


def _id_in(shown: Any) -> str:
    if isinstance(shown, dict):
        if "id" in shown or "token" in shown:
            return str(shown.get("id") or shown["token"])
        return next((found for found in map(_id_in, shown.values()) if found), "")
    return ""


def masked(value: Any) -> Any:
    """What is shown, without ids and times."""
    if isinstance(value, dict):
        return {
            name: "…" if name in _IDS and isinstance(each, str) else masked(each)
            for name, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [masked(each) for each in value]
    if isinstance(value, str):
        return value if _WORDS.fullmatch(value) else "…"
    if isinstance(value, int) and not isinstance(value, bool) and value > _TIME:
        return "time"
    return value
