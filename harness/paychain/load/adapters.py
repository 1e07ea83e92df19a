"""How the customers of one process pay each entry: its dialect, a template, or a user's class."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Iterable
from pathlib import Path

from paychain.load.traffic.adapter import Adapter, ByAdapter, place_of
from paychain.load.traffic.customer import http_of
from paychain.load.traffic.doubts import PaymentDoubts
from paychain.load.traffic.exchange import Conversation, SingleAnswer, Try
from paychain.load.traffic.pays import ByTemplate
from paychain.load.traffic.plan import EntryPlan
from paychain.payments.errors import UserError
from paychain.protocol.pays.template import PaysTemplate


class Exchanges:
    """Makes the exchange of each try. `doubts`: what is wrong with how customers pay."""

    def __init__(self) -> None:
        self.doubts = PaymentDoubts()
        self._adapters: dict[str, Adapter] = {}  # by file and class

    def of(self, attempt: Try) -> Conversation:
        """The exchange of one try. Raises UserError for an adapter that cannot be loaded."""
        template = attempt.entry.pays
        if template is None:
            http = http_of(attempt.entry.dialect, attempt.request, attempt.span)
            return SingleAnswer(http, attempt)
        if not template.adapter:
            return ByTemplate(template, attempt, self.doubts)
        return ByAdapter(self._adapter(template), template, attempt, self.doubts)

    def load(self, entries: Iterable[EntryPlan]) -> None:
        """Load every adapter now, before any payment. Raises UserError with the place."""
        for entry in entries:
            if entry.pays is not None and entry.pays.adapter:
                self._adapter(entry.pays)

    def _adapter(self, template: PaysTemplate) -> Adapter:
        """An instance of the user's class, made once."""
        name = f"{template.folder}/{template.adapter}"
        if name not in self._adapters:
            self._adapters[name] = load_adapter(template)
        return self._adapters[name]


def load_adapter(template: PaysTemplate) -> Adapter:
    """An instance of a user's class. Its file may import others that lie beside it.

    Raises UserError with the file and line of what goes wrong in it.
    """
    file, _, name = template.adapter.partition(":")
    path = Path(template.folder, file)
    if not path.is_file():
        hint = "it is loaded wherever payments are made: copy it there"
        raise UserError(f"no such file: {path}", where=template.place, hint=hint)
    spec = importlib.util.spec_from_file_location(f"paychain_adapter_{path.stem}", path)
    assert spec is not None, "a file of Python source has a loader"
    assert spec.loader is not None, "a file of Python source has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
        made = getattr(module, name)()
    except AttributeError as error:
        if not hasattr(module, name):
            raise UserError(f"{path} has no class {name}", where=template.place) from error
        raise _broken(error, path, template) from error
    except Exception as error:  # a user's code may raise anything
        raise _broken(error, path, template) from error
    finally:
        sys.path.remove(str(path.parent))
    if not inspect.iscoroutinefunction(getattr(made, "pay", None)):
        hint = "write: async def pay(self, payment, http)"
        raise UserError(f"{name} has no 'async def pay'", where=template.place, hint=hint)
    return made  # type: ignore[no-any-return]  # the class is the user's


def _broken(error: Exception, path: Path, template: PaysTemplate) -> UserError:
    """What a user's file raised, and in which of its lines."""
    if isinstance(error, SyntaxError):
        where = f"{error.filename or path}:{error.lineno}"
        return UserError(f"{error.msg}", where=where)
    where = place_of(error, str(path.parent)) or template.place
    return UserError(f"{type(error).__name__}: {error}", where=where)
