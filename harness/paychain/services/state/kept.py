"""For how long a link remembers payments that are over.

A payment is over when nothing can come for it any more: what is declared to follow it has followed,
and its idempotency keys are forgotten, so that its callers must not repeat it either. All that a
verdict needs is in the journal by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, cached_property
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.functional_validators import BeforeValidator

from paychain.declaration.quantity import duration_seconds
from paychain.model.chain import Chain
from paychain.model.idempotency import Idempotency
from paychain.services.state.idempotency import window_of

WAITS = 2  # one declared wait may follow another: an answer late, a capture after it


class Retention:
    """For how long a link remembers what nothing asks for: see `keeps_ns`."""

    def __init__(self, chain: Chain, link: str, now_ns: Callable[[], int]) -> None:
        self._chain = chain
        self._link = link
        self.now_ns = now_ns

    @cached_property
    def keeps_ns(self) -> int | None:
        """The window of the link's idempotency keys, or longer, where the chain declares a wait.

        So does its rail, where what is deemed to be made is confirmed later, when it is asked for
        the last time. None: forever. An own service may refund a payment whenever it likes.
        """
        if self._chain.own_services():
            return None
        rail = self._chain.rail
        waits_s = max(_waits_s(self._chain), default=0.0)
        longest_s = WAITS * waits_s
        if rail is not None and rail.deems:
            # One more, since each of them is repeated for a while.
            longest_s = (rail.confirm_requests + 1) * max(rail.confirms_within, waits_s)
        return int(max(window_of(self._chain.links[self._link].idempotency), longest_s) * 1e9)


def _waits_s(value: Any, *, is_wait: bool = False) -> Iterator[float]:
    """Every duration in a declaration, in seconds; windows of keys are none that anybody waits."""
    if isinstance(value, Idempotency):
        return
    if isinstance(value, BaseModel):
        for name, is_its_wait in _fields(type(value)):
            yield from _waits_s(getattr(value, name), is_wait=is_its_wait)
    elif isinstance(value, dict):
        for each in value.values():
            yield from _waits_s(each, is_wait=is_wait)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _waits_s(each, is_wait=is_wait)
    elif is_wait and isinstance(value, float):
        yield value


@cache
def _fields(kind: type[BaseModel]) -> list[tuple[str, bool]]:
    """The fields of a model, and whether each is a duration."""
    return [
        (name, _is_duration(field.annotation, tuple(field.metadata)))
        for name, field in kind.model_fields.items()
    ]


def _is_duration(hint: Any, said: tuple[Any, ...]) -> bool:
    return any(
        isinstance(each, BeforeValidator) and each.func is duration_seconds for each in said
    ) or any(_is_duration(part, getattr(part, "__metadata__", ())) for part in get_args(hint))
