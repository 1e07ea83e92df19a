"""Why an answer matches nothing that a template declares, in words for the template's author."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paychain.payments.errors import either
from paychain.protocol.pays.addresses import NoAddress, address_of, location_of
from paychain.protocol.pays.json_path import find, parse_path, text_of
from paychain.protocol.pays.outcomes import (
    MAX_QUOTED,
    has_value,
    is_text,
    json_of,
    quoted,
    shortened,
    why_not_json,
)
from paychain.protocol.pays.requests import Values
from paychain.protocol.pays.template import AnswerPattern, PaysTemplate
from paychain.wire.http import HttpResponse

MAX_FIELDS = 8  # of an answer that a hint names
MAX_NAME = 40  # characters of the name of one
_SUCCESS = range(200, 300)
_REDIRECTS = range(300, 400)
_HINTS = {
    401: "give the request the headers that prove who sends it",
    403: "give the request the headers that prove who sends it",
    404: "check the path",
    405: "check the method",
    415: "check whether the body should be json: or form:",
}


def misfit_of(template: PaysTemplate, response: HttpResponse, values: Values) -> str:
    """What an answer is, and what in the template does not fit it."""
    hint = _hint(template.patterns, response, values)
    return f"{shown(response)}; {hint}" if hint else shown(response)


def outcomes_of(template: PaysTemplate) -> str:
    """What a template says about answers: `approved, declined or pending`."""
    return either(list(dict.fromkeys(pattern.outcome for pattern in template.patterns)))


def shown(response: HttpResponse) -> str:
    """An answer in a few words, with where it leads."""
    location = response.headers.get("location", "")
    if response.status in _REDIRECTS and location:
        return f"{response.status} to {shortened(location_of(response), MAX_QUOTED)}"
    return quoted(response)


def _hint(patterns: Sequence[AnswerPattern], response: HttpResponse, values: Values) -> str:
    status = response.status
    if status in _REDIRECTS:
        location = response.headers.get("location", "")
        if not location:
            return "it has no Location header, so it leads nowhere"
        try:
            host = address_of(location_of(response)).host
        except NoAddress as error:
            return f"its Location is not the address of a page: {error}"
        if host:
            return "customers follow redirects to the service's own pages only"
        return "customers follow only a few redirects: this may be a redirect loop"
    if status in _HINTS:
        return _HINTS[status]
    body = json_of(response)
    if body is None and not is_text(response):
        packed = response.headers.get("content-encoding", "")
        if packed:
            return f"customers accept no content-encoding: send it without {packed}"
        return "send its fields as JSON in UTF-8"
    if body is None and "html" in response.headers.get("content-type", ""):
        return "an HTML page has no fields: check the path, or match the page with contains:"
    if status not in _SUCCESS:
        return "check what the request sends"
    if status == 202 and all(pattern.outcome != "pending" for pattern in patterns):
        return "a payment in progress needs pending: {status: 202, then: {get: /...}}"
    near = (pattern for pattern in patterns if pattern.outcome == "approved")
    return next((_difference(pattern, response, values) for pattern in near), "")


def _difference(pattern: AnswerPattern, response: HttpResponse, values: Values) -> str:
    """The first thing in which an answer is not what is declared."""
    status, body = response.status, json_of(response)
    if pattern.statuses and all(not first <= status <= last for first, last in pattern.statuses):
        return f"{pattern.outcome}: wants another status"
    for path, allowed in pattern.where.items():
        found = find(body, parse_path(path))
        wanted = " or ".join(allowed)
        if found is None:
            return f"{pattern.outcome}: wants {path}: {wanted}, but {_fields(body, response)}"
        if not any(has_value(found, each, values) for each in allowed):
            value = shortened(text_of(found), MAX_QUOTED)
            return f"{pattern.outcome}: wants {path}: {wanted}, but it is {value}"
    wanted = "headers:" if pattern.headers else "contains:"
    return f"its {wanted} is not what {pattern.outcome}: wants"


def _fields(body: Any, response: HttpResponse) -> str:
    if body is None:
        return why_not_json(response) or "the answer is null"
    if isinstance(body, list):
        return "the answer is a list; a path into one begins with [0]"
    names = [shortened(name, MAX_NAME) for name in body] if isinstance(body, dict) else []
    return f"the answer has {', '.join(names[:MAX_FIELDS]) if names else 'no fields'}"
