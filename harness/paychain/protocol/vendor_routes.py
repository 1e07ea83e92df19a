"""Which path of a vendor's API does what: `POST v2/payments/{id}/complete`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar
from urllib.parse import unquote

_Handler = TypeVar("_Handler")


class Routes(Generic[_Handler]):
    """The routes of an API by method and path. A part in braces stands for any text."""

    def __init__(self, table: Mapping[str, _Handler]) -> None:
        """Of several routes that a path fits, the one with fewer placeholders serves it."""
        self.names = tuple(table)
        self._by_size: dict[tuple[str, int], list[tuple[list[str], _Handler]]] = {}
        for name in sorted(table, key=lambda name: name.count("{")):
            method, _, path = name.partition(" ")
            parts = path.split("/")
            alike = self._by_size.setdefault((method, len(parts)), [])
            alike.append((parts, table[name]))

    def find(self, method: str, path: list[str]) -> tuple[_Handler, list[str]] | None:
        """What serves a path, and what stands in its placeholders; None where nothing does.

        SDKs escape what is no letter, digit or hyphen (`cards/ccof%3A7Yq`), each to its own taste.
        """
        path = [unquote(part) for part in path]
        for parts, handler in self._by_size.get((method, len(path)), ()):
            if all(
                mine.startswith("{") or mine == given
                for mine, given in zip(parts, path, strict=True)
            ):
                names = [given for mine, given in zip(parts, path, strict=True) if mine[:1] == "{"]
                return handler, names
        return None
