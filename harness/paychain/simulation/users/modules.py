"""The modules of a user's application: imported anew for each simulation, as by a new process.

What is the user's is imported again and again, and everything installed only once, by the process
that simulates: it is far more, and programs keep their state in their own modules. Installed
packages that a file of the user's names are imported beforehand, before anything is redirected, so
that they see the machine as they always do.
"""

from __future__ import annotations

import ast
import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib.machinery import PathFinder
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType
from typing import Any

_INSTALLED = frozenset({"site-packages", "dist-packages"})
_OURS = "paychain"


class UserModules:
    """The modules of one application. `app`: `package.module:name`, imported from `folder`."""

    def __init__(self, folder: Path, app: str) -> None:
        self.folder = str(folder)
        self._module, _, self._name = app.partition(":")
        self._modules: dict[str, ModuleType] = {}  # while they are not in sys.modules
        self._others = _others_of(self.folder, self._module)

    def import_installed(self) -> None:
        """Import the installed packages that its files name. What fails is left for later."""
        with _first_on_path(self.folder):
            _import_installed(self.folder, self._module)
        self._loaded()  # whatever was imported until now is known, also by forks of this process

    def is_users(self, file: str) -> bool:
        """Whether a file is the user's own."""
        return _is_in(file, self.folder) or _is_of_package(file, self._module)

    def load(self) -> Any:
        """Import the application. Inside `present`. Raises whatever its code raises."""
        made: Any = importlib.import_module(self._module)
        for name in self._name.split("."):
            made = getattr(made, name)
        return made

    def forget(self) -> None:
        """Nothing is imported any more. Inside `present`."""
        for name in self._loaded():
            del sys.modules[name]

    @contextmanager
    def present(self, environment: Mapping[str, str]) -> Iterator[None]:
        """What the process would have: its modules, its folder, its variables of environment.

        What the simulating process has of the same names is put aside.
        """
        aside = {name: sys.modules.pop(name) for name in self._loaded()}
        sys.modules.update(self._modules)
        were = Path.cwd(), dict(os.environ)
        os.chdir(self.folder)
        os.environ.update(environment)
        try:
            with _first_on_path(self.folder):
                yield
        finally:
            os.chdir(were[0])
            _restore_environment(were[1])
            self._modules = {name: sys.modules.pop(name) for name in self._loaded()}
            sys.modules.update(aside)

    def _loaded(self) -> list[str]:
        """The user's modules that are imported now."""
        unknown = sys.modules.keys() - self._others
        found = [name for name in unknown if self._has(name)]
        if len(found) != len(unknown):
            self._others |= unknown.difference(found)
        return found

    def _has(self, name: str) -> bool:
        """Whether a module is the user's."""
        top = name.partition(".")[0]
        if top == self._module.partition(".")[0]:
            return True
        file = getattr(sys.modules[name], "__file__", None) or ""
        return name != "__main__" and top != _OURS and _is_in(file, self.folder)


@lru_cache(maxsize=64)
def _others_of(folder: str, module: str) -> set[str]:  # noqa: ARG001  (the cache is keyed by both)
    """Names of modules that are not the user's: there are thousands, and few are."""
    return set()


def _is_in(file: str, folder: str) -> bool:
    """Whether a file lies below a folder and is not installed there."""
    return file.startswith(folder + os.sep) and _INSTALLED.isdisjoint(Path(file).parts)


def _is_of_package(file: str, module: str) -> bool:
    """Whether a file is of the application's own package, wherever it is installed."""
    top = sys.modules.get(module.partition(".")[0])
    paths = getattr(top, "__path__", None)
    if paths:
        return any(file.startswith(path + os.sep) for path in paths)
    return getattr(top, "__file__", None) == file


def _restore_environment(before: Mapping[str, str]) -> None:
    for name in set(os.environ) - set(before):
        del os.environ[name]
    for name, value in before.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


@contextmanager
def _first_on_path(folder: str) -> Iterator[None]:
    """Modules are looked for in this folder first, as uvicorn's --app-dir does it."""
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


@lru_cache(maxsize=64)
def _import_installed(folder: str, module: str) -> None:
    """Import what the files of an application name that is not of its folder."""
    waiting, seen = [module], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        file = _file_of(folder, name)
        if file is None:
            # Whatever goes wrong, the user's own import shows it again, at its line.
            with suppress(Exception):
                importlib.import_module(name)
            continue
        package = name if file.endswith("__init__.py") else name.rpartition(".")[0]
        waiting += _names_in(file, package)


def _file_of(folder: str, name: str) -> str | None:
    """The user's file of a module; None when it is not one of the folder."""
    path: list[str] | None = [folder]
    parts = name.split(".")
    for number in range(len(parts)):
        spec = PathFinder.find_spec(".".join(parts[: number + 1]), path)
        if spec is None:
            return None
        if number == len(parts) - 1:
            origin = spec.origin or ""
            return origin if origin.endswith(".py") and _is_in(origin, folder) else None
        path = list(spec.submodule_search_locations or ())
    return None


def _names_in(file: str, package: str) -> Iterator[str]:
    """Every module that a file may import, in its functions, too."""
    try:
        tree = ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = node.module or ""
            if node.level:
                with suppress(ImportError):
                    name = resolve_name("." * node.level + name, package)
            if name and name != "__future__":
                yield name
                yield from (f"{name}.{alias.name}" for alias in node.names if alias.name != "*")
