"""Which recorded run of a session a payment belongs to: its id says so.

A chain of mocks gets the run's number in front of the id: `t2-p0000042`. An own service keeps what
it was asked, and its requests are attributed by ids of one form only: there the runs of a session
share out the numbers, RUN_NUMBERS for each.
"""

from __future__ import annotations

from paychain.environment.run_prefix import PLAIN_PREFIX

RUN_NUMBERS = 100_000  # payments of one run by hand: an hour at 28 a second
_DIGITS = 7  # of the number in an id
MAX_RUNS = 10_000_000 // RUN_NUMBERS  # of one session; after that the numbers begin again


class SessionIds:
    """The payment ids of a session. `id_prefix`: what the chain's ids begin with."""

    def __init__(self, id_prefix: str) -> None:
        self._prefix = id_prefix
        self._is_plain = id_prefix == PLAIN_PREFIX

    def in_run(self, run: int, payment: str) -> str:
        """The id of a payment as the given run of the session has it, from 1."""
        if self._is_plain:
            return _in_front(run) + payment
        rest = payment.removeprefix(self._prefix)
        number = (run - 1) % MAX_RUNS * RUN_NUMBERS + int(rest[:_DIGITS]) % RUN_NUMBERS
        return f"{self._prefix}{number:0{_DIGITS}d}{rest[_DIGITS:]}"

    def belongs(self, run: int, payment: str) -> bool:
        """Whether a payment is one of this run."""
        if self._is_plain:
            front = _in_front(run)
            return payment.startswith(front + PLAIN_PREFIX)
        digits = payment.removeprefix(self._prefix)[:_DIGITS]
        if not payment.startswith(self._prefix) or not digits.isdecimal():
            return False
        return int(digits) // RUN_NUMBERS == (run - 1) % MAX_RUNS


def _in_front(run: int) -> str:
    """The first run has nothing in front of its ids, as in `paychain run`."""
    return "" if run == 1 else f"t{run}-"
