"""What the ids of a run's payments begin with.

An own service has a database or an idempotency table that outlives a run. With the ids of an
earlier run it would answer from there, so each run has a tag of its own in them.
"""

from __future__ import annotations

PLAIN_PREFIX = "p"  # in a chain of mocks, which knows nothing of earlier runs
TAG_CHARACTERS = 4  # of 16 in an id: 7 are its number, the rest is for further payments
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_LETTERS = _DIGITS[10:]


def run_prefix(started_s: float) -> str:
    """`pk3fa`: a tag for each second in which a run may start, unique within two weeks.

    It ends with a letter, so that no digit of it can be taken for one of the payment's number.
    """
    rest, letter = divmod(int(started_s), len(_LETTERS))
    tag = _LETTERS[letter]
    for _ in range(TAG_CHARACTERS - 1):
        rest, digit = divmod(rest, len(_DIGITS))
        tag = _DIGITS[digit] + tag
    return PLAIN_PREFIX + tag
