"""Errors reported in one sentence: a user's mistake, and a failure of the harness itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher, get_close_matches
from typing import Any

MAX_NAMED = 40  # names listed in one hint

# Control characters (C0, DEL, C1), ends of lines, halves of pairs, and what turns the direction of
# text: none of them is text, and a terminal or a log obeys them. Nor what has no width and tells
# two names apart that look alike.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ud800-\udfff\ufeff]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
# GitHub, Azure and TeamCity take these in a step's output for commands.
_COMMAND = re.compile(r"::(?=[A-Za-z][\w-]*(?:\s[^:]*)?::)|(?<=##)(?=\w*\[)")
_USER_INFO = re.compile(r"(?<=://)[^/\s?#]*@")


def without_passwords(text: str) -> str:
    """Text in which URLs have no user and no password: what is shown or kept must not hold them."""
    return _USER_INFO.sub("***@", text) if "://" in text and "@" in text else text


def one_line(text: str) -> str:
    """Text of others as one line that nothing obeys and that tells no password.

    Control characters become escapes; a URL loses its user and password.
    """
    if text.isascii() and text.isprintable() and ":" not in text and "#" not in text:
        return text
    seen = _UNSEEN.sub(_escaped, without_passwords(text))
    return _COMMAND.sub(lambda found: ":\\:" if found[0] else "\\", seen)


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


class UserError(Exception):
    """A mistake in what the user wrote. Printed as `where: what; hint`; exit code 2.

    Each part is one line, whatever the user's values and names hold; a subclass that is several
    lines takes care of each.
    """

    is_one_line = True

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        if self.is_one_line:
            what, where, hint = one_line(what), one_line(where), one_line(hint)
        self.what, self.where, self.hint = what, where, hint
        super().__init__(str(self))

    def __reduce__(self) -> tuple[Any, ...]:
        # A subclass may need other arguments than the text that Python would call it with.
        return _restored, (type(self), self.args), self.__dict__

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"{place}{self.what}{hint}"


def _restored(kind: type[UserError], arguments: tuple[Any, ...]) -> UserError:
    return kind.__new__(kind, *arguments)


class PartLost(UserError):
    """A part of a running chain that is ours no longer answers. Exit code 3.

    It says nothing about the chain, and is not a mistake of the user's.
    """


class HarnessError(Exception):
    """What paychain needs of its machine failed. Printed as it is; exit code 3.

    It says nothing about the chain.
    """


def sentence_of(error: BaseException) -> str:
    """What went wrong in a part of the harness, for people: `/runs/run.db: disk is full`."""
    if isinstance(error, OSError) and error.strerror:
        files = [str(name) for name in (error.filename, error.filename2) if name is not None]
        return ": ".join([*files[:1], error.strerror])
    if isinstance(error, (UserError, HarnessError)):
        return str(error)
    # What SQLite says is a sentence; its class is a programmer's.
    if type(error).__module__ == "sqlite3" and str(error):
        return str(error)
    name = type(error).__name__
    return f"{name}: {error}" if str(error) else name


def either(names: Sequence[str]) -> str:
    """Names as a sentence has them: `a, b or c`."""
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def both(names: Sequence[str]) -> str:
    """Names as a sentence has them: `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def meant(name: str, known: Iterable[str]) -> str:
    """A hint for an unknown name: the name that was probably meant, or the names that exist."""
    names = list(known)
    close = get_close_matches(name, names, n=max(1, len(names)))
    if close:
        closest = max(close, key=lambda each: _closeness(each, name))
        # What looks the same may be another letter, or contain an invisible character.
        odd = "" if name.isascii() else f" (yours has U+{ord(max(name)):04X})"
        return f"did you mean '{closest}'?{odd}"
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return f"there are: {', '.join(names[:MAX_NAMED])}{more}" if names else "there are none"


def _closeness(known: str, name: str) -> tuple[float, int]:
    """Of names that are equally close, one that begins alike: EUX is rather EUR than UGX."""
    pairs = enumerate(zip(known, name, strict=False))
    alike = next((at for at, (a, b) in pairs if a != b), min(len(known), len(name)))
    return SequenceMatcher(None, known, name).ratio(), alike
