"""The merchant's own view of its orders: `books:` of an own service, read after the drain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from paychain.declaration.problem import Problem
from paychain.declaration.schema import Declared, Short
from paychain.declaration.text import KeyPath
from paychain.model.pays import AmountField, Pattern, Pays, as_amount
from paychain.model.pays_problems import IDS, placeholder_problems, unit_problems
from paychain.model.pays_values import FieldPath, Headers, LookPath
from paychain.model.service import Command
from paychain.protocol.pays.placeholders import placeholders_in


class PaidEntry(Pattern):
    """An order that the service takes for paid."""


class Books(Declared):
    """Where an own service's view of each order is: `get` for one, or a `command` for all of them.

    Orders are compared with the money that the providers and the banks behind them hold: paid
    orders without money, money without a paid order, amounts that differ.
    """

    get: Annotated[
        LookPath | None,
        Field(description="Path of one order, such as /orders/{payment} or /orders/{order}."),
    ] = None
    headers: Annotated[Headers, Field(description="Headers of that request.")] = {}
    command: Annotated[
        Command | None,
        Field(
            description="A command that prints one JSON object for each order, each in a line. "
            "{run} stands for the prefix of the ids of the run's payments."
        ),
    ] = None
    order: Annotated[
        FieldPath, Field(description="Field of a printed object with the payment's or order's id.")
    ] = "order"
    paid: Annotated[PaidEntry, Field(description="What a paid order looks like.")]
    amount: Annotated[
        AmountField | None,
        BeforeValidator(as_amount),
        Short(str),
        Field(description="The amount that the service has charged; without it only the state."),
    ] = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.get is None) == (self.command is None):
            given = "both get and command" if self.get is not None else "neither get nor command"
            raise ValueError(f"books has {given}; give one of them")
        if self.command is not None and (self.paid.status or self.paid.headers):
            raise ValueError(
                "what a command prints has no status and no headers; use paid: {where}"
            )
        return self


def check_books(books: Books, pays: Pays | None, at: KeyPath) -> Iterator[Problem]:
    """Unknown placeholders, and requests that cannot be told apart."""
    if books.get is not None:
        yield from placeholder_problems(books.get, (*at, "get"), has_answer=False)
        if not {each.name for each in placeholders_in(books.get)} & IDS:
            what = "the path has no id of the order, so all of them look alike"
            yield Problem((*at, "get"), what, "write one such as /orders/{payment}")
    yield from unit_problems(books.amount, pays, (*at, "amount"))
