"""What an answer of Braintree's other API is over GraphQL: an object, an error, or none."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from paychain.protocol.dialects.braintree.documents import read
from paychain.protocol.dialects.braintree.errors import XML, Invalid, NotFound, first_error
from paychain.protocol.dialects.braintree.graphql_objects import TYPES
from paychain.protocol.dialects.braintree.tables import errors
from paychain.protocol.vendor import VendorCall
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.wire.http import HttpResponse

VALIDATION, NOT_FOUND = "VALIDATION", "NOT_FOUND"
_NO_OBJECT = "An object with this ID was not found."


@dataclass(slots=True)
class Refused(Exception):
    """An error beside `data`. `code`: the validation error of the other API."""

    message: str
    kind: str = VALIDATION
    code: str = ""


class Unanswered(Exception):
    """The link behind did not answer: an error of HTTP, as in the other API."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__(response.status)
        self.response = response


async def answered(call: VendorCall, work: Awaitable[HttpResponse], *names: str) -> dict[str, Any]:
    """The object of one of these names in the other API's answer, by its name.

    Raises Refused and Unanswered. Also a refusal may have an object: a declined transaction.
    """
    response = await responded(call, work)
    document = read(response.body, XML, is_own=True)
    refusal = document.get("api_error_response", document)
    for name in names:
        if isinstance(refusal.get(name), dict):
            return {name: refusal[name]}
    code, message = first_error(refusal.get("errors"))
    raise Refused(message or str(refusal.get("message") or ""), VALIDATION, code)


async def responded(call: VendorCall, work: Awaitable[HttpResponse]) -> HttpResponse:
    """The other API's answer. Raises Refused and Unanswered."""
    try:
        response = await work
    except NotFound:
        await execute_nothing(call)
        raise Refused(_NO_OBJECT, NOT_FOUND) from None
    except Invalid as invalid:
        await execute_nothing(call)
        error = errors()[invalid.name]
        raise Refused(error.message, VALIDATION, error.code) from None
    if response.body and "xml" not in response.headers.get("content-type", ""):
        raise Unanswered(response)
    return response


def payload(given: dict[str, Any], kind: str, **fields: Any) -> dict[str, Any]:
    """What a mutation returns."""
    return {TYPES: (kind,), "clientMutationId": given.get("clientMutationId"), **fields}
