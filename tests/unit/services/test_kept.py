"""Links forget payments that are over, and no others: their memory is level on a long run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from paychain.model.chain import Chain
from paychain.model.loading import load_chain
from paychain.payments.cards import TEST_CARDS
from paychain.payments.codes import APPROVED, NOT_FOUND
from paychain.payments.journal import Record
from paychain.payments.outcome import Outcome
from paychain.protocol.message import Answer, PaymentRequest
from paychain.services.context import Context
from paychain.services.state import retained
from paychain.services.state.book import Book
from paychain.services.state.kept import Retention
from paychain.services.state.retained import FixedWindow, Retained

SECOND_NS = 10**9


def chain(**gateway: Any) -> Chain:
    return Chain.model_validate(
        {
            "chain": "shop",
            "entry": "gateway",
            "links": {
                "gateway": {
                    "role": "gateway",
                    "calls": {
                        "authorise": {
                            "to": "issuer",
                            "timeout": "1s",
                            "reversal": {"give_up_after": "20s"},
                        }
                    },
                    **gateway,
                },
                "issuer": {"role": "issuer", "idempotency": {"window": "60s"}},
            },
        }
    )


class Clock:
    now_ns = 0


class Asked:
    """The issuer of a chain, asked once a second."""

    def __init__(self, declared: Chain) -> None:
        self.clock, self.journal = Clock(), list[Record]()
        context = Context(
            link="issuer",
            seed=1,
            now_ns=lambda: self.clock.now_ns,
            journal=self.journal,
            span_prefix="00010000",
        )
        self.book = Book(context, Retention(declared, "issuer", context.now_ns))

    def request(self, number: int) -> PaymentRequest:
        return PaymentRequest(f"p{number}", 100, "EUR", TEST_CARDS[0], reference=f"r{number}")

    def begin(self, number: int) -> None:
        assert self.book.begin(f"r{number}") is not None

    def approve(self, number: int) -> None:
        self.clock.now_ns += SECOND_NS
        entry = self.book.begin(f"r{number}")
        assert entry is not None
        answer = Answer(Outcome.APPROVED, APPROVED, "issuer", f"r{number}", 100)
        self.book.settle(entry, self.request(number), answer)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that looks through what it knows even when that is little."""
    monkeypatch.setattr(retained, "MIN_KEPT", 5)


@pytest.mark.usefixtures("few")
def test_a_book_is_level_however_many_payments_there_are() -> None:
    issuer = Asked(chain())
    sizes = []
    for number in range(2_000):
        issuer.approve(number)
        sizes.append(len(issuer.book))
    assert max(sizes) == max(sizes[:150]) == 74  # of 60 s and a quarter more, one a second
    assert min(sizes[100:]) == 60
    assert len(issuer.journal) == 2_000


@pytest.mark.usefixtures("few")
def test_what_goes_on_is_remembered_and_what_is_over_is_not() -> None:
    issuer = Asked(chain())
    issuer.begin(10_000)  # its answer does not come
    for number in range(200):
        issuer.approve(number)
        if number % 10 == 0:  # is asked for again and again
            assert issuer.book.entry("r0") is not None
    assert issuer.book.entry("r10000") is not None
    assert issuer.book.capture(issuer.request(0)) == APPROVED
    assert issuer.book.capture(issuer.request(199)) == APPROVED
    assert issuer.book.capture(issuer.request(100)) == NOT_FOUND


def test_a_link_remembers_for_as_long_as_the_chain_may_wait() -> None:
    def keeps_s(declared: Chain) -> float | None:
        keeps_ns = Retention(declared, "issuer", lambda: 0).keeps_ns
        return keeps_ns / 1e9 if keeps_ns is not None else None

    assert keeps_s(chain()) == 60  # the window: twice the longest wait is 40 s
    assert keeps_s(chain(captures={"after": "90s"})) == 180
    own = {"service": {"command": ["python", "shop.py"]}}
    declared = chain()
    gateway = declared.links["gateway"]
    links = {**declared.links, "gateway": gateway.model_copy(update=own)}
    assert keeps_s(declared.model_copy(update={"links": links})) is None
    default = declared.links["issuer"].model_copy(update={"idempotency": gateway.idempotency})
    links = {**declared.links, "issuer": default}
    assert keeps_s(declared.model_copy(update={"links": links})) == 86_400


def test_a_bank_remembers_a_transfer_until_it_is_confirmed() -> None:
    declared = load_chain("upi-payment").model
    assert declared.rail is not None
    keeps_ns = Retention(declared, "payee-bank", lambda: 0).keeps_ns
    assert keeps_ns is not None
    # It is asked for the last time two days after the last query, which comes some minutes after
    # the transfer, and each time for a minute.
    assert declared.rail.confirm_requests == 2
    assert keeps_ns / 1e9 > 2 * 86_400 + 600


@pytest.mark.usefixtures("few")
def test_reversals_that_came_first_are_forgotten_as_well() -> None:
    issuer = Asked(chain())
    asyncio.run(issuer.book.reverse("r1"))
    assert issuer.book.begin("r1") is None  # the late original
    for number in range(100, 300):
        issuer.approve(number)
    assert issuer.book.entry("r1") is None


@pytest.mark.usefixtures("few")
def test_many_that_are_not_over_do_not_keep_a_request_waiting() -> None:
    looked: list[str] = []
    clock = Clock()
    known: Retained[int] = Retained(
        Retention(chain(), "issuer", lambda: clock.now_ns),
        lambda name, _: bool(looked.append(name)),
    )
    for number in range(1_000):
        known[f"n{number}"] = number
    for later, name in enumerate(("new", "newer"), 1):
        looked.clear()
        clock.now_ns = later * 100 * SECOND_NS
        known[name] = 0
    assert len(looked) == retained.AT_ONCE
    assert len(known) == 1_002


def test_where_payments_are_rare_looking_one_up_takes_no_longer() -> None:
    class Name(str):
        __slots__ = ()
        looked = 0

        def __hash__(self) -> int:
            Name.looked += 1
            return super().__hash__()

    clock = Clock()
    known: Retained[int] = Retained(FixedWindow(lambda: clock.now_ns, SECOND_NS))
    for number in range(3_000):
        clock.now_ns += 10 * SECOND_NS
        known[f"n{number}"] = number
    assert known.get(Name("unknown")) is None
    assert Name.looked < 10
    assert len(known) < 1_300


@pytest.mark.usefixtures("few")
def test_of_too_many_the_oldest_are_forgotten_but_what_goes_on_is_not() -> None:
    known: Retained[int] = Retained(
        FixedWindow(lambda: 0, SECOND_NS), lambda _, number: number != 3, limit=100
    )
    for number in range(1_000):
        known[f"n{number}"] = number
        assert known.get("n7") == 7 or number < 7  # used all the time
        assert all(f"n{each}" in known for each in range(max(0, number - 70), number))
        assert len(known) <= 100
    assert known.get("n3") == 3
    assert known.get("n800") is None
    assert known.pop("n999") == 999
    assert "n999" not in known
    assert known.pop("n999") is None
