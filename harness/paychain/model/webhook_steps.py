"""What a script can do to one webhook: a new one is a class here and a line in WEBHOOK_KINDS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, create_model

from paychain.declaration.quantity import Duration, Span, seconds_text
from paychain.declaration.schema import Declared


class WebhookKind(Declared):
    """What happens to a webhook. The sender asks for each of these.

    `is_dropped`: it is never sent. `is_early`: it is sent before the answer that it is about.
    `waits_for_next`: it is sent after the next webhook of its link about the payment.
    `waits_for_request`: the operation of the next request about the payment at its link: it is sent
    when that comes; "" for none.
    """

    is_dropped: ClassVar[bool] = False
    is_early: ClassVar[bool] = False
    waits_for_next: ClassVar[bool] = False
    meaning: ClassVar[str]

    @property
    def late_s(self) -> float:
        """How much later it is sent, in seconds."""
        return 0.0

    @property
    def again_s(self) -> float | None:
        """How long after its delivery it is sent once more, in seconds; None: it is not."""
        return None

    @property
    def waits_for_request(self) -> str:
        """The operation of a request."""
        return ""

    def __str__(self) -> str:
        """In a few words."""
        return self.meaning


class WebhookDropped(WebhookKind):
    """The webhook is never sent."""

    is_dropped = True
    meaning = "is never sent"


class WebhookTwice(WebhookKind):
    """The webhook is delivered, and then sent once more."""

    meaning = "is sent twice"

    after: Annotated[
        Duration, Field(description="How long after its delivery it is sent again.")
    ] = 0.0

    @property
    def again_s(self) -> float | None:
        """The declared pause."""
        return self.after


class WebhookLate(WebhookKind):
    """The webhook is sent later than the link would."""

    meaning = "is late"

    by: Annotated[Span, Field(description="How much later it is sent.")]

    @property
    def late_s(self) -> float:
        """The declared delay."""
        return self.by

    def __str__(self) -> str:
        """With the delay."""
        return f"is {seconds_text(self.by, digits=4)} late"


class WebhookOutOfOrder(WebhookKind):
    """The webhook arrives after the next one of its link about the payment."""

    waits_for_next = True
    meaning = "arrives after the next one"


class WebhookEarly(WebhookKind):
    """The webhook arrives before the answer to the request that it is about."""

    is_early = True
    meaning = "arrives before the answer"


class WebhookDuring(WebhookKind):
    """The webhook arrives while the link has a request about the payment that it has not begun.

    A return page that captures and the webhook of the hold can meet in this way.
    """

    meaning = "arrives during a request"

    operation: Annotated[str, Field(description="Operation of the request, such as capture.")]

    @property
    def waits_for_request(self) -> str:
        """The declared operation."""
        return self.operation

    def __str__(self) -> str:
        """With the operation."""
        return f"arrives during the next {self.operation}"


WEBHOOK_KINDS: dict[str, type[WebhookKind]] = {
    "dropped": WebhookDropped,
    "twice": WebhookTwice,
    "late": WebhookLate,
    "out_of_order": WebhookOutOfOrder,
    "before_answer": WebhookEarly,
    "during": WebhookDuring,
}

if TYPE_CHECKING:
    WebhookFields = Declared
else:
    # Pydantic makes the fields from the registry, so that a new kind is known without a field here.
    WebhookFields = create_model(
        "WebhookFields",
        __base__=Declared,
        **{
            name: (
                Annotated[kind | None, Field(description=f"The webhook {kind.meaning}.")],
                None,
            )
            for name, kind in WEBHOOK_KINDS.items()
        },
    )


class WebhookKinds(WebhookFields):
    """What happens to a webhook."""

    def webhook_kinds(self) -> list[str]:
        """Names of what is given."""
        return [name for name in WEBHOOK_KINDS if getattr(self, name) is not None]

    def webhook_parameters(self, kind: str) -> WebhookKind:
        """The parameters of a kind that is given."""
        parameters = getattr(self, kind)
        assert isinstance(parameters, WebhookKind), f"{kind} is not given"
        return parameters
