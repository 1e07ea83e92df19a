"""The board controlled by keys: the number of a link or provider, then the number of its fault.

Pure: keys and the state go in, actions and lines of text come out. `terminal` reads and draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from paychain.board.control import BoardAction
from paychain.board.switches import SwitchTarget, Toggle, typed, written
from paychain.board.view import BoardState

ENTER, ESCAPE, BACKSPACE = "\n", "\x1b", "\x7f"
HELP = "space start/stop   + - rate   h heal all   s save   q quit"
MAX_INPUT = 200  # characters of the values of one fault
MAX_RULES, MAX_NOTES = 3, 4  # broken money rules and notes that are shown: a screen is 24 lines
# How much + adds to a rate below each limit, in payments per second.
RATE_STEPS = ((10, 1), (50, 5), (200, 10))
MAX_RATE_STEP = 50

Switch = tuple[str, str, str]  # target, name and kind of a fault


@dataclass(kw_only=True)
class Keys:
    """The position in the menu, and what has been typed so far.

    `rate` is what space starts the load with, in payments per second.
    """

    places: Sequence[SwitchTarget]
    rate: int
    place: SwitchTarget | None = None  # whose faults are listed; None: all places are
    toggle: Toggle | None = None  # whose values are being edited
    message: str = ""  # answer to the last action
    _digits: str = ""  # of a number that may still become longer
    _edits_next: bool = False  # the next fault's values are edited before it is switched on
    _input: str = ""
    _active: dict[Switch, str] = field(default_factory=dict)  # ids of the faults that are on

    def press(self, key: str, state: BoardState) -> BoardAction | None:
        """The action that a key triggers, if any. Raises UserError for invalid values."""
        self._active = {(fault.target, fault.name, fault.kind): fault.id for fault in state.on}
        if self.toggle is not None:
            return self._edit(key)
        if key.isdecimal() or (key == ENTER and self._digits):
            return self._number(key)
        self._digits = ""
        if key in (ESCAPE, BACKSPACE):
            self.place, self._edits_next = None, False
            return None
        if key == "e" and self.place is not None:
            self._edits_next = not self._edits_next
            return None
        return self._command(key, state)

    def _command(self, key: str, state: BoardState) -> BoardAction | None:
        rate = state.wanted_rate
        match key:
            case "h":
                return BoardAction(do="heal_all")
            case "s":
                return BoardAction(do="save")
            case "q":
                return BoardAction(do="quit")
            case " ":
                return BoardAction(do="rate", rate=0 if rate else self.rate)
            case "+":
                return BoardAction(do="rate", rate=rate + rate_step(rate) if rate else self.rate)
            case "-":
                # The step of the rate below, so that - undoes + on both sides of a limit.
                return BoardAction(do="rate", rate=max(0, rate - rate_step(rate - 1)))
            case _:
                return None

    def _number(self, key: str) -> BoardAction | None:
        """Read a digit; return what the number means once no longer number is possible."""
        count = len(self.place.toggles) if self.place is not None else len(self.places)
        digits = self._digits if key == ENTER else self._digits + key
        possible = [number for number in range(1, count + 1) if str(number).startswith(digits)]
        if key != ENTER and len(possible) != 1:
            self._digits = digits if possible else ""
            return None
        self._digits = ""
        number = int(digits)
        if not 1 <= number <= count:
            return None
        if self.place is None:
            self.place = self.places[number - 1]
            return None
        return self._flip(self.place, self.place.toggles[number - 1])

    def _flip(self, place: SwitchTarget, toggle: Toggle) -> BoardAction | None:
        active = self._active.get((place.target, place.name, toggle.kind))
        if active is not None:
            return BoardAction(do="heal", fault=active)
        if self._edits_next:
            self.toggle, self._input, self._edits_next = toggle, written(toggle.values), False
            return None
        return _switch_on(place, toggle, dict(toggle.values))

    def _edit(self, key: str) -> BoardAction | None:
        toggle, place = self.toggle, self.place
        assert toggle is not None
        assert place is not None
        if key == ENTER:
            self.toggle = None
            return _switch_on(place, toggle, typed(self._input))
        if key == ESCAPE:
            self.toggle = None
        elif key == BACKSPACE:
            self._input = self._input[:-1]
        elif key.isprintable():
            self._input = (self._input + key)[:MAX_INPUT]
        return None

    def menu(self, state: BoardState) -> list[str]:
        """The choices, in two columns, and the keys that work here."""
        active = {(fault.target, fault.name, fault.kind) for fault in state.on}
        if self.toggle is not None:
            return [f"{self.toggle.kind}: {self._input}█", "enter: switch on   escape: cancel"]
        if self.place is None:
            return self._places_menu({(target, name) for target, name, _ in active})
        return self._faults_menu(self.place, active)

    def _places_menu(self, affected: set[tuple[str, str]]) -> list[str]:
        cells = [
            f"{number:>2} {_bolt((place.target, place.name) in affected)} "
            f"{place.target} {place.name}"
            for number, place in enumerate(self.places, 1)
        ]
        return [*_columns(cells), f"number: link or provider   {HELP}"]

    def _faults_menu(self, place: SwitchTarget, active: set[Switch]) -> list[str]:
        cells = [
            f"{number:>2} {_bolt((place.target, place.name, toggle.kind) in active)} "
            f"{toggle.kind.replace('_', ' ')} ({written(toggle.values)})"
            for number, toggle in enumerate(place.toggles, 1)
        ]
        edit = f"e, then number: change the values first{' ←' if self._edits_next else ''}"
        return [
            *_columns(cells),
            f"{place.target} {place.name}   number: switch a fault on or off   {edit}",
            f"escape: back   {HELP}",
        ]


def rate_step(rate: int) -> int:
    """How much + adds to a rate: smaller steps at low rates."""
    return next((step for limit, step in RATE_STEPS if rate < limit), MAX_RATE_STEP)


def lines(state: BoardState, keys: Keys, chain: str) -> list[str]:
    """The whole view: figures, faults, menu and notes."""
    return [
        *_figures(state, chain),
        *_faults_and_breaks(state),
        "",
        *keys.menu(state),
        "",
        *(f"problem: {problem}" for problem in state.problems),
        *([keys.message] if keys.message else []),
        *(f"{at_s:7.1f} s  {text}" for at_s, text in state.notes[:MAX_NOTES]),
    ]


def _figures(state: BoardState, chain: str) -> list[str]:
    success = f"{100 * state.success:.1f} %" if state.success is not None else "–"
    phase = f"{state.rate:g}/s" if state.phase == "running" else state.phase
    money = state.money
    broken = [
        f"  ✕ {rule.title}: {rule.payments}, {rule.amount}" for rule in money.broken[:MAX_RULES]
    ]
    return [
        f"{chain}   run {state.run}   load {phase}   {state.waiting} in progress",
        f"success {success} of {state.payments} payments in {state.window_s} s   "
        f"p50 {_millis(state.p50_ms)}   p95 {_millis(state.p95_ms)}",
        f"money wrong {money.wrong}   {money.judged} judged, {money.open} not yet judged",
        *broken,
    ]


def _faults_and_breaks(state: BoardState) -> list[str]:
    faults = ", ".join(f"{fault.kind} on {fault.name} {fault.on_s} s" for fault in state.on)
    breaks = ", ".join(
        f"{hop.name} {hop.broke} ({hop.broke_in_total} in total)"
        for hop in state.hops
        if hop.broke or hop.broke_in_total
    )
    return [f"active faults: {faults or 'none'}", f"payments broke at: {breaks or 'none'}"]


def _switch_on(place: SwitchTarget, toggle: Toggle, values: dict[str, str]) -> BoardAction:
    return BoardAction(
        do="switch", target=place.target, name=place.name, kind=toggle.kind, values=values
    )


def _bolt(is_affected: bool) -> str:
    return "⚡" if is_affected else " "


def _columns(cells: list[str]) -> list[str]:
    half = (len(cells) + 1) // 2
    width = max((len(cell) for cell in cells[:half]), default=0) + 3
    return [
        (left.ljust(width) + (cells[half + row] if half + row < len(cells) else "")).rstrip()
        for row, left in enumerate(cells[:half])
    ]


def _millis(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} ms"
