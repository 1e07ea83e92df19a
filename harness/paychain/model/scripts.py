"""Failure scripts: what each request of one payment meets, and what its customer does.

    scripts:
      - id: lost-first-answer
        payments: {every: 20}
        steps:
          - {link: stripe, operation: authorise, request: 1, lost_answer: {}}
          - {webhook: stripe, late: {by: 3s}}
          - {customer: {retry: {after: 2s, key: new}}}

A step is for a link, for a webhook, or for the customer. Requests are counted over all payments of
one order: who pays it again goes on where the first payment was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any

import msgspec
from pydantic import Field

from paychain.declaration.quantity import Amount, Share, Span
from paychain.declaration.schema import Declared
from paychain.declaration.text import KeyPath
from paychain.faults.chosen import Kinds
from paychain.faults.kind import RequestFaultKind, RequestNumber
from paychain.model.customer_steps import CustomerStep
from paychain.model.webhook_steps import WebhookKind, WebhookKinds
from paychain.payments.chance import draw
from paychain.payments.money import to_minor

MAX_SCRIPTS = 1_000  # of one experiment: as many as it may have faults
MAX_STEPS = 50  # of one script: more requests than any payment makes
SCRIPTS_KEPT = 4_096  # decoded scripts that are remembered


class Chosen(Declared):
    """Which payments follow a script: exactly one of these. All but the first two can be magic."""

    every: Annotated[
        int | None, Field(ge=1, le=1_000_000, description="Every n-th payment of the load.")
    ] = None
    share: Annotated[Share | None, Field(gt=0, description="This share of the payments.")] = None
    amount: Annotated[
        Amount | None, Field(description="Payments of exactly this amount, whoever makes them.")
    ] = None
    card: Annotated[
        str | None,
        Field(
            pattern=r"^\d{6}[-…]\d{4}$",
            description="Payments with this card, by its first six and last four digits: "
            "400005-5556.",
        ),
    ] = None

    header: Annotated[
        str | None,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,63}: ?[^\s,][^,\r\n]{0,199}$",
            description="Payments of which a request at a provider's API has this header, among "
            "other values maybe: `x-test: lost`, or `baggage: test=lost`, which traced services "
            "pass on.",
        ),
    ] = None

    def given(self) -> list[str]:
        """The ways that are given: exactly one in a checked file."""
        return [name for name, value in self if value is not None]

    def picks_number(self, seed: int, script: str, number: int) -> bool:
        """Whether the payment of this number in the load, from 0, follows the script."""
        if self.every is not None:
            return (number + 1) % self.every == 0
        return self.share is not None and draw(seed, "script", script, number) < self.share

    def picks_purchase(self, amount_minor: int, masked: str, currency: str) -> bool:
        """Whether a payment of this amount with this card (masked) follows the script."""
        if self.amount is not None:
            return to_minor(str(Decimal(self.amount)), currency) == amount_minor
        return self.card is not None and self.card.replace("-", "…") == masked

    def picks_headers(self, headers: Mapping[str, str]) -> bool:
        """Whether it is for the payment of a request with these headers, by lower-case name."""
        if self.header is None:
            return False
        name, _, value = self.header.partition(":")
        given = headers.get(name.lower(), "").split(",")
        return value.strip() in (each.strip() for each in given)


class ScriptStep(Kinds, WebhookKinds):
    """One step: what a request at a link meets, what happens to a webhook, or what the customer
    does.

    Exactly one of `link`, `webhook` and `customer`. With `link` stands one kind of fault in a link,
    with `webhook` what happens to it.
    """

    link: Annotated[str | None, Field(description="The mock link that the request is sent to.")] = (
        None
    )
    operation: Annotated[
        str | None,
        Field(description="Counts only such requests: authorise, capture, …; all without it."),
    ] = None
    request: Annotated[
        RequestNumber, Field(description="Which request of the payment at the link, from 1.")
    ] = 1
    lasts: Annotated[
        Span | None,
        Field(alias="for", description="How long a request is stuck (stuck_pending)."),
    ] = None
    webhook: Annotated[str | None, Field(description="The link that sends the webhook.")] = None
    event: Annotated[
        RequestNumber,
        Field(description="Which webhook of the link about the payment, from 1."),
    ] = 1
    customer: Annotated[CustomerStep | None, Field(description="What the customer does.")] = None

    def subjects(self) -> list[str]:
        """What the step is for: exactly one of link, webhook and customer in a checked file."""
        return [name for name in ("link", "webhook", "customer") if getattr(self, name) is not None]

    def is_about(self, other: ScriptStep) -> bool:
        """Whether both are for the same request, or for the same webhook."""
        if self.link is not None:
            request = (self.link, self.operation, self.request)
            return request == (other.link, other.operation, other.request)
        return self.webhook is not None and (self.webhook, self.event) == (
            other.webhook,
            other.event,
        )

    @property
    def subject(self) -> str:
        """What the step is for: link, webhook or customer."""
        return self.subjects()[0]

    @property
    def kind(self) -> str:
        """The kind of the fault, of what happens to the webhook, or of what the customer does."""
        if self.customer is not None:
            return self.customer.given()[0]
        return [*self.chosen, *self.webhook_kinds()][0]

    @property
    def fault(self) -> RequestFaultKind:
        """What the request at a link meets."""
        parameters = self.parameters_of(self.kind)
        assert isinstance(parameters, RequestFaultKind), f"{self.kind} is not about one request"
        return parameters

    @property
    def webhook_kind(self) -> WebhookKind:
        """What happens to the webhook."""
        return self.webhook_parameters(self.kind)


class Script(Declared):
    """What one payment meets, step by step. `payments`: which payments follow it."""

    id: Annotated[
        str,
        Field(
            pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,99})?$",
            description="Its name in reports and on timelines; script-1, script-2, … without it.",
        ),
    ] = ""
    payments: Annotated[Chosen | None, Field(description="Which payments follow it.")] = None
    steps: Annotated[
        list[ScriptStep],
        Field(min_length=1, max_length=MAX_STEPS, description="What they meet."),
    ]
    may_miss: Annotated[
        bool,
        Field(
            description="Its steps may meet no request; otherwise such a run is inconclusive.",
        ),
    ] = False

    def as_number(self, number: int) -> Script:
        """The script that stands at this place of its file, from 0, with an id: `script-1`."""
        assert number >= 0
        return self.model_copy(update={"id": self.id or f"script-{number + 1}"})

    def step_ids(self) -> list[str]:
        """What journals and counts call each step: `script-1/1`. No fault has such an id."""
        return [f"{self.id}/{number}" for number in range(1, len(self.steps) + 1)]

    def failing_steps(self) -> set[str]:
        """The ids of steps that make a request fail, whatever its caller does."""
        return {
            name
            for name, step in zip(self.step_ids(), self.steps, strict=True)
            if step.link is not None and step.fault.fails_calls
        }

    @property
    def pays_again(self) -> bool:
        """The customer may make more than one payment of the order."""
        retry = self.customer("retry")
        is_retry_new = retry is not None and retry.key == "new"
        return is_retry_new or any(map(self.customer, ("presses_twice", "pays_again")))

    @property
    def away_s(self) -> float:
        """Seconds until a customer who leaves is back; 0.0 for one who never is."""
        leaves = self.customer("leaves")
        if leaves is None or leaves.returns_after is None:
            return 0.0
        return float(leaves.after + leaves.returns_after)

    @property
    def is_by_purchase(self) -> bool:
        """An amount or a card picks it: what its customer pays, and how, says so."""
        chosen = self.payments
        return chosen is not None and (chosen.amount is not None or chosen.card is not None)

    @property
    def is_by_header(self) -> bool:
        """A header of a request at a provider picks it: then its customer has paid already."""
        return self.payments is not None and self.payments.header is not None

    @property
    def is_magic(self) -> bool:
        """Anybody's payment may follow it."""
        return self.is_by_purchase or self.is_by_header

    def customer(self, what: str) -> Any:
        """What the customer does, by its name; None when the script does not say."""
        found = (getattr(step.customer, what) for step in self.steps if step.customer is not None)
        return next((each for each in found if each is not None), None)


class AssignedScripts(msgspec.Struct, frozen=True, kw_only=True):
    """Scripts for the links of a running chain, as they are sent to its processes.

    `scripts`: as `encode_script` writes them. `assigned`: the script of each payment that follows
    one whatever else would pick one. `over`: payments that were assigned one before, and that
    nothing is asked about any more.
    """

    scripts: list[str] = []
    assigned: dict[str, str] = {}
    over: list[str] = []

    @classmethod
    def of(cls, scripts: Iterable[Script]) -> AssignedScripts:
        """Scripts that pick their payments themselves."""
        return cls(scripts=list(map(encode_script, scripts)))

    def then(self, further: AssignedScripts) -> AssignedScripts:
        """What a process has to follow that hears of both at once, this one first."""
        over = frozenset(further.over)
        assigned = {
            payment: script for payment, script in self.assigned.items() if payment not in over
        } | further.assigned
        ended = {self.assigned[payment] for payment in over & self.assigned.keys()}
        ended -= set(assigned.values())
        kept = [text for text in self.scripts if decode_script(text).id not in ended]
        return AssignedScripts(scripts=[*kept, *further.scripts], assigned=assigned)


def encode_script(script: Script) -> str:
    """A script as JSON text, with the quantities that a file writes."""
    return msgspec.json.encode(as_written(script)).decode()


@lru_cache(maxsize=SCRIPTS_KEPT)
def decode_script(text: str) -> Script:
    """The script of `encode_script`. Raises ValueError for a text that is none."""
    return Script.model_validate(msgspec.json.decode(text))


def as_written(script: Script) -> dict[str, Any]:
    """A script as a file writes it."""
    written = script.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return dict(written)


def step_place(script_number: int, step_number: int) -> KeyPath:
    """Where a step stands in an experiment file, both numbers from 0."""
    return ("scripts", script_number, "steps", step_number)
