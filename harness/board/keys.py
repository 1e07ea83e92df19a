"""The board by keys: number of a place, then number of its fault. No terminal is touched here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.board.control import Action
from harness.board.shown import State
from harness.board.switches import Place, Toggle, typed, written

ENTER, ESCAPE, BACK = "\n", "\x1b", "\x7f"
HELP = "space start/stop   + - rate   h heal all   s save   q quit"
LONGEST_LINE = 200  # of values that are typed


@dataclass
class Keys:
    """Where somebody is in the menu. `rate` is what space starts with."""

    places: Sequence[Place]
    rate: int
    place: Place | None = None
    toggle: Toggle | None = None  # whose values are being edited
    said: str = ""
    _typed: str = ""
    _edits: bool = False  # the next fault's values are to be edited first
    _line: str = ""
    _held: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def press(self, key: str, state: State) -> Action | None:
        """What a key asks for, if anything. Raises UserError for values that are none."""
        self._held = {(one["target"], one["name"], one["kind"]): one["id"] for one in state.on}
        if self.toggle is not None:
            return self._edit(key)
        if key.isdigit() or (key == ENTER and self._typed):
            return self._number(key)
        self._typed = ""
        if key in (ESCAPE, BACK):
            self.place, self._edits = None, False
            return None
        if key == "e" and self.place is not None:
            self._edits = not self._edits
            return None
        return self._command(key, state)

    def _command(self, key: str, state: State) -> Action | None:
        match key:
            case "h":
                return Action("heal_all")
            case "s":
                return Action("save")
            case "q":
                return Action("quit")
            case " ":
                return Action("rate", rate=0 if state.wanted_rate else self.rate)
            case "+":
                now = state.wanted_rate
                return Action("rate", rate=now + step(now) if now else self.rate)
            case "-":
                return Action("rate", rate=max(0, state.wanted_rate - step(state.wanted_rate - 1)))
            case _:
                return None

    def _number(self, key: str) -> Action | None:
        """Take a digit; the thing it names as soon as no other number can be meant."""
        count = len(self.place.toggles) if self.place is not None else len(self.places)
        wanted = self._typed if key == ENTER else self._typed + key
        meant = [one for one in range(1, count + 1) if str(one).startswith(wanted)]
        if key != ENTER and len(meant) != 1:
            self._typed = wanted if meant else ""
            return None
        self._typed = ""
        number = int(wanted)
        if not 1 <= number <= count:
            return None
        if self.place is None:
            self.place = self.places[number - 1]
            return None
        return self._flip(self.place, self.place.toggles[number - 1])

    def _flip(self, place: Place, toggle: Toggle) -> Action | None:
        held = self._held.get((place.target, place.name, toggle.kind))
        if held is not None:
            return Action("heal", fault=held)
        if self._edits:
            self.toggle, self._line, self._edits = toggle, written(toggle.values), False
            return None
        return _on(place, toggle, toggle.values)

    def _edit(self, key: str) -> Action | None:
        toggle, place = self.toggle, self.place
        assert toggle is not None
        assert place is not None
        if key == ENTER:
            self.toggle = None
            return _on(place, toggle, typed(self._line))
        if key == ESCAPE:
            self.toggle = None
        elif key == BACK:
            self._line = self._line[:-1]
        elif key.isprintable():
            self._line = (self._line + key)[:LONGEST_LINE]
        return None

    def menu(self, state: State) -> list[str]:
        """What can be chosen, in lines of two columns."""
        on = {(one["target"], one["name"], one["kind"]) for one in state.on}
        if self.toggle is not None:
            return [f"{self.toggle.kind}: {self._line}█", "enter switches it on, escape does not"]
        if self.place is None:
            cells = [
                f"{number:>2} {'⚡' if any(o[:2] == (p.target, p.name) for o in on) else ' '} "
                f"{p.target} {p.name}"
                for number, p in enumerate(self.places, 1)
            ]
            return [*_columns(cells), f"number of a place   {HELP}"]
        place = self.place
        cells = [
            f"{number:>2} {'⚡' if (place.target, place.name, one.kind) in on else ' '} "
            f"{one.kind.replace('_', ' ')} ({written(one.values)})"
            for number, one in enumerate(place.toggles, 1)
        ]
        edit = "e then number: other values"
        what = f"{place.target} {place.name}: number switches a fault on or off"
        return [
            *_columns(cells),
            f"{what}   {edit}{' ←' if self._edits else ''}",
            f"escape back   {HELP}",
        ]


def step(rate: int) -> int:
    """How much + adds to a rate."""
    return next(one for most, one in ((10, 1), (50, 5), (200, 10), (10**9, 50)) if rate < most)


def lines(state: State, keys: Keys, chain: str) -> list[str]:
    """The whole view."""
    success = f"{100 * state.success:.1f} %" if state.success is not None else "–"
    phase = {"running": f"{state.rate:g}/s"}.get(state.phase, state.phase)
    money = state.money
    found = [
        f"{chain}   take {state.take}   load {phase}   {state.waiting} waiting",
        f"success {success} of {state.payments} payments in {state.window_s} s   "
        f"p50 {_millis(state.p50_ms)}   p95 {_millis(state.p95_ms)}",
        f"money wrong {money['wrong']}   {money['judged']} judged, {money['open']} too young",
    ]
    found += [
        f"  ✕ {one['title']}: {one['payments']}, {one['amount']}" for one in money["broken"][:3]
    ]
    on = ", ".join(f"{one['kind']} on {one['name']} {one['on_s']} s" for one in state.on)
    found.append(f"on: {on or 'nothing'}")
    broke = ", ".join(
        f"{hop.name} {hop.broke} ({hop.broke_in_all} in all)"
        for hop in state.hops
        if hop.broke or hop.broke_in_all
    )
    found += [f"broke: {broke or 'nothing'}", "", *keys.menu(state), ""]
    found += [f"problem: {text}" for text in state.problems]
    if keys.said:
        found.append(keys.said)
    found += [f"{at_s:7.1f} s  {text}" for at_s, text in state.notes[:4]]
    return found


def _on(place: Place, toggle: Toggle, values: dict[str, str]) -> Action:
    return Action("switch", place.target, place.name, toggle.kind, values)


def _columns(cells: list[str]) -> list[str]:
    half = (len(cells) + 1) // 2
    width = max((len(one) for one in cells[:half]), default=0) + 3
    return [
        (left.ljust(width) + (cells[half + row] if half + row < len(cells) else "")).rstrip()
        for row, left in enumerate(cells[:half])
    ]


def _millis(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} ms"
