"""The board by keys."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from harness.board.control import Action
from harness.board.keys import ENTER, ESCAPE, Keys, lines, step
from harness.board.shown import Hop, State
from harness.board.switches import Place, Toggle
from harness.payments.errors import UserError

DOWN = Toggle("down", {"share": "100%"})
LATE = Toggle("latency", {"delay": "400ms", "jitter": "100ms"})
PLACES = [Place("link", f"link-{n}", "processor", (DOWN, LATE)) for n in range(1, 13)]
QUIET = State(
    1, "running", 20.0, 20, 2, 10, 200, 0.975, 8.4, 40.0, 900, 5, [],
    [Hop("gateway → processor-a", 190, 5, 3, 5)],
    {"wrong": "0.00 EUR", "wrong_minor": 0, "judged": 700, "open": 200, "rules": 16, "broken": []},
    [(3.0, "load started")], [], [],
)  # fmt: skip
IS_DOWN = msgspec.structs.replace(
    QUIET,
    on=[{"id": "down-1", "target": "link", "name": "link-3", "kind": "down", "on_s": 4}],
)


def pressed(text: str, state: State = QUIET, keys: Keys | None = None) -> list[Action | None]:
    keys = keys or Keys(PLACES, 20)
    return [keys.press(one, state) for one in text]


def test_number_of_a_link_then_number_of_its_fault_switches_it_on() -> None:
    on = Action("switch", "link", "link-3", "down", {"share": "100%"})
    assert pressed("31") == [None, on]


def test_the_same_numbers_heal_it() -> None:
    assert pressed("31", IS_DOWN) == [None, Action("heal", fault="down-1")]


def test_a_number_that_may_go_on_waits_for_the_next_digit_or_enter() -> None:
    twelve = Action("switch", "link", "link-12", "latency", LATE.values)
    assert pressed("122") == [None, None, twelve]
    one = Action("switch", "link", "link-1", "latency", LATE.values)
    assert pressed(f"1{ENTER}2") == [None, None, one]


def test_a_number_that_is_none_does_nothing() -> None:
    assert pressed("399") == [None, None, None]
    assert pressed("0") == [None]
    assert pressed(ENTER) == [None]


def test_escape_goes_back_to_the_places() -> None:
    (*_, last) = pressed(f"3{ESCAPE}41")
    assert last == Action("switch", "link", "link-4", "down", {"share": "100%"})


def test_other_values_can_be_typed() -> None:
    keys = Keys(PLACES, 20)
    assert pressed("3e2", keys=keys) == [None, None, None]
    assert "latency: delay: 400ms, jitter: 100ms" in lines(QUIET, keys, "shop")[6]
    pressed("\x7f" * 5 + "70ms", keys=keys)
    late = Action("switch", "link", "link-3", "latency", {"delay": "400ms", "jitter": "70ms"})
    assert pressed(ENTER, keys=keys) == [late]


def test_values_that_are_none_are_refused() -> None:
    with pytest.raises(UserError):
        pressed("3e2" + "{" + ENTER)


def test_escape_leaves_typed_values_alone() -> None:
    assert pressed(f"3e2x{ESCAPE}")[-1] is None


@pytest.mark.parametrize(
    ("key", "action"),
    [("h", Action("heal_all")), ("s", Action("save")), ("q", Action("quit")),
     ("+", Action("rate", rate=25)), ("-", Action("rate", rate=15)), (" ", Action("rate", rate=0)),
     ("x", None)],
)  # fmt: skip
def test_letters_do_the_rest(key: str, action: Action | None) -> None:
    assert pressed(key) == [action]


@pytest.mark.parametrize("key", [" ", "+"])
def test_a_load_that_is_stopped_starts_with_the_rate_of_the_command(key: str) -> None:
    stopped = msgspec.structs.replace(QUIET, wanted_rate=0)
    assert pressed(key, stopped, Keys(PLACES, 30)) == [Action("rate", rate=30)]


def test_minus_undoes_plus_and_never_goes_below_nothing() -> None:
    for rate in (1, 9, 10, 45, 50, 190, 200, 1_000):
        more = rate + step(rate)
        state = msgspec.structs.replace(QUIET, wanted_rate=more)
        assert pressed("-", state) == [Action("rate", rate=rate)]
    assert pressed("-", msgspec.structs.replace(QUIET, wanted_rate=0)) == [Action("rate", rate=0)]


def test_the_view_tells_what_the_board_tells() -> None:
    text = "\n".join(lines(IS_DOWN, Keys(PLACES, 20), "shop"))
    for part in (
        "shop   take 1   load 20/s   2 waiting", "success 97.5 % of 200 payments in 10 s",
        "money wrong 0.00 EUR   700 judged, 200 too young", "on: down on link-3 4 s",
        "broke: gateway → processor-a 3 (5 in all)", " 3 ⚡ link link-3", "12   link link-12",
        "space start/stop", "3.0 s  load started",
    ):  # fmt: skip
        assert part in text


def test_broken_money_rules_are_told() -> None:
    broken: dict[str, Any] = {"title": "No double charge", "payments": 2, "amount": "9.00 EUR"}
    state = msgspec.structs.replace(QUIET, money=QUIET.money | {"broken": [broken]})
    assert "  ✕ No double charge: 2, 9.00 EUR" in lines(state, Keys(PLACES, 20), "shop")
