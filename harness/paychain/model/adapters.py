"""The user's classes that pay own services (`pays: {by: …}`), as far as reading them can tell.

Nothing is imported: what a file does when it runs is its own business, and a check runs no code.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from paychain.declaration.problem import Problem
from paychain.declaration.reading import NotReadable, read_bounded
from paychain.declaration.text import MAX_BYTES, KeyPath
from paychain.model.chain import Chain
from paychain.payments.errors import meant

SHAPE = "async def {}(self, payment, http)"
_ARGUMENTS = 3  # self, payment, http


def check_adapters(chain: Chain, folder: Path, kept: Mapping[str, Path]) -> Iterator[Problem]:
    """Every class that is named is there and can pay.

    `folder`: of the chain's file. `kept`: files that lie elsewhere, by the name in the chain.
    """
    for name, link in chain.links.items():
        if link.pays is not None and link.pays.by is not None:
            file, _, class_name = link.pays.by.partition(":")
            at: KeyPath = ("links", name, "pays", "by")
            leaves = chain.customer.leaves
            needs_look = leaves is not None and leaves.returns_after is not None
            methods = ("pay", "look") if needs_look else ("pay",)
            yield from _check(kept.get(file, folder / file), class_name, methods, at)


def adapter_files(chain: Chain) -> list[str]:
    """The files of these classes as the chain names them, each once."""
    named = [
        link.pays.by for link in chain.links.values() if link.pays is not None and link.pays.by
    ]
    return list(dict.fromkeys(by.partition(":")[0] for by in named))


def _check(path: Path, name: str, methods: tuple[str, ...], at: KeyPath) -> Iterator[Problem]:
    try:
        tree = ast.parse(read_bounded(path, MAX_BYTES))
    except NotReadable as error:
        yield Problem(at, error.what, error.hint)
        return
    except OSError as error:
        hint = "the path is relative to the chain's file"
        yield Problem(at, f"{path} cannot be read: {error.strerror}", hint)
        return
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        yield Problem(at, f"{path}:{line}: {getattr(error, 'msg', error)}", "correct the file")
        return
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    if name not in classes:
        # It may be imported from elsewhere, or made by a call: then only running it tells.
        if name not in _other_names(tree):
            yield Problem(at, f"{path} has no class {name}", meant(name, classes))
        return
    for method in methods:
        yield from _check_method(path, classes[name], method, at)


def _check_method(path: Path, found: ast.ClassDef, method: str, at: KeyPath) -> Iterator[Problem]:
    shape = SHAPE.format(method)
    node = next((node for node in found.body if getattr(node, "name", "") == method), None)
    if node is None:
        # A base class may have it.
        if not found.bases:
            yield Problem(
                at, f"{path}:{found.lineno}: {found.name} has no {method}", f"add {shape}"
            )
    elif not isinstance(node, ast.AsyncFunctionDef):
        what = f"{path}:{node.lineno}: {found.name}.{method} is not 'async def'"
        yield Problem(at, what, f"write {shape}, and await http.post(…)")
    elif len(node.args.args) != _ARGUMENTS and node.args.vararg is None:
        what = f"{path}:{node.lineno}: {found.name}.{method} takes other arguments"
        yield Problem(at, what, f"write {shape}")


def _other_names(tree: ast.Module) -> set[str]:
    """What a module has beside its own classes: imports and assignments."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names
