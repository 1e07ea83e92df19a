"""Webhooks in a dialect of ours, to a receiver that need not speak it."""

from __future__ import annotations

from dataclasses import replace

from paychain.payments.outcome import HopResult
from paychain.protocol.dialect import Dialect
from paychain.protocol.message import PaymentRequest
from paychain.protocol.reply import Reply
from paychain.wire.http import HttpRequest, HttpResponse


class PostedWebhooks:
    """Webhooks in our own dialect to an own service, at the path where it takes them.

    It need not speak the dialect: any status of the 200 class acknowledges a webhook.
    """

    def __init__(self, dialect: Dialect, path: str) -> None:
        self._dialect = dialect
        self._path = path

    def ask(self, operation: str, request: PaymentRequest) -> HttpRequest:
        """The dialect's bytes, to another path."""
        return replace(self._dialect.ask(operation, request), target=self._path)

    def classify(self, response: HttpResponse) -> Reply:
        """Acknowledged, or whatever the dialect says of the status."""
        if 200 <= response.status < 300:
            return Reply(HopResult.APPROVED, str(response.status))
        return self._dialect.classify(response)
