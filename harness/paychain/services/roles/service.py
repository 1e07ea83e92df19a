"""A third party that a page asks before or beside a payment: captcha, login, flags, a directory."""

from __future__ import annotations

from dataclasses import dataclass, field

from paychain.protocol.message import AnswerOrError, Error, ErrorKind, Event, PaymentRequest
from paychain.services.roles.role import Role, Work
from paychain.services.state.webhooks import WebhookReceiver, senders_to
from paychain.services.token_bucket import TokenBucket


@dataclass
class Service(Role):
    """Says yes to all but its declared share of declines (a captcha that was not solved, say).

    A directory (`lookups`) refuses who has no tokens left.
    """

    _tokens: TokenBucket | None = field(default=None, init=False)
    _receiver: WebhookReceiver = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.link.lookups is not None:
            self._tokens = TokenBucket(self.link.lookups, self.context.now_ns())
        self._receiver = WebhookReceiver(
            self.context,
            self.background,
            senders_to(self.chain, self.name),
            self._on_webhook,
            deduplicates=True,
        )

    def operations(self) -> dict[str, Work]:
        """Serves under each name that a call to it has; a directory takes webhooks, too."""
        works: dict[str, Work] = dict.fromkeys(self.asked_as("serve"), self._serve)
        return works if self._tokens is None else {**works, "notify": self._receiver.take}

    async def _serve(self, request: PaymentRequest, parent: str) -> AnswerOrError:
        tokens = self._tokens
        if tokens is not None and not tokens.admits(self.context.now_ns()):
            return Error(ErrorKind.RATE_LIMITED, "no lookups are left")
        code = self.declines(request)
        if tokens is not None:
            tokens.looked_up(found=code is None)
        return self.approve(request) if code is None else self.decline(code)

    async def _on_webhook(self, sender: str, event: Event) -> None:
        if self._tokens is not None and event.event == "authorised":
            self._tokens.approved(self.context.now_ns())
