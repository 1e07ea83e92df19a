"""Functions that modules took by name are replaced wherever they are held."""

from __future__ import annotations

import sys
import time
from types import ModuleType

import pytest

from paychain.simulation.users.captured import captured_replaced


def guard() -> float:
    return 0.0


def test_a_module_that_was_imported_since_is_searched_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("captures_first", "captures_second"):
        made = ModuleType(name)
        vars(made)["now"] = time.monotonic
        monkeypatch.setitem(sys.modules, name, made)
        with captured_replaced([(time.monotonic, guard)]):
            assert vars(made)["now"] is guard
        assert vars(made)["now"] is time.monotonic
    # One that was imported anew takes the place of the first.
    again = ModuleType("captures_first")
    vars(again)["other"] = time.monotonic
    monkeypatch.setitem(sys.modules, "captures_first", again)
    with captured_replaced([(time.monotonic, guard)]):
        assert vars(again)["other"] is guard
        assert vars(sys.modules["captures_second"])["now"] is guard


def test_a_module_that_takes_a_function_later_is_searched_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = ModuleType("captures_later")
    vars(made).update(now=None, other=1)
    monkeypatch.setitem(sys.modules, "captures_later", made)
    for name in ("now", "added"):  # what was to be filled, and what was not there
        with captured_replaced([(time.monotonic, guard)]):
            assert vars(made).get(name) is None
        vars(made)[name] = time.monotonic
        with captured_replaced([(time.monotonic, guard)]):
            assert vars(made)[name] is guard
        assert vars(made)[name] is time.monotonic


def test_other_functions_are_looked_for_in_all_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ModuleType("captures_both")
    vars(made).update(now=time.monotonic, wall=time.time)
    monkeypatch.setitem(sys.modules, "captures_both", made)
    with captured_replaced([(time.monotonic, guard)]):
        assert (vars(made)["now"], vars(made)["wall"]) == (guard, time.time)
    with captured_replaced([(time.time, guard)]):
        assert (vars(made)["now"], vars(made)["wall"]) == (time.monotonic, guard)
