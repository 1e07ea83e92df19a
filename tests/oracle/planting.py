"""How a wrong behaviour gets into the running mocks, and out of them again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from paychain.payments.cards import TEST_CARDS
from paychain.payments.journal import MovementKind
from paychain.protocol.message import Answer, PaymentRequest
from paychain.services.context import Context
from paychain.services.policies.fallbacks import Fallbacks
from paychain.services.policies.policy import PolicyCall
from paychain.services.policies.queue import Store
from paychain.services.policies.stand_in import StandInCount
from paychain.services.roles import authorising, role
from paychain.services.roles.authentication import Authentication
from paychain.services.roles.edge import Edge
from paychain.services.roles.fraud import Fraud
from paychain.services.roles.gateway import Gateway
from paychain.services.roles.issuer import Issuer
from paychain.services.roles.merchant import Merchants
from paychain.services.roles.processor import Processor
from paychain.services.roles.relay import Relay
from paychain.services.roles.scheme import Scheme
from paychain.services.state.book import Book
from paychain.services.state.idempotency import IdempotencyStore
from paychain.services.state.webhooks import WebhookSender

Mine = Callable[[str], bool]  # whether a payment is the bug's
Plant = Callable[[Mine], None]
Lines = Sequence[tuple[MovementKind, PaymentRequest]]
Change = Callable[[PaymentRequest], list[PaymentRequest]]
_PLANTED_IN: tuple[type[Any], ...] = (
    Context,
    PolicyCall,
    StandInCount,
    authorising.Authorising,
    role.Role,
    Authentication,
    Edge,
    Fraud,
    Gateway,
    Issuer,
    Merchants,
    Processor,
    Relay,
    Scheme,
    Book,
    Fallbacks,
    IdempotencyStore,
    Store,
    WebhookSender,
)


@contextmanager
def planted(plant: Plant, mine: Mine) -> Iterator[None]:
    """Plant a bug, and take it out again."""
    before = [(owner, dict(vars(owner))) for owner in _PLANTED_IN]
    try:
        plant(mine)
        yield
    finally:
        for owner, attributes in before:
            for name in set(vars(owner)) - set(attributes):
                delattr(owner, name)
            for name, value in attributes.items():
                if vars(owner)[name] is not value:
                    setattr(owner, name, value)


def books(change: Callable[[str, MovementKind, PaymentRequest], Lines]) -> Plant:
    """Links write other lines into their books than the honest one."""

    def plant(mine: Mine) -> None:
        honest = Context.moved

        def moved(self: Context, kind: MovementKind, request: PaymentRequest, *rest: Any) -> None:
            lines: Lines = [(kind, request)]
            if mine(request.payment):
                lines = change(self.link, kind, request)
            for written_as, line in lines:
                honest(self, written_as, line, *rest)

        Context.moved = moved  # type: ignore[method-assign]  # in place of the real one

    return plant


def lines_of(
    link: str, kind: MovementKind, change: Callable[[PaymentRequest], Sequence[PaymentRequest]]
) -> Plant:
    """One link writes one kind of line otherwise."""

    def changed(where: str, what: MovementKind, request: PaymentRequest) -> Lines:
        if (where, what) != (link, kind):
            return [(what, request)]
        return [(what, line) for line in change(request)]

    return books(changed)


def everywhere(kind: MovementKind, change: Change) -> Plant:
    """Every link writes one kind of line otherwise."""

    def changed(_link: str, what: MovementKind, request: PaymentRequest) -> Lines:
        return [(what, line) for line in (change(request) if what is kind else [request])]

    return books(changed)


def then(link: str, kind: MovementKind, more: MovementKind, item: str = "") -> Plant:
    """A link writes a second line after one of this kind; "" stands for every link."""

    def added(where: str, what: MovementKind, request: PaymentRequest) -> Lines:
        if what is not kind or link not in ("", where):
            return [(what, request)]
        return [(what, request), (more, msgspec.structs.replace(request, item=item))]

    return books(added)


def forgotten(_: PaymentRequest) -> list[PaymentRequest]:
    """The line is not written."""
    return []


def twice(request: PaymentRequest) -> list[PaymentRequest]:
    """The line is written two times."""
    return [request, request]


def again(request: PaymentRequest) -> list[PaymentRequest]:
    """The line is written a second time, as another item."""
    return [request, msgspec.structs.replace(request, item=f"{request.item}x")]


def with_amount(
    change: Callable[[int], int],
) -> Callable[[PaymentRequest], list[PaymentRequest]]:
    """The line has another amount."""
    return lambda request: [
        msgspec.structs.replace(request, amount_minor=change(request.amount_minor))
    ]


def in_dollars(request: PaymentRequest) -> list[PaymentRequest]:
    """The line is in another currency."""
    return [msgspec.structs.replace(request, currency="USD")]


def another_card(request: PaymentRequest) -> list[PaymentRequest]:
    """The line is on another card."""
    card = next(card for card in TEST_CARDS if card != request.instrument)
    return [msgspec.structs.replace(request, instrument=card)]


def another_merchant(request: PaymentRequest) -> list[PaymentRequest]:
    """The line is another merchant's."""
    return [msgspec.structs.replace(request, merchant="somebody else")]


def of_another_payment(request: PaymentRequest) -> list[PaymentRequest]:
    """The line is under the id of the payment before."""
    other = f"p{int(request.payment[1:]) - 1:07d}"
    reference = request.reference.replace(request.payment, other)
    return [msgspec.structs.replace(request, payment=other, reference=reference)]


Decide = Callable[[Any, PaymentRequest, str], Awaitable[Answer]]


def decides(owner: Any, bug: Callable[[Decide], Decide], method: str = "decide") -> Plant:
    """A role decides otherwise; `bug` is given the honest decision."""

    def plant(mine: Mine) -> None:
        honest: Decide = getattr(owner, method)
        wrong = bug(honest)

        async def decide(self: Any, request: PaymentRequest, *rest: Any) -> Answer:
            chosen = wrong if mine(request.payment) else honest
            return await chosen(self, request, *rest)

        setattr(owner, method, decide)

    return plant


def instead(owner: Any, method: str, bug: Callable[..., Any]) -> Plant:
    """A method does something else: `bug` is given the honest one and its arguments.

    The payment is looked for in the arguments: a request, what was sent, or its id.
    """

    def plant(mine: Mine) -> None:
        honest = getattr(owner, method)

        def wrong(self: Any, *arguments: Any, **named: Any) -> Any:
            if any(mine(payment) for payment in map(_payment_of, arguments) if payment):
                return bug(honest, self, *arguments, **named)
            return honest(self, *arguments, **named)

        setattr(owner, method, wrong)

    return plant


def _payment_of(value: Any) -> str:
    for seen in (value, getattr(value, "request", None)):
        payment = getattr(seen, "payment", "")
        if payment:
            return str(payment)
    is_id = isinstance(value, str) and value[:1] == "p" and value[1:8].isdigit()
    return value[:8] if is_id else ""


def together(*plants: Plant) -> Plant:
    """Several bugs at once."""

    def plant(mine: Mine) -> None:
        for each in plants:
            each(mine)

    return plant
