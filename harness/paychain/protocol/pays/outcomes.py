"""What an answer of an own service says about a payment, by the template that declares it."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from paychain.payments.codes import APPROVED, IN_PROGRESS
from paychain.payments.money import minor_of, to_minor
from paychain.payments.outcome import HopResult, Outcome
from paychain.protocol.json_text import decoded
from paychain.protocol.message import Answer
from paychain.protocol.pays.json_path import (
    currency_beside,
    find,
    first_repeated,
    parse_path,
    text_of,
)
from paychain.protocol.pays.placeholders import fill
from paychain.protocol.pays.requests import Values
from paychain.protocol.pays.template import AnswerPattern, PaysTemplate
from paychain.protocol.reply import Reply, reply_of
from paychain.wire.http import HttpResponse, MalformedHttp, WireError

NO_CONTENT = 204
MAX_CODE = 60  # characters of a decline's reason that are kept
MAX_QUOTED = 120  # characters of an answer that a message quotes
_CARD_NUMBER = re.compile(r"\d[\d -]{10,21}\d")
# Also what terminals obey, what turns the direction of a line, and halves of characters.
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]+")


class Reading(msgspec.Struct, frozen=True):
    """What an answer says. `pattern`: the declared one that it agrees with, None when none does.

    `reply` is None for a payment that is still pending. `problem`: why the declaration does not
    fit the answer, although the answer agrees with its pattern; "" when it does. `body`: the
    answer's JSON, which is decoded once; None for another one.
    """

    pattern: AnswerPattern | None
    reply: Reply | None
    problem: str = ""
    body: Any = None


def json_of(response: HttpResponse) -> Any:
    """The body as JSON, None when it is something else."""
    try:
        return decoded(response.body)
    except msgspec.DecodeError:
        return None


def why_not_json(response: HttpResponse) -> str:
    """Why a body is not JSON; "" when it is."""
    if not response.body:
        return "the answer has no body"
    try:
        decoded(response.body)
    except msgspec.MsgspecError as error:
        return f"the answer is not JSON: {str(error).removeprefix('JSON is malformed: ')}"
    return ""


def matching(
    template: PaysTemplate,
    response: HttpResponse,
    values: Values | None,
    body: Any,
    *,
    is_last: bool = True,
) -> AnswerPattern | None:
    """The first pattern that an answer, whose JSON is `body`, agrees with.

    `values` are those of placeholders in a pattern; without them such a pattern matches any value.
    An answer to a step that does not pay yet (not `is_last`) is neither approved nor pending.
    """
    return next(
        (
            pattern
            for pattern in template.patterns
            if (is_last or pattern.outcome in ("declined", "rejected"))
            and _agrees(pattern, response, body, values)
        ),
        None,
    )


def read(
    template: PaysTemplate, response: HttpResponse, values: Values, *, is_last: bool = True
) -> Reading:
    """What an answer says about the payment whose values these are.

    An answer that agrees with nothing proves nothing: what the service did is unknown.
    """
    body = json_of(response)
    pattern = matching(template, response, values, body, is_last=is_last)
    if pattern is None:
        return Reading(None, _unexpected(response, body), body=body)
    match pattern.outcome:
        case "pending":
            return Reading(pattern, None, body=body)
        case "rejected":
            reply, problem = Reply(HopResult.REJECTED, str(response.status)), ""
        case "declined":
            code, problem = _code(pattern, response, body)
            reply = declined(template, code, pattern.technical)
        case "approved":
            amount_minor, problem = _amount(pattern, response, body, values)
            reply = approved(template, amount_minor)
    return Reading(pattern, reply, problem or _ambiguity(pattern, response), body)


def approved(template: PaysTemplate, amount_minor: int) -> Reply:
    """The reply of an approval; 0: of an amount that is not known."""
    return reply_of(Answer(Outcome.APPROVED, APPROVED, template.link, "", amount_minor))


def declined(template: PaysTemplate, code: str, technical: bool) -> Reply:
    """The reply of a decline; its code may say that it is technical, as the chain declares it."""
    code = shortened(code, MAX_CODE)
    code_class = "technical" if technical else template.code_classes.get(code, "")
    return reply_of(Answer(Outcome.DECLINED, code, template.link, code_class=code_class))


def pending(template: PaysTemplate) -> Reply:
    """The reply of a payment that was still pending when the customer stopped to wait."""
    answer = Answer(Outcome.UNKNOWN, IN_PROGRESS, template.link)
    return Reply(HopResult.UNKNOWN, IN_PROGRESS, answer, in_progress=True)


def _unexpected(response: HttpResponse, body: Any) -> Reply:
    """The reply of an answer that no pattern describes."""
    if response.status >= 400:
        return Reply(HopResult.HTTP_ERROR, str(response.status))
    return Reply(HopResult.MALFORMED, f"{response.status} {_form(response, body)}".strip())


def _form(response: HttpResponse, body: Any) -> str:
    """What the body of a success is instead of an object, for reports; "" for an object."""
    if not 200 <= response.status < 300 or response.status == NO_CONTENT:
        return ""
    if not response.body:
        return "without a body"
    if response.headers.get("content-encoding"):
        return "compressed"
    if "html" in response.headers.get("content-type", ""):
        return "HTML page"
    if isinstance(body, dict):
        return ""
    return "not JSON" if body is None and why_not_json(response) else "not an object"


def why_unreadable(error: WireError) -> str:
    """What was wrong with an answer that is no HTTP; "" where there was none."""
    text = str(error).removeprefix("not an answer: ")
    return shortened(text, MAX_CODE) if isinstance(error, MalformedHttp) else ""


def quoted(response: HttpResponse) -> str:
    """An answer in a few words, for a message: its status and the beginning of its body."""
    if not is_text(response):
        return f"{response.status} with {len(response.body):,} bytes that are no UTF-8 text"
    text = response.body[: MAX_QUOTED * 4].decode("utf-8", "replace")
    return f"{response.status} {shortened(text, MAX_QUOTED)}".strip()


def is_text(response: HttpResponse) -> bool:
    """Whether a body is text: one that is compressed, or in another encoding, is none."""
    try:
        # All before the last characters, of which the cut may leave a part.
        response.body[: MAX_QUOTED * 4].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data" and len(response.body) > MAX_QUOTED * 4
    return True


def shortened(text: str, length: int) -> str:
    """Foreign text that any record and any report can hold, on one line."""
    return without_cards(_BLANK.sub(" ", text).strip())[:length]


def without_cards(text: str) -> str:
    """The text without anything that may be a card number (PCI DSS 3.4.1)."""
    return _CARD_NUMBER.sub("…", text)


def has_value(found: Any, wanted: str, values: Values | None) -> bool:
    """Whether a field has a declared value. Both are compared as they are written in JSON.

    A field that is null or not there has the value "".
    """
    if isinstance(found, dict | list):
        return False
    if found is None:
        return not wanted
    if "{" in wanted:
        if values is None:
            return True
        wanted = fill(wanted, lambda placeholder: str(values.of(placeholder, ())))
    return text_of(found) == wanted


def _agrees(
    pattern: AnswerPattern, response: HttpResponse, body: Any, values: Values | None
) -> bool:
    status = response.status
    return (
        (not pattern.statuses or any(first <= status <= last for first, last in pattern.statuses))
        and all(
            any(has_value(find(body, parse_path(path)), wanted, values) for wanted in allowed)
            for path, allowed in pattern.where.items()
        )
        and all(
            text in response.headers.get(name.lower(), "") for name, text in pattern.headers.items()
        )
        and (not pattern.contains or pattern.contains in response.body.decode("utf-8", "replace"))
    )


def _ambiguity(pattern: AnswerPattern, response: HttpResponse) -> str:
    """What is said of an answer that has a declared field twice (RFC 8259 §4)."""
    fields = filter(None, (*pattern.where, pattern.code, pattern.amount))
    field = first_repeated(response.body, fields)
    if not field:
        return ""
    twice = f"{pattern.outcome} answers have '{field}' more than once"
    return f"{twice}, and readers differ in which one they take"


def _code(pattern: AnswerPattern, response: HttpResponse, body: Any) -> tuple[str, str]:
    if not pattern.code:
        return "", ""
    found = find(body, parse_path(pattern.code))
    if found is None or isinstance(found, dict | list):
        return "", f"declined answers have no code at '{pattern.code}': {quoted(response)}"
    return text_of(found), ""


def _amount(
    pattern: AnswerPattern, response: HttpResponse, body: Any, values: Values
) -> tuple[int, str]:
    """The approved amount in minor units, 0 with the reason when the answer does not have it."""
    if not pattern.amount:
        return values.request.amount_minor, ""
    path, currency = parse_path(pattern.amount), values.request.currency
    found = find(body, path)
    if found is None:
        return 0, f"approved answers have no amount at '{pattern.amount}': {quoted(response)}"
    text = text_of(found)
    try:
        is_minor = pattern.unit == "minor"
        amount_minor = minor_of(text) if is_minor else to_minor(text, currency)
    except ValueError as error:
        return 0, f"the amount at '{pattern.amount}' cannot be read: {error}"
    if amount_minor <= 0:
        return 0, f"the amount at '{pattern.amount}' is not above 0: {text}"
    shown = currency_beside(body, path)
    if shown and shown.upper() != currency.upper():
        return 0, (
            f"the amount at '{pattern.amount}' is in {shown.upper()}, the payment in {currency}, "
            "so they cannot be compared"
        )
    return amount_minor, ""
