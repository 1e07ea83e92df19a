"""When an idempotency key is a new one: after its window, and not while its request is at work."""

from __future__ import annotations

from paychain.services.state.key_windows import MAX_NAMED, KeyWindows, named_key


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def windows() -> tuple[KeyWindows, Clock]:
    clock = Clock()
    return KeyWindows(10.0, clock), clock


def test_each_window_of_a_key_has_a_name_of_its_own() -> None:
    keys, clock = windows()
    names = []
    for clock.now_s in (0.0, 9.9, 10.0, 19.9, 20.0):
        names.append(keys.name_of("k"))
    assert names == ["k", "k", "k (window 2)", "k (window 2)", "k (window 3)"]
    assert {named_key(name) for name in names} == {"k"}


def test_a_window_begins_anew_with_work_that_is_done_again() -> None:
    keys, clock = windows()
    for clock.now_s in (0.0, 6.0):
        keys.begun(keys.name_of("k"))
        keys.ended("k")
    clock.now_s = 15.9
    assert keys.name_of("k") == "k"
    clock.now_s = 16.0
    assert keys.name_of("k") == "k (window 2)"


def test_no_window_ends_while_its_request_is_at_work() -> None:
    keys, clock = windows()
    keys.begun(keys.name_of("k"))
    clock.now_s = 30.0
    assert keys.name_of("k") == "k"
    keys.ended("k")
    assert keys.name_of("k") == "k (window 2)"


def test_no_key_has_no_windows() -> None:
    keys, clock = windows()
    for clock.now_s in (0.0, 30.0):
        assert keys.name_of("") == ""


def test_a_key_in_its_second_window_is_remembered_as_long_as_a_new_one() -> None:
    keys, clock = windows()
    for number in range(MAX_NAMED):
        keys.name_of(f"k{number}")
    clock.now_s = 10.0
    assert keys.name_of("k0") == "k0 (window 2)"
    keys.name_of("another")
    assert keys.name_of("k0") == "k0 (window 2)"
