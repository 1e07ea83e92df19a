"""Placeholders in a request that pays an own service: `{payment}`, `{card.number}`, `{answer.id}`.

A name may be followed by how it is written: `{amount:number}`, `{currency:lower}`. `{{payment}}` is
the text `{payment}`. Whatever else has braces, such as JSON or GraphQL, stays as it is.

Those in a service's command and variables are others (model/placeholders.py): they name what is
known when the chain starts, and what follows the colon is a link.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from paychain.payments.errors import meant
from paychain.protocol.pays.json_path import parse_path

MEANINGS = {
    "payment": "the payment's id, at most 16 characters, unique",
    "order": "the id of the order; the payments of one order share it",
    "amount": "the amount as a decimal, such as 12.50",
    "amount_minor": "the amount in minor units, such as 1250",
    "currency": "the currency, such as EUR",
    "card.number": "the number of a published test card",
    "card.token": "a test token of the card, such as tok_visa_4242",
    "card.expiry_month": "the month in which the card expires, in two digits",
    "card.expiry_year": "the year, in four digits",
    "card.cvc": "the card's security code",
    "card.holder": "the cardholder's name",
    "card.scheme": "the card's scheme, such as visa",
    "merchant": "the merchant that is paid",
    "key": "the idempotency key; the same for a repeat of the same payment",
    "attempt": "which try of the customer this is, from 1",
}
ANSWER = "answer"  # {answer.FIELD}: of the newest answer before that has the field
LOCATION = "location"  # the path in the Location header of the newest answer that has one
FORMS = ("text", "number", "lower", "upper")
# Alone in a JSON value they are numbers; the others are text unless they are written `:number`.
NUMBERS = frozenset({"amount_minor", "attempt"})
_DIGITS = frozenset({"amount", "card.number", "card.cvc", "card.expiry_month", "card.expiry_year"})
_PLACEHOLDER = re.compile(
    r"\{(?P<literal>\{[a-z_][^{}\s\"]*\})\}"
    r"|\{(?P<name>[a-z_][a-z0-9_]*(?:[.\[][^{}:\s\"]+)?)(?::(?P<form>[a-z_]*))?\}"
)


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One placeholder. `form`: how it is written, "" for the usual way."""

    name: str
    form: str = ""

    def __str__(self) -> str:
        """As a file writes it."""
        return f"{{{self.name}{':' if self.form else ''}{self.form}}}"

    @property
    def field(self) -> str | None:
        """The path of a field of an answer; None for another placeholder."""
        if not self.name.startswith((f"{ANSWER}.", f"{ANSWER}[")):
            return None
        return self.name.removeprefix(ANSWER).removeprefix(".")

    @property
    def needs_answer(self) -> bool:
        """Whether it takes something from an answer that came before."""
        return self.field is not None or self.name == LOCATION


ValueOf = Callable[[Placeholder], Any]


def placeholders_in(text: str) -> Iterator[Placeholder]:
    """Every placeholder of a text, known or not, in order."""
    for match in _PLACEHOLDER.finditer(text):
        if match["literal"] is None:
            yield _of(match)


def alone_in(text: str) -> Placeholder | None:
    """The placeholder that is the whole text, None for any other text."""
    match = _PLACEHOLDER.fullmatch(text)
    return _of(match) if match is not None and match["literal"] is None else None


def fill(text: str, value_of: Callable[[Placeholder], str]) -> str:
    """The text with the value of each placeholder in its place."""
    if "{" not in text:
        return text
    return _PLACEHOLDER.sub(lambda match: match["literal"] or value_of(_of(match)), text)


def mistakes_in(text: str, *, has_answer: bool) -> Iterator[str]:
    """What is wrong with the placeholders of a text, each as `what; hint`.

    `has_answer`: an answer came before, whose fields they may name.
    """
    for placeholder in placeholders_in(text):
        mistake = _mistake(placeholder, has_answer=has_answer)
        if mistake:
            yield mistake


def _mistake(placeholder: Placeholder, *, has_answer: bool) -> str:
    name, field = placeholder.name, placeholder.field
    if placeholder.needs_answer and not has_answer:
        return f"{placeholder}: no answer came before this request; use it in a later step"
    if field is not None:
        try:
            parse_path(field)
        except ValueError as error:
            return str(error)
    elif name == ANSWER:
        return f"{placeholder} names no field of the answer; write one such as {{answer.id}}"
    elif name != LOCATION and name not in MEANINGS:
        hint = meant(name, [*MEANINGS, LOCATION])
        if has_answer and not hint.startswith("did you mean"):
            hint = f"a field of the answer before is {{{ANSWER}.{name}}}; {hint}"
        literal = f"for the literal text write {{{placeholder}}}"
        return f"unknown placeholder '{placeholder}'; {hint}; {literal}"
    if placeholder.form and placeholder.form not in FORMS:
        return f"{placeholder}: unknown form '{placeholder.form}'; {meant(placeholder.form, FORMS)}"
    if placeholder.form == "number" and name not in NUMBERS | _DIGITS and field is None:
        return f"{placeholder}: {name} is not a number; write {{{name}}}"
    return ""


def _of(match: re.Match[str]) -> Placeholder:
    return Placeholder(match["name"], match["form"] or "")
