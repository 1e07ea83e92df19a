"""The requests of a payment at an own service: a template with a payment's values in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from paychain.payments.checkout_card import checkout_card
from paychain.payments.money import MAX_SHOWN, decimal_of, exponent
from paychain.protocol.envelope import headers_of
from paychain.protocol.message import PaymentRequest
from paychain.protocol.pays.addresses import sendable
from paychain.protocol.pays.json_path import find, parse_path, text_of
from paychain.protocol.pays.placeholders import (
    LOCATION,
    NUMBERS,
    Placeholder,
    ValueOf,
    alone_in,
    fill,
    placeholders_in,
)
from paychain.protocol.pays.template import PaysTemplate, RequestTemplate
from paychain.wire.http import HttpRequest

BAGGAGE_HEADER = "baggage"  # https://www.w3.org/TR/baggage/
# What paychain writes into every request of a customer: a template must not.
OWN_HEADERS = frozenset({"traceparent", BAGGAGE_HEADER, "user-agent", "host", "x-deadline-ms"})
_TYPES = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "body": "text/plain; charset=utf-8",
}
_PRINTABLE = "".join(map(chr, range(32, 127)))
_encoder = msgspec.json.Encoder(decimal_format="number")


class Unfilled(Exception):
    """A placeholder has no value: no answer so far has what it names."""


class Given(msgspec.Struct, frozen=True):
    """What a request can take from an answer that came before it."""

    value: Any  # of its JSON body, None for another one
    location: str = ""  # path and query of its Location header; an address of a provider's page
    target: str = "/"  # of the request that it answers: where its relative addresses begin


class Values:
    """The values of the placeholders for one try to pay."""

    def __init__(self, template: PaysTemplate, request: PaymentRequest, attempt: int) -> None:
        self.request = request
        self._card = checkout_card(request.instrument, template.tokens)
        self._attempt = attempt

    @property
    def card_token(self) -> str:
        """What the customer's card is to a provider."""
        return self._card.token

    def of(self, placeholder: Placeholder, answers: Sequence[Given]) -> Any:
        """The value; `answers` are those that came before, the newest last. Raises Unfilled."""
        value = self._plain(placeholder, answers)
        match placeholder.form:
            case "lower":
                return text_of(value).lower()
            case "upper":
                return text_of(value).upper()
            case "text":
                return text_of(value)
            case "number":
                return _number(value, placeholder)
            case _:
                return value

    def _plain(self, placeholder: Placeholder, answers: Sequence[Given]) -> Any:
        name, request = placeholder.name, self.request
        match name:
            case "payment":
                return request.payment
            case "order":
                return request.order or request.payment
            case "amount":
                digits = exponent(request.currency)
                return f"{Decimal(request.amount_minor).scaleb(-digits):.{digits}f}"
            case "amount_minor":
                return request.amount_minor
            case "currency":
                return request.currency
            case "merchant":
                return request.merchant
            case "key":
                return request.key or request.payment
            case "attempt":
                return self._attempt
            case _ if name.startswith("card."):
                return getattr(self._card, name.removeprefix("card."))
            case _:
                return _answer_with(placeholder, answers)[1]


def written(
    template: RequestTemplate, values: Values, span: str, answers: Sequence[Given] = ()
) -> HttpRequest:
    """A request of a customer; its target is a whole address where an answer gave one.

    Raises Unfilled.
    """

    def value_of(placeholder: Placeholder) -> Any:
        return values.of(placeholder, answers)

    def in_path(placeholder: Placeholder) -> str:
        text = text_of(value_of(placeholder))
        # A location is an address already, as the service wrote it.
        is_address = placeholder.name == LOCATION or placeholder == address
        return text if is_address else quote(text, safe="")

    address = address_in(template.path)

    headers = {"content-type": _TYPES[template.kind]} if template.kind in _TYPES else {}
    for name, text in template.headers.items():
        headers[name.lower()] = fill(
            text, lambda placeholder: quote(text_of(value_of(placeholder)), safe=_PRINTABLE)
        )
    headers |= own_headers(values.request.payment, span)
    body = _body(template, value_of)
    target = sendable(fill(template.path, in_path)) or "/"
    return HttpRequest(template.method, target, headers, body)


def address_in(path: str) -> Placeholder | None:
    """The placeholder of an answer that a path begins with: it stands for a whole address."""
    first = next(placeholders_in(path), None)
    starts = first is not None and path.startswith(str(first))
    return first if starts and first is not None and first.needs_answer else None


def base_of(path: str, answers: Sequence[Given]) -> str:
    """What the address that a path begins with is relative to; "/" where it begins with none.

    Raises Unfilled.
    """
    address = address_in(path)
    return "/" if address is None else _answer_with(address, answers)[0].target


def page_at(pages: Mapping[str, str], host: str) -> str:
    """Where the page of an address is, "" when it is none; `*.adyen.com` stands for any below."""
    exact = pages.get(host, "")
    return exact or next(
        (at for name, at in pages.items() if name.startswith("*.") and host.endswith(name[1:])), ""
    )


def own_headers(payment: str, span: str) -> dict[str, str]:
    """Headers of every customer's request, by which any link can attribute it to its payment."""
    return {**headers_of(payment, span, "customer"), BAGGAGE_HEADER: f"payment={payment}"}


def _body(template: RequestTemplate, value_of: ValueOf) -> bytes:
    match template.kind:
        case "json":
            return _encoder.encode(_filled(template.content, value_of))
        case "form":
            fields = {name: _with_values(text, value_of) for name, text in template.content.items()}
            return urlencode(fields).encode()
        case "body":
            return _with_values(template.content, value_of).encode()
        case _:
            return b""


def _filled(content: Any, value_of: ValueOf) -> Any:
    """A JSON value with the placeholders of its texts filled."""
    if isinstance(content, dict):
        return {name: _filled(value, value_of) for name, value in content.items()}
    if isinstance(content, list):
        return [_filled(value, value_of) for value in content]
    if not isinstance(content, str):
        return content
    alone = alone_in(content)
    if alone is None:
        return _with_values(content, value_of)
    # Alone, a placeholder keeps the type of its value, an answer's field included.
    value = value_of(alone)
    keeps_type = alone.form == "number" or alone.name in NUMBERS or alone.field is not None
    return value if keeps_type else text_of(value)


def _with_values(text: str, value_of: ValueOf) -> str:
    return fill(text, lambda placeholder: text_of(value_of(placeholder)))


def _answer_with(placeholder: Placeholder, answers: Sequence[Given]) -> tuple[Given, Any]:
    """The newest answer that has what a placeholder names, and its value. Raises Unfilled."""
    for answer in reversed(answers):
        if placeholder.name == LOCATION:
            if answer.location:
                return answer, answer.location
        elif (found := find(answer.value, parse_path(placeholder.field or "$"))) is not None:
            return answer, found
    raise Unfilled(f"no answer before has what {placeholder} names")


def _number(value: Any, placeholder: Placeholder) -> Any:
    if isinstance(value, int | float | Decimal):
        return value
    number = decimal_of(str(value))
    if number is None:
        raise Unfilled(f"{placeholder}: '{str(value)[:MAX_SHOWN]}' is not a number")
    return int(number) if number == number.to_integral_value() and "." not in str(value) else number
