"""Waiting for a condition instead of for a guessed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")
WITHIN_S = 60.0  # generous: a busy machine is late, and only a failing test waits for so long
LOOK_EVERY_S = 0.01


def wait_until(
    condition: Callable[[], object], message: str = "the condition", within_s: float = WITHIN_S
) -> None:
    """Wait for a condition; fail with what was waited for when the time is up."""
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {within_s:g} s: {message}"
        time.sleep(LOOK_EVERY_S)


def let_pass(seconds: float) -> None:
    """Let real time pass where its passing is the subject, such as a stall or a silence."""
    time.sleep(seconds)


def settled(look: Callable[[], Value], for_s: float = 0.2, within_s: float = WITHIN_S) -> Value:
    """The value that a look gives once it stays the same for a while."""
    deadline_s = time.monotonic() + within_s
    value, since_s = look(), time.monotonic()
    while time.monotonic() - since_s < for_s:
        assert time.monotonic() < deadline_s, f"still changing after {within_s:g} s: {value}"
        time.sleep(LOOK_EVERY_S)
        if (now := look()) != value:
            value, since_s = now, time.monotonic()
    return value
