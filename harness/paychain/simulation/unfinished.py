"""Which tasks and generators a simulated program has not finished, as lines for an error."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from paychain.payments.whole_number import whole_number

MAX_TASKS_NAMED = 20  # in one report: enough to see a pattern, and it stays readable
_ASYNCIO = Path(asyncio.__file__).parent


def task_lines(loop: asyncio.AbstractEventLoop) -> list[str]:
    """Each unfinished task of a loop and where it waits; at most MAX_TASKS_NAMED and a count."""
    tasks = sorted(asyncio.all_tasks(loop), key=lambda task: _natural(task.get_name()))
    lines = [
        f"task {task.get_name()} ({_place(task.get_coro())})" for task in tasks[:MAX_TASKS_NAMED]
    ]
    if len(tasks) > MAX_TASKS_NAMED:
        lines.append(f"and {len(tasks) - MAX_TASKS_NAMED} more tasks")
    return lines


def generator_lines(generators: Iterable[Any]) -> list[str]:
    """Each async generator that has not run to its end."""
    unfinished = (generator for generator in generators if generator.ag_frame is not None)
    return sorted(f"async generator {generator.__qualname__}" for generator in unfinished)


def _natural(name: str) -> tuple[str, int]:
    """A sort key that puts Task-9 before Task-10."""
    stem, _, digits = name.rpartition("-")
    number = whole_number(digits)
    return (name, 0) if number is None else (stem, number)


def _place(coroutine: Any) -> str:
    """What a coroutine is, and the innermost line outside asyncio where it waits."""
    name = getattr(coroutine, "__qualname__", repr(coroutine))
    place = "not started" if getattr(coroutine, "cr_await", None) is None else "waits in asyncio"
    while (frame := getattr(coroutine, "cr_frame", None)) is not None and coroutine.cr_await:
        if Path(frame.f_code.co_filename).parent != _ASYNCIO:
            place = f"waits at {frame.f_code.co_filename}:{frame.f_lineno}"
        coroutine = coroutine.cr_await
    return f"{name}, {place}"
