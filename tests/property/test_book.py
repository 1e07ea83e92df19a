"""A link's book keeps its laws whatever it is asked, in whatever order."""

from __future__ import annotations

import asyncio

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from paychain.payments.cards import TEST_CARDS
from paychain.payments.codes import APPROVED
from paychain.payments.journal import Movement, MovementKind, Record
from paychain.payments.outcome import Outcome
from paychain.protocol.message import Answer, PaymentRequest
from paychain.services.context import Context
from paychain.services.state.book import Book
from paychain.services.state.kept import Retention
from tests.support.recorded import CHAIN

HELD = 100
ASKED = PaymentRequest("p1", HELD, "EUR", TEST_CARDS[0], reference="r")
STEPS = st.one_of(
    st.tuples(st.just("capture"), st.integers(1, 120), st.booleans()),
    st.tuples(st.just("refund"), st.integers(1, 120), st.just(False)),
    st.tuples(st.just("reverse"), st.just(0), st.just(False)),
)


def played(steps: list[tuple[str, int, bool]]) -> tuple[list[Movement], list[str]]:
    """The movements of an authorisation of 100 to which these steps happen, and their codes."""
    journal: list[Record] = []
    context = Context(
        link="issuer", seed=1, now_ns=lambda: 0, journal=journal, span_prefix="00010000"
    )

    async def play() -> list[str]:
        book = Book(context, Retention(CHAIN, "issuer", context.now_ns))
        entry = book.begin("r")
        assert entry is not None
        book.settle(entry, ASKED, Answer(Outcome.APPROVED, APPROVED, "issuer", "r", HELD))
        codes = []
        for number, (step, amount, is_final) in enumerate(steps):
            asked = msgspec.structs.replace(
                ASKED, amount_minor=amount, item=f"{step}{number}", is_final=is_final
            )
            match step:
                case "capture":
                    codes.append(book.capture(asked))
                case "refund":
                    codes.append(book.refund(asked))
                case _:
                    await book.reverse("r")
        return codes

    codes = asyncio.run(play())
    return [record for record in journal if isinstance(record, Movement)], codes


def total(movements: list[Movement], kind: MovementKind) -> int:
    return sum(movement.amount_minor for movement in movements if movement.kind is kind)


@given(st.lists(STEPS, max_size=8))
def test_never_more_is_taken_released_or_given_back_than_there_was(
    steps: list[tuple[str, int, bool]],
) -> None:
    movements, _ = played(steps)
    for length in range(1, len(movements) + 1):
        so_far = movements[:length]
        captured = total(so_far, MovementKind.CAPTURED)
        assert captured + total(so_far, MovementKind.VOIDED) <= HELD
        assert total(so_far, MovementKind.REFUNDED) <= captured


@given(st.lists(STEPS, max_size=8))
def test_every_approved_step_is_booked_once_and_no_refused_one_is(
    steps: list[tuple[str, int, bool]],
) -> None:
    movements, codes = played(steps)
    items = [movement.item for movement in movements if movement.item]
    assert len(items) == len(set(items)) == codes.count(APPROVED)


@given(st.lists(STEPS, max_size=8))
def test_nothing_is_captured_after_a_reversal_or_a_final_capture(
    steps: list[tuple[str, int, bool]],
) -> None:
    movements, _ = played(steps)
    kinds = [movement.kind for movement in movements]
    if MovementKind.VOIDED in kinds:
        assert MovementKind.CAPTURED not in kinds[kinds.index(MovementKind.VOIDED) :]


@given(st.booleans(), st.booleans())
def test_a_reversal_leaves_nothing_held_whether_it_comes_before_amid_or_after(
    comes_first: bool, is_approved: bool
) -> None:
    journal: list[Record] = []
    context = Context(
        link="issuer", seed=1, now_ns=lambda: 0, journal=journal, span_prefix="00010000"
    )

    async def play() -> None:
        book = Book(context, Retention(CHAIN, "issuer", context.now_ns))
        if comes_first:
            await book.reverse("r")
            assert book.begin("r") is None
            return
        entry = book.begin("r")
        assert entry is not None
        reversing = asyncio.create_task(book.reverse("r"))
        await asyncio.sleep(0)
        outcome = Outcome.APPROVED if is_approved else Outcome.DECLINED
        book.settle(entry, ASKED, Answer(outcome, APPROVED, "issuer", "r", HELD))
        await reversing

    asyncio.run(play())
    assert sum(record.kind.sign for record in journal if isinstance(record, Movement)) == 0
