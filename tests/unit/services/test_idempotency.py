"""Where providers' idempotency models differ: each test names the models on both sides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from paychain.model.idempotency import Idempotency
from paychain.payments.cards import TEST_CARDS
from paychain.payments.outcome import Outcome
from paychain.protocol.dialects import DIALECTS
from paychain.protocol.message import Answer, AnswerOrError, Error, ErrorKind, PaymentRequest
from paychain.services.state import retained
from paychain.services.state.idempotency import MAX_KEYS, MODELS, IdempotencyStore

DAY_S = 86_400.0
NATIVE = DIALECTS["paychain"]
EVERY = [*MODELS, "none"]


class Link:
    """A link that follows one model; it answers as the test sets it and counts its work."""

    def __init__(self, model: str, **declared: Any) -> None:
        self.now_s = 0.0
        self.did: list[str] = []  # references worked on
        self.gives: AnswerOrError = Answer(Outcome.APPROVED, "00")
        self.shows: AnswerOrError | None = None  # in place of what the work gives
        declared = {"model": model, **declared}
        self.repeats = IdempotencyStore(Idempotency.model_validate(declared), lambda: self.now_s)
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def work(self, request: PaymentRequest) -> AnswerOrError:
        known = self.repeats.continued("authorise", request)
        made: AnswerOrError | None = known.done if known is not None else None
        if made is None:
            self.did.append(request.reference)
            await self.may_end.wait()
            made = self.gives
            if known is not None and isinstance(made, Answer):
                known.done = made
        return self.shows or made

    async def ask(self, *, key: str = "k", amount: int = 100) -> AnswerOrError:
        request = PaymentRequest("p1", amount, "EUR", TEST_CARDS[0], reference="r", key=key)
        return await self.repeats.execute("authorise", request, self.work)


def failed(status: int) -> Error:
    return Error(ErrorKind.INJECTED, status=status)


def status(given: AnswerOrError) -> int:
    return NATIVE.error(given).status if isinstance(given, Error) else 200


def twice(model: str, gives: AnswerOrError) -> tuple[list[str], int]:
    """What was worked on, and the second answer's status."""

    async def ask() -> tuple[list[str], int]:
        link = Link(model)
        link.gives = gives
        await link.ask()
        link.gives = Answer(Outcome.APPROVED, "00")
        return link.did, status(await link.ask())

    return asyncio.run(ask())


def those(holds: Callable[[str], bool]) -> set[str]:
    return {model for model in EVERY if holds(model)}


def test_an_approval_is_given_again_by_every_model_but_none() -> None:
    assert those(lambda model: len(twice(model, Answer(Outcome.APPROVED, "00"))[0]) == 2) == {
        "none"
    }


def test_a_stored_500_is_replayed_by_some_and_worked_on_again_by_others() -> None:
    replayed = those(lambda model: twice(model, failed(500)) == (["r"], 500))
    assert replayed == {"stripe-v1", "ppro", "whop", "adyen", "ietf"}
    # checkout executes anew: a payment of its own; the others continue the work they had begun
    assert twice("checkout", failed(500)) == (["r", "r~2"], 200)
    assert twice("stripe-v2", failed(500)) == (["r", "r"], 200)
    assert twice("keyed", failed(500)) == (["r", "r"], 200)
    assert twice("square", failed(500)) == (["r", "r"], 200)
    assert twice("square", replace(failed(500), is_after_work=True)) == (["r"], 500)
    # these look at what came of the first request: nothing, or what an error hid
    for model in ("braintree", "paypal"):
        assert twice(model, failed(500)) == (["r", "r~2"], 200)
        assert twice(model, replace(failed(500), is_after_work=True)) == (["r"], 500)


def hidden(model: str, makes: AnswerOrError, shows: AnswerOrError) -> tuple[list[str], list[int]]:
    """What was worked on for three requests, the first two of which were shown something else."""

    async def ask() -> tuple[list[str], list[int]]:
        link = Link(model)
        link.gives, link.shows = makes, shows
        seen = [status(await link.ask()), status(await link.ask())]
        link.shows = None
        return link.did, [*seen, status(await link.ask())]

    return asyncio.run(ask())


def test_what_an_error_hid_is_not_done_again_where_a_repeat_continues_the_work() -> None:
    approval, error = Answer(Outcome.APPROVED, "00"), replace(failed(500), is_after_work=True)
    for model in ("keyed", "stripe-v2"):
        assert hidden(model, approval, error) == (["r"], [500, 500, 200])
    # checkout stores no error and executes the key anew: it may charge once more each time
    assert hidden("checkout", approval, error) == (["r", "r~2", "r~3"], [500, 500, 200])
    once = those(lambda model: hidden(model, approval, error) == (["r"], [500, 500, 500]))
    assert once == set(EVERY) - {"keyed", "stripe-v2", "checkout", "none"}


def test_what_another_answer_hid_is_not_done_again_by_keyed() -> None:
    approval, unwell = Answer(Outcome.APPROVED, "00"), Answer(Outcome.DECLINED, "91")
    assert hidden("keyed", approval, unwell)[0] == ["r"]


def test_work_that_brought_nothing_is_done_again_by_those_who_continue() -> None:
    unwell = Answer(Outcome.DECLINED, "91")
    assert hidden("keyed", unwell, failed(500))[0] == ["r", "r", "r"]


def test_a_technical_decline_is_replayed_by_all_but_keyed() -> None:
    unwell = Answer(Outcome.DECLINED, "91")
    assert those(lambda model: len(twice(model, unwell)[0]) == 2) == {"keyed", "none"}
    assert twice("keyed", Answer(Outcome.DECLINED, "51"))[0] == ["r"]


def test_a_4xx_is_replayed_by_whop_and_not_stored_by_ppro() -> None:
    assert twice("whop", failed(422)) == (["r"], 422)
    assert twice("ppro", failed(422)) == (["r", "r~2"], 200)


def test_a_replay_says_so_in_the_providers_own_header() -> None:
    async def header(model: str) -> dict[str, str]:
        link = Link(model)
        link.gives = failed(500)
        await link.ask()
        given = await link.ask()
        assert isinstance(given, Error)
        return NATIVE.error(given).headers

    assert asyncio.run(header("stripe-v1")) == {"idempotent-replayed": "true"}
    assert asyncio.run(header("ppro")) == {"request-idempotency": "true"}
    assert asyncio.run(header("ietf")) == {}


def in_flight(model: str) -> tuple[int, int]:
    """Executions while the first is in flight, and the repeat's status (200: it waited)."""

    async def ask() -> tuple[int, int]:
        link = Link(model)
        link.may_end.clear()
        first = asyncio.create_task(link.ask())
        await asyncio.sleep(0)
        second = asyncio.create_task(link.ask())
        await asyncio.sleep(0)
        link.may_end.set()
        await first
        return len(link.did), status(await second)

    return asyncio.run(ask())


def test_a_repeat_in_flight_waits_or_conflicts_or_is_a_second_payment() -> None:
    assert in_flight("keyed") == (1, 200)
    assert in_flight("none") == (2, 200)
    assert those(lambda model: in_flight(model) == (1, 422)) == {"braintree", "paypal"}
    refusing = set(EVERY) - {"keyed", "none", "braintree", "paypal"}
    assert those(lambda model: in_flight(model) == (1, 409)) == refusing


def test_a_conflict_is_not_stored() -> None:
    async def ask() -> int:
        link = Link("stripe-v1")
        link.may_end.clear()
        first = asyncio.create_task(link.ask())
        await asyncio.sleep(0)
        assert status(await link.ask()) == 409
        link.may_end.set()
        await first
        return status(await link.ask())

    assert asyncio.run(ask()) == 200


def test_another_body_under_the_same_key_is_refused_with_the_models_status() -> None:
    async def ask(model: str) -> int:
        link = Link(model)
        await link.ask(amount=100)
        return status(await link.ask(amount=200))

    refused = {model: asyncio.run(ask(model)) for model in EVERY}
    assert refused == {
        "keyed": 200,
        "checkout": 200,
        "none": 200,
        "stripe-v1": 400,
        "stripe-v2": 400,
        "ppro": 400,
        "whop": 400,
        "adyen": 422,
        "ietf": 422,
        "braintree": 422,
        "square": 400,
        "paypal": 200,
    }


@pytest.mark.parametrize(
    ("model", "days"),
    [
        ("stripe-v1", 1),
        ("checkout", 1),
        ("adyen", 7),
        ("stripe-v2", 30),
        ("braintree", 30),
        ("paypal", 45),
    ],
)
def test_a_key_is_new_again_when_its_window_is_over(model: str, days: int) -> None:
    async def ask() -> list[str]:
        link = Link(model)
        await link.ask()
        link.now_s = days * DAY_S - 1
        await link.ask()
        link.now_s = days * DAY_S
        await link.ask()
        return link.did

    assert asyncio.run(ask()) == ["r", "r"]


def test_a_declared_window_overrides_the_models() -> None:
    async def ask() -> int:
        link = Link("stripe-v1", window="2s")
        await link.ask()
        link.now_s = 2.0
        await link.ask()
        return len(link.did)

    assert asyncio.run(ask()) == 2


def test_a_key_is_new_again_although_an_older_one_is_still_in_flight() -> None:
    async def ask() -> list[str]:
        link, goes_on = Link("stripe-v1", window="2s"), asyncio.Event()

        async def hangs(_request: PaymentRequest) -> AnswerOrError:
            await goes_on.wait()
            return link.gives

        older = PaymentRequest("p0", 100, "EUR", TEST_CARDS[0], reference="r0", key="older")
        hanging = asyncio.ensure_future(link.repeats.execute("authorise", older, hangs))
        await asyncio.sleep(0)
        await link.ask()
        link.now_s = 2.0
        await link.ask()
        repeated = await link.repeats.execute("authorise", older, link.work)
        assert status(repeated) == 409  # it is not forgotten while it is worked on
        goes_on.set()
        await hanging
        return link.did

    assert asyncio.run(ask()) == ["r", "r"]


def test_a_missing_key_is_refused_by_ietf_only() -> None:
    async def ask(model: str) -> int:
        return status(await Link(model).ask(key=""))

    assert those(lambda model: asyncio.run(ask(model)) == 400) == {"ietf"}


def test_adyen_takes_keys_of_64_characters_and_no_longer() -> None:
    async def ask(key: str) -> int:
        return status(await Link("adyen").ask(key=key))

    assert asyncio.run(ask("k" * 64)) == 200
    assert asyncio.run(ask("k" * 65)) == 422


def test_work_that_raises_is_a_500_of_the_first_request() -> None:
    async def ask() -> int:
        link = Link("stripe-v1")

        async def broken(_request: PaymentRequest) -> Answer:
            raise RuntimeError("bug")

        request = PaymentRequest("p1", 100, "EUR", TEST_CARDS[0], reference="r", key="k")
        await link.repeats.execute("authorise", request, broken)
        return status(await link.ask())

    assert asyncio.run(ask()) == 500


def test_keys_are_forgotten_so_that_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retained, "MIN_KEPT", 0)

    async def ask() -> tuple[int, int]:
        link = Link("stripe-v1", window="1s")
        for number in range(10):
            await link.ask(key=f"k{number}")
        kept = len(link.repeats)
        link.now_s = 5.0
        await link.ask(key="last")
        link.now_s = 10.0
        await link.ask(key="very last")
        return kept, len(link.repeats)

    assert asyncio.run(ask()) == (10, 1)
    assert MAX_KEYS <= 100_000  # some 40 MB per link at most
