"""What is left of a file without its mistakes, so that the rest of it can be checked as well."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import ValidationError

from paychain.declaration.problem import Problem
from paychain.declaration.schema import Declared
from paychain.declaration.text import Document, KeyPath

Model = TypeVar("Model", bound=Declared)
MAX_CUTS = 5  # a cut may leave something required missing, which is cut in turn
# Times that a file has to give and that nothing but other times depends on.
_PLACEHOLDERS = {"before": "1s", "after": "1s", "at": "0s", "for": "1s"}
_DEPENDS_ON = {"deadline": ("customer",), "load": ("load", "stop_when"), "faults": ("stop_when",)}


@dataclass
class Cut:
    """What was removed from a file, or filled in for something missing."""

    paths: dict[KeyPath, None] = field(default_factory=dict)  # in the order of the cuts

    def explains(self, problem: Problem) -> bool:
        """Whether a problem may be there only because of the cuts."""
        for path in self.paths:
            # What is inside of it, and what is said of everything around it.
            depth = min(len(path), len(problem.path))
            if depth and problem.path[:depth] == path[:depth]:
                return True
            if problem.path[:1] and problem.path[0] in _DEPENDS_ON.get(str(path[0]), ()):
                return True
            # Without its service, a link looks like a mock that declares what no mock has.
            is_service = path[:1] == ("links",) and path[2:] == ("service",)
            if is_service and (problem.path[:2] == path[:2] or path[1] in problem.what.split()):
                return True
            # What was cut out is not missing beside the place where it stood.
            is_beside = problem.path[: len(path) - 1] == path[:-1]
            if is_beside and problem.hint.startswith(f"add {path[-1]}:"):
                return True
            # A link, a provider or the nodes that were cut out are unknown to those who name them.
            if len(path) in (1, 2) and f"'{path[-1]}'" in problem.what:
                return True
        return False


def without_mistakes(
    document: Document, model: type[Model], error: ValidationError
) -> tuple[Model | None, Cut]:
    """The model of a file without what is wrong in it; None when too little would be left."""
    value, cut = deepcopy(document.value), Cut()
    for _ in range(MAX_CUTS):
        for detail in error.errors(include_url=False):
            path = path_in(document, detail["loc"])
            key = str(detail["loc"][-1])
            if detail["type"] == "missing" and key in _PLACEHOLDERS:
                inside = _at(value, path)
                if isinstance(inside, dict):
                    inside[key] = _PLACEHOLDERS[key]
                    cut.paths[(*path, key)] = None
            elif not _remove(value, path, cut):
                return None, cut
        try:
            return model.model_validate(value), cut
        except ValidationError as further:
            error = further
    return None, cut


def path_in(document: Document, location: tuple[Any, ...]) -> KeyPath:
    """The part of pydantic's location that is in the file, without names of union branches.

    A branch may be named like a key beside the one that is meant: the longest path is the right
    one, and of several the one that goes on to the end of the location.
    """
    paths: list[KeyPath] = [()]
    for step in location:
        longer = [(*path, step) for path in paths if (*path, step) in document.places]
        paths += [path for path in longer if path not in paths]
    longest = max(map(len, paths))
    return [path for path in paths if len(path) == longest][-1]


def _remove(value: Any, path: KeyPath, cut: Cut) -> bool:
    """Take out a key, or what is around it when it is gone already. False: nothing can go.

    Items of lists stay, because the places of the others count them.
    """
    while path:
        inside = _at(value, path[:-1])
        if isinstance(inside, dict) and path[-1] in inside:
            del inside[path[-1]]
            cut.paths[path] = None
            return True
        # Two reports of the same value: the first one took it out.
        if path in cut.paths:
            return True
        path = path[:-1]
    return False


def _at(value: Any, path: KeyPath) -> Any:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value
