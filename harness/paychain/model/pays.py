"""How customers pay an own service, as declared: what they send, and what its answers mean.

    request | steps | by ─ what is sent     approved, declined, pending, rejected ─ what comes back

A class of the user's (`by`) does both. Nothing is guessed from an answer that none of the four
describes: what became of such a payment is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from paychain.declaration.quantity import Span
from paychain.declaration.schema import Declared, OneOrSeveral, Short, several
from paychain.declaration.text import KeyPath
from paychain.model.pays_values import (
    ADAPTER,
    FieldPath,
    Headers,
    LookHeaders,
    LookPath,
    Statuses,
    UrlPath,
    allowed_values,
    json_value,
)
from paychain.protocol.pays.placeholders import placeholders_in
from paychain.protocol.pays.template import Unit

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
MAX_STEPS = 20  # requests of one payment: more is a test of a whole shop
MAX_PATTERNS = 20  # of one outcome
EVERY_S = 0.5  # as a page that waits for its payment often looks
# The placeholders that write the amount.
_UNITS: dict[str, Unit] = {"amount": "decimal", "amount_minor": "minor"}


class PayRequest(Declared):
    """One request of a customer. In its path, headers and body stand placeholders: `{payment}`."""

    method: Annotated[Method, Field(description="Its method.")] = "POST"
    path: Annotated[UrlPath, Field(description="Path and query; a value in it is encoded.")]
    headers: Annotated[Headers, Field(description="Its headers beside paychain's own.")] = {}
    json_: Annotated[
        Any,
        BeforeValidator(json_value),
        WithJsonSchema({"examples": ['{order: "{payment}"}']}),
        Field(alias="json", description="Its body as JSON: YAML, or a text of JSON."),
    ] = None
    form: Annotated[
        dict[str, str] | None, Field(description="Its body as fields of an HTML form.")
    ] = None
    body: Annotated[str | None, Field(description="Its body as text.")] = None

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        given = [key for key in ("json_", "form", "body") if key in self.model_fields_set]
        if len(given) > 1:
            named = " and ".join(key.rstrip("_") for key in given)
            raise ValueError(f"the request has {named}; give one of them")
        if given and self.method == "GET":
            raise ValueError("a GET has no body; write its values in path: /orders?id={payment}")
        return self

    def texts(self) -> Iterator[tuple[KeyPath, str]]:
        """Every text in which placeholders may stand, with its place in the request."""
        yield ("path",), self.path
        for name, text in self.headers.items():
            yield ("headers", name), text
        for name, text in (self.form or {}).items():
            yield ("form", name), text
        if self.body is not None:
            yield ("body",), self.body
        yield from _texts_in(self.json_, ("json",))

    @property
    def placeholder_names(self) -> set[str]:
        """What it says of the payment, and of earlier answers."""
        return {each.name for _, text in self.texts() for each in placeholders_in(text)}


class OpenedPage(Declared):
    """A page that a customer opens."""

    get: Annotated[
        LookPath,
        Field(description="Path; it may name fields of the answer: /payments/{answer.id}."),
    ]
    headers: Annotated[LookHeaders, Field(description="Headers of the request.")] = {}


class Look(OpenedPage):
    """Where a customer looks whether a payment has become final."""

    every: Annotated[Span, Field(description="Pause before each look.")] = EVERY_S


class Pattern(Declared):
    """What an answer looks like: all that is given has to agree."""

    status: Annotated[
        Statuses | None, Field(description="Its status: 200, 200-299, 2xx, or a list.")
    ] = None
    where: Annotated[
        dict[str, Annotated[list[str], Short(str)]],
        BeforeValidator(allowed_values),
        Field(
            max_length=20,
            description="Fields of its JSON, each with the value or the values it may have.",
        ),
    ] = {}
    headers: Annotated[
        dict[str, str], Field(max_length=20, description="Headers that contain a text.")
    ] = {}
    contains: Annotated[str | None, Field(min_length=1, description="A text in its body.")] = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.status is None and not self.where and not self.headers and not self.contains:
            raise ValueError("no answer is described; add status: or where:")
        return self


class AmountField(Declared):
    """Where the approved amount is in an answer, and how it is written."""

    field: Annotated[FieldPath, Field(description="Path of the field, such as charge.amount.")]
    unit: Annotated[
        Unit | None,
        Field(description="decimal: 12.50; minor: 1250; without it, as the request writes it."),
    ] = None


def as_amount(value: Any) -> Any:
    """A field of an amount without its unit."""
    return {"field": value} if isinstance(value, str) else value


class ApprovedAnswer(Pattern):
    """An answer that shows the customer that the payment was made."""

    amount: Annotated[
        AmountField | None,
        BeforeValidator(as_amount),
        Short(str),
        Field(description="The amount that the customer is shown; without it, the whole amount."),
    ] = None


class DeclinedAnswer(Pattern):
    """An answer that shows the customer that the payment was refused and nothing is charged."""

    code: Annotated[
        FieldPath | None, Field(description="Field with the reason or the response code.")
    ] = None
    technical: Annotated[
        bool,
        Field(
            description="The service gave up for a technical reason: it counts as a failure, not "
            "as a business decline."
        ),
    ] = False


class RejectedAnswer(Pattern):
    """An error by which the service shows that it did nothing: no customer is charged."""


class PendingAnswer(Pattern):
    """An answer that shows the customer that the payment is in progress."""

    then: Annotated[Look, Field(description="Where the customer looks until it is final.")]


class Pays(Declared):
    """How customers pay an own service: `request`, `steps` or `by`."""

    request: Annotated[
        PayRequest | None, Field(description="The request that pays, where one is enough.")
    ] = None
    steps: Annotated[
        list[PayRequest],
        Field(
            max_length=MAX_STEPS,
            description="Requests in their order; the answer to the last one is the payment's.",
        ),
    ] = []
    by: Annotated[
        str | None,
        Field(description="A class that pays, `file.py:Class`, relative to the chain's file."),
    ] = None
    approved: Annotated[
        list[ApprovedAnswer],
        BeforeValidator(several),
        OneOrSeveral(),
        Field(max_length=MAX_PATTERNS, description="Answers that show: paid."),
    ] = []
    declined: Annotated[
        list[DeclinedAnswer],
        BeforeValidator(several),
        OneOrSeveral(),
        Field(max_length=MAX_PATTERNS, description="Answers that show: refused."),
    ] = []
    rejected: Annotated[
        list[RejectedAnswer],
        BeforeValidator(several),
        OneOrSeveral(),
        Field(
            max_length=MAX_PATTERNS,
            description="Errors that prove that nothing was done; any other proves nothing.",
        ),
    ] = []
    pending: Annotated[
        list[PendingAnswer],
        BeforeValidator(several),
        OneOrSeveral(),
        Field(max_length=MAX_PATTERNS, description="Answers that show: in progress."),
    ] = []
    look: Annotated[
        Look | None,
        Field(
            description="Where a customer who left and comes back looks; without it, where `then` "
            "of a pending answer says."
        ),
    ] = None
    returns: Annotated[
        OpenedPage | None,
        Field(
            description="The return page: a customer who left comes back through it, once, and "
            "then looks as others do; where `then` needs an answer, it is the answer of this page. "
            "Without it, such a customer only looks."
        ),
    ] = None
    tokens: Annotated[
        dict[str, str],
        Field(
            max_length=100,
            description="What {card.token} is, by card scheme or number; without it a token that "
            "every mock provider knows.",
        ),
    ] = {}

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [key for key in ("request", "steps", "by") if getattr(self, key)]
        if len(ways) != 1:
            what = " and ".join(ways) if ways else "neither request nor steps nor by"
            raise ValueError(f"pays has {what}; give exactly one of request, steps and by")
        answers = [key for key in ("approved", "declined") if not getattr(self, key)]
        if self.by is not None:
            if ADAPTER.fullmatch(self.by) is None:
                raise ValueError(f"by: '{self.by}' names no class; write adapters.py:Shop")
            others = ("approved", "declined", "rejected", "pending", "look", "returns")
            if given := [key for key in others if getattr(self, key)]:
                raise ValueError(f"the class in by: reads the answers itself; remove {given[0]}:")
        elif answers:
            example = {"approved": "{status: 200-299}", "declined": "{status: 402}"}[answers[0]]
            raise ValueError(f"no answer is described as {answers[0]}; add {answers[0]}: {example}")
        return self

    @property
    def every_step(self) -> list[PayRequest]:
        """Its requests in their order; none for a class."""
        return [self.request] if self.request is not None else self.steps

    @property
    def placeholder_names(self) -> set[str]:
        """What its requests say of the payment, and of earlier answers."""
        return {name for step in self.every_step for name in step.placeholder_names}

    @property
    def names_amount_again(self) -> bool:
        """Whether the first request says how much is paid, and a later one does, too.

        The service knows it by then: it need not believe the later one.
        """
        named = [not _UNITS.keys().isdisjoint(step.placeholder_names) for step in self.every_step]
        return any(named[:1]) and any(named[1:])

    @property
    def later_look(self) -> Look | None:
        """Where to look without any answer from before; None when that is nowhere."""
        looks = [self.look, *(pending.then for pending in self.pending)]
        return next((look for look in looks if look is not None and needs_no_answer(look)), None)

    @property
    def gives_card(self) -> bool:
        """Whether customers say which card pays, outside a provider's page; a class may."""
        return self.by is not None or any(
            name.startswith("card.") for name in self.placeholder_names
        )

    @property
    def usual_unit(self) -> Unit | None:
        """How the requests write the amount; None when they do not, or in both ways."""
        names = self.placeholder_names
        found = [unit for name, unit in _UNITS.items() if name in names]
        return found[0] if len(found) == 1 else None


def needs_no_answer(page: OpenedPage) -> bool:
    """Whether the payment alone says where the page is."""
    texts = (page.get, *page.headers.values())
    return not any(each.needs_answer for text in texts for each in placeholders_in(text))


def _texts_in(value: Any, at: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts_in(inner, (*at, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _texts_in(inner, (*at, number))
