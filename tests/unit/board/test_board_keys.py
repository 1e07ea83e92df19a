"""The board by keys."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from paychain.board.control import BoardAction
from paychain.board.keys import ENTER, ESCAPE, Keys, lines, rate_step
from paychain.board.switches import SwitchTarget, Toggle
from paychain.board.view import BoardState, ShownFault, ShownHop, ShownMoney, ShownRule
from paychain.payments.errors import UserError

DOWN = Toggle("down", {"share": "100%"})
LATE = Toggle("latency", {"delay": "400ms", "jitter": "100ms"})
PLACES = [SwitchTarget("link", f"link-{n}", "processor", (DOWN, LATE)) for n in range(1, 13)]
QUIET = BoardState(
    run=1,
    phase="running",
    rate=20.0,
    wanted_rate=20,
    waiting=2,
    window_s=10,
    payments=200,
    success=0.975,
    p50_ms=8.4,
    p95_ms=40.0,
    all_payments=900,
    all_broke=5,
    on=[],
    hops=[ShownHop("gateway → processor-a", calls=190, failed=5, broke=3, broke_in_total=5)],
    money=ShownMoney(judged=700, open=200, rules=16, wrong="0.00 EUR", wrong_minor=0, broken=[]),
    notes=[(3.0, "load started")],
    saved=[],
    problems=[],
)
IS_DOWN = msgspec.structs.replace(
    QUIET,
    on=[ShownFault(id="down-1", target="link", name="link-3", kind="down", values={}, on_s=4)],
)


def switch_on(link: str, kind: str, values: Mapping[str, str]) -> BoardAction:
    return BoardAction(do="switch", target="link", name=link, kind=kind, values=dict(values))


def pressed(
    text: str, state: BoardState = QUIET, keys: Keys | None = None
) -> list[BoardAction | None]:
    keys = keys or Keys(places=PLACES, rate=20)
    return [keys.press(each, state) for each in text]


def test_number_of_a_link_then_number_of_its_fault_switches_it_on() -> None:
    on = switch_on("link-3", "down", {"share": "100%"})
    assert pressed("31") == [None, on]


def test_the_same_numbers_heal_it() -> None:
    assert pressed("31", IS_DOWN) == [None, BoardAction(do="heal", fault="down-1")]


def test_a_number_that_may_go_on_waits_for_the_next_digit_or_enter() -> None:
    twelve = switch_on("link-12", "latency", LATE.values)
    assert pressed("122") == [None, None, twelve]
    action = switch_on("link-1", "latency", LATE.values)
    assert pressed(f"1{ENTER}2") == [None, None, action]


def test_a_number_that_is_none_does_nothing() -> None:
    assert pressed("399") == [None, None, None]
    assert pressed("0") == [None]
    assert pressed(ENTER) == [None]


def test_escape_goes_back_to_the_places() -> None:
    (*_, last) = pressed(f"3{ESCAPE}41")
    assert last == switch_on("link-4", "down", {"share": "100%"})


def test_other_values_can_be_typed() -> None:
    keys = Keys(places=PLACES, rate=20)
    assert pressed("3e2", keys=keys) == [None, None, None]
    assert "latency: delay: 400ms, jitter: 100ms" in lines(QUIET, keys, "shop")[6]
    pressed("\x7f" * 5 + "70ms", keys=keys)
    late = switch_on("link-3", "latency", {"delay": "400ms", "jitter": "70ms"})
    assert pressed(ENTER, keys=keys) == [late]


def test_values_that_are_none_are_refused() -> None:
    with pytest.raises(UserError):
        pressed("3e2" + "{" + ENTER)


def test_escape_leaves_typed_values_alone() -> None:
    assert pressed(f"3e2x{ESCAPE}")[-1] is None


@pytest.mark.parametrize(
    ("key", "action"),
    [
        ("h", BoardAction(do="heal_all")),
        ("s", BoardAction(do="save")),
        ("q", BoardAction(do="quit")),
        ("+", BoardAction(do="rate", rate=25)),
        ("-", BoardAction(do="rate", rate=15)),
        (" ", BoardAction(do="rate", rate=0)),
        ("x", None),
    ],
)
def test_letters_do_the_rest(key: str, action: BoardAction | None) -> None:
    assert pressed(key) == [action]


@pytest.mark.parametrize("key", [" ", "+"])
def test_a_load_that_is_stopped_starts_with_the_rate_of_the_command(key: str) -> None:
    stopped = msgspec.structs.replace(QUIET, wanted_rate=0)
    assert pressed(key, stopped, Keys(places=PLACES, rate=30)) == [BoardAction(do="rate", rate=30)]


def test_minus_undoes_plus_and_never_goes_below_nothing() -> None:
    for rate in (1, 9, 10, 45, 50, 190, 200, 1_000):
        more = rate + rate_step(rate)
        state = msgspec.structs.replace(QUIET, wanted_rate=more)
        assert pressed("-", state) == [BoardAction(do="rate", rate=rate)]
    assert pressed("-", msgspec.structs.replace(QUIET, wanted_rate=0)) == [
        BoardAction(do="rate", rate=0)
    ]


def test_the_view_shows_what_the_board_shows() -> None:
    text = "\n".join(lines(IS_DOWN, Keys(places=PLACES, rate=20), "shop"))
    for part in (
        "shop   run 1   load 20/s   2 in progress",
        "success 97.5 % of 200 payments in 10 s",
        "money wrong 0.00 EUR   700 judged, 200 not yet judged",
        "active faults: down on link-3 4 s",
        "payments broke at: gateway → processor-a 3 (5 in total)",
        " 3 ⚡ link link-3",
        "12   link link-12",
        "space start/stop",
        "3.0 s  load started",
    ):
        assert part in text


def test_broken_money_rules_are_shown() -> None:
    broken = ShownRule(title="No double charge", payments=2, amount="9.00 EUR", examples=[])
    money = msgspec.structs.replace(QUIET.money, broken=[broken])
    state = msgspec.structs.replace(QUIET, money=money)
    assert "  ✕ No double charge: 2, 9.00 EUR" in lines(state, Keys(places=PLACES, rate=20), "shop")
