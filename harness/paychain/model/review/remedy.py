"""What to change in a file, and where, so that a finding goes away."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any, Literal

import msgspec
import yaml

from paychain.declaration.text import KeyPath

Action = Literal["set", "remove", "add", "code"]
_WIDTH = 10_000  # of a YAML line: a remedy is always one line


class Remedy(msgspec.Struct, kw_only=True, frozen=True):
    """One change of a declaration: set a key to a value, remove it, or add an item to a list.

    Or of the code of the own service that `key` declares: then `value` is a sentence.
    `at` is the call, link or provider with the weakness, `cause` the kind of review finding that
    names it, if any, and `of` the money rule or the measure that a run found broken.
    """

    file: str
    line: int  # of the key, or of what the key belongs under
    key: str  # links.gateway.calls.authorise.on_unknown
    value: str  # as YAML in one line; "" for a key that is removed; what code should do
    action: Action = "set"
    of: str = ""
    at: str = ""
    cause: str = ""

    def __str__(self) -> str:
        """`chains/shop.yaml:27: set links.gateway.calls.authorise.on_unknown: reverse`."""
        if self.action == "remove":
            return f"{self.file}:{self.line}: remove {self.key}"
        if self.action == "add":
            return f"{self.file}:{self.line}: add to {self.key}: {self.value}"
        if self.action == "code":
            return f"{self.file}:{self.line}: change the code of {self.key}: {self.value}"
        # Nothing enforces a claim: to change it alone would only hide what the code does.
        code = "change the service's code, then " if ".claims." in self.key else ""
        return f"{self.file}:{self.line}: {code}set {self.key}: {self.value}"


@dataclass(frozen=True)
class Edit:
    """A remedy whose place is still a key path. `value` is plain data, as YAML gives it."""

    path: KeyPath
    value: Any = None
    action: Action = "set"

    @property
    def written(self) -> str:
        """The value as YAML in one line; "" for a key that is removed."""
        if self.action == "code":
            return str(self.value)
        return "" if self.action == "remove" else as_flow(self.value)


def dotted(path: KeyPath) -> str:
    """`links.gateway.calls.authorise.fallback[0].to`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def as_flow(value: Any) -> str:
    """Plain data as YAML in one line: `{attempts: 2, on: [refused]}`."""
    text = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, width=_WIDTH, allow_unicode=True
    )
    # YAML 1.1 reads `on` as true, and so PyYAML quotes it; our files are read as YAML 1.2.
    return text.removesuffix("\n").removesuffix("\n...").replace("'on': ", "on: ")


def duration_text(seconds: float) -> str:
    """A duration that is at least so long, as a file writes it: `1100ms`, `12s`."""
    return duration_between(seconds, inf)


def duration_between(seconds: float, limit_s: float) -> str:
    """A duration that is at least so long, and not above a limit that is no shorter."""
    # Rounded up: to 10 ms below a second, to 100 ms below 10 s, to whole seconds above.
    milliseconds = round(seconds * 1000, 3)
    for step in (10 if seconds < 1 else 100 if seconds < 10 else 1000, 10, 1):
        whole = int(-(-milliseconds // step) * step)
        if whole <= limit_s * 1000:
            break
    return _written(whole)


def duration_within(seconds: float) -> str:
    """A duration that is at most so long, as a file writes it: `5670ms`."""
    return _written(int(round(seconds * 1000, 3) // 10 * 10))


def _written(milliseconds: int) -> str:
    whole_s, rest = divmod(milliseconds, 1000)
    return f"{whole_s}s" if whole_s and not rest else f"{milliseconds}ms"
