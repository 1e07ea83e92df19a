"""What the sound shop of the examples must not do, whoever is faster."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from tests.support.paths import ROOT


def _imported(module: str, monkeypatch: pytest.MonkeyPatch, **variables: str) -> Any:
    """A module of the sound shop, whose providers answer nothing."""
    monkeypatch.syspath_prepend(ROOT / "examples" / "shop-python")
    bases = dict.fromkeys(("STRIPE_API_BASE", "ADYEN_BASE"), "http://127.0.0.1:9")
    for name, value in (bases | variables).items():
        monkeypatch.setenv(name, value)
    return import_module(module)


def shop_with_order(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """The sound shop with a store of its own, and that store, in which there is one order."""
    app = _imported("sound.app", monkeypatch, SHOP_DB=str(folder / "shop.db"))
    store = _imported("sound.store", monkeypatch).Store(str(folder / "own.db"))
    monkeypatch.setattr(app, "store", store)
    store.begin("o-1", 9230, "EUR", "card")
    return app, store


class Unanswered:
    """An order of which Adyen did not answer whether it holds the money, and a clock."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        kept = _imported("sound.store", monkeypatch)
        self._too_late_s = kept.REPORTED_WITHIN_S + 1
        self._now_s = 1_000.0
        monkeypatch.setattr(kept, "time", SimpleNamespace(time=lambda: self._now_s))
        self.max_refusals: int = kept.MAX_REFUSALS
        self.store = kept.Store(str(folder / "shop.db"))
        self.store.begin("o-1", 9230, "EUR", "card")
        self.store.attempt("o-1", "adyen", "unknown", "o-1")

    def sweep_late(self) -> list[tuple[str, str, str]]:
        """Sweep when no webhook has come in time; returns the cancels that are stuck."""
        self._now_s += self._too_late_s
        stuck: list[tuple[str, str, str]] = self.store.cancel_overdue()
        return stuck

    def refuse(self) -> None:
        """A cancel is accepted, and a webhook says that it was not done."""
        self.store.resolved("o-1", "adyen", "cancelling")
        self.store.cancel_refused("o-1", "adyen")


@pytest.mark.slow  # it imports the SDKs of two providers
def test_who_captures_while_another_one_writes_it_down_captures_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep comes when the return page has captured, and nothing is written down yet."""
    monkeypatch.syspath_prepend(ROOT / "examples" / "shop-python")
    monkeypatch.setenv("STRIPE_API_BASE", "http://127.0.0.1:9")
    monkeypatch.setenv("ADYEN_BASE", "http://127.0.0.1:9")
    monkeypatch.setenv("SHOP_DB", str(tmp_path / "shop.db"))
    app: Any = import_module("sound.app")
    captured: list[str] = []

    class Provider:
        def capture(self, _order: object, reference: str) -> None:
            captured.append(reference)

    finish = app.store.finish

    def finish_late(order: str, *values: str, **named: Any) -> Any:
        app.capture_due(order)
        return finish(order, *values, **named)

    monkeypatch.setitem(app.PROVIDERS, "stripe", Provider())
    monkeypatch.setattr(app.store, "finish", finish_late)
    app.store.begin("o-1", 9230, "EUR", "card")
    app.store.capture_from("o-1", "stripe", "pi_1")
    app.capture_due("o-1")
    assert captured == ["pi_1"]
    app.capture_due("o-1")
    assert captured == ["pi_1"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "done"),
    [
        ("succeeded", ["pi_1 is given back"]),
        ("requires_capture", ["pi_1 is cancelled"]),
        ("canceled", []),
    ],
)
def test_what_was_captured_although_it_was_denied_is_given_back(
    status: str, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "examples" / "shop-python")
    monkeypatch.setenv("STRIPE_API_BASE", "http://127.0.0.1:9")
    stripes: Any = import_module("sound.providers").Stripes()
    seen: list[str] = []

    class Intents:
        def retrieve(self, reference: str) -> Any:
            return SimpleNamespace(id=reference, status=status)

        def cancel(self, reference: str) -> Any:
            seen.append(f"{reference} is cancelled")
            return SimpleNamespace(id=reference, status="canceled")

    class Refunds:
        def create(self, params: dict[str, str]) -> Any:
            seen.append(f"{params['payment_intent']} is given back")
            return SimpleNamespace(payment_intent=params["payment_intent"], status="succeeded")

    stripes._intents, stripes._refunds = Intents(), Refunds()
    end = "refunded" if status == "succeeded" else "cancelled"
    assert stripes.cancel({"id": "o-1"}, "pi_1") == end
    assert seen == done


@pytest.mark.slow
def test_a_refund_is_over_once_stripe_says_so_of_that_intent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stripe stores an error for its key: a repeat under that key would never be a refund."""
    providers = _imported("sound.providers", monkeypatch)
    stripe: Any = import_module("stripe")
    stripes = providers.Stripes()
    errors: list[Exception] = [
        stripe.APIError("stored for its key", http_status=500),
        stripe.InvalidRequestError("no such intent", param="payment_intent"),
    ]
    answers = [
        SimpleNamespace(payment_intent="pi_other", status="succeeded"),
        SimpleNamespace(payment_intent="pi_1", status="failed"),
    ]

    class Intents:
        def retrieve(self, reference: str) -> Any:
            return SimpleNamespace(id=reference, status="succeeded")

    class Refunds:
        stored: ClassVar[dict[str, Exception]] = {}

        def create(self, _: dict[str, str], options: dict[str, str] | None = None) -> Any:
            key = (options or {}).get("idempotency_key")
            if key in self.stored:
                raise self.stored[key]
            if errors:
                error = errors.pop(0)
                if key is not None:
                    self.stored[key] = error
                raise error
            if answers:
                return answers.pop(0)
            code = "charge_already_refunded"
            raise stripe.InvalidRequestError("it is refunded", param=None, code=code)

    stripes._intents, stripes._refunds = Intents(), Refunds()
    for refused in (providers.Unknown, providers.NotExecuted, providers.Unknown, providers.Unknown):
        with pytest.raises(refused):
            stripes.cancel({"id": "o-1"}, "pi_1")
    assert stripes.cancel({"id": "o-1"}, "pi_1") == "refunded"


class Modifications:
    """What Adyen answers to captures and cancels: about what it is asked for, unless it is stale.

    A stale answer is the one before, and the request was not seen.
    """

    def __init__(self) -> None:
        self.is_stale = False
        self._last: dict[str, dict[str, str]] = {}

    def capture_authorised_payment(self, request: Any, psp: str, idempotency_key: str) -> Any:
        about = {"paymentPspReference": psp, "reference": request["reference"]}
        return self._answer("capture", about)

    def cancel_authorised_payment(self, request: Any) -> Any:
        return self._answer("cancel", {"paymentReference": request["paymentReference"]})

    def refund_or_cancel_payment(self, _request: Any, psp: str) -> Any:
        return self._answer("reverse", {"paymentPspReference": psp})

    def _answer(self, operation: str, about: dict[str, str]) -> Any:
        if not self.is_stale:
            self._last[operation] = {"status": "received", **about}
        return SimpleNamespace(message=self._last[operation])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("operation", "before", "asked"),
    [
        ("capture", ("o-0", "psp-0", 0), ("o-1", "psp-1", 0)),
        ("capture", ("o-1", "psp-1", 0), ("o-1", "psp-1", 1)),  # the one before has failed
        ("cancel", ("o-0", "o-0", 0), ("o-1", "o-1", 0)),
        ("cancel", ("o-0", "psp-0", 0), ("o-1", "psp-1", 0)),
    ],
)
def test_what_adyen_answers_about_another_request_is_no_answer(
    operation: str,
    before: tuple[str, str, int],
    asked: tuple[str, str, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No webhook follows it, as nothing was done: the order must not be paid, or cancelled."""
    providers = _imported("sound.providers", monkeypatch)
    adyens, modifications = providers.Adyens(), Modifications()
    adyens._adyen = SimpleNamespace(checkout=SimpleNamespace(modifications_api=modifications))

    def ask(order: str, reference: str, failures: int) -> None:
        values = {"id": order, "amount": 9230, "currency": "EUR", "failures": failures}
        getattr(adyens, operation)(values, reference)

    ask(*before)
    modifications.is_stale = True
    with pytest.raises(providers.Unknown):
        ask(*asked)
    modifications.is_stale = False
    ask(*asked)


@pytest.mark.slow
@pytest.mark.parametrize("refusal", ["NotExecuted", "Unknown"])
def test_what_a_provider_refuses_to_hold_is_cancelled_there_all_the_same(
    refusal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have held the money before it answered 429, and another provider is asked next."""
    app, store = shop_with_order(tmp_path, monkeypatch)

    class Refusing:
        def prepare(self, _order: object) -> str:
            return "pi_1"

        def authorise(self, _order: object, _reference: str) -> str:
            raise getattr(app, refusal)

    class Holding(Refusing):
        def authorise(self, _order: object, _reference: str) -> str:
            return "psp"

    monkeypatch.setattr(app, "PROVIDERS", {"stripe": Refusing(), "adyen": Holding()})
    app.authorise("o-1")
    assert store.unresolved() == [("o-1", "stripe", "pi_1")]
    assert store.captures_due() == ["o-1"]


@pytest.mark.slow
def test_a_card_that_is_declined_before_it_is_asked_to_pay_refuses_the_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, store = shop_with_order(tmp_path, monkeypatch)

    class Declining:
        def prepare(self, _order: object) -> str:
            raise app.Declined("card_declined")

    monkeypatch.setattr(app, "PROVIDERS", {"stripe": Declining()})
    app.authorise("o-1")
    order = store.order("o-1")
    assert (order["state"], order["code"], store.unresolved()) == ("refused", "card_declined", [])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("is_captured_meanwhile", "state", "to_cancel"),
    [(True, "paid", []), (False, "refused", [("o-1", "stripe", "pi_1")])],
)
def test_what_a_webhook_says_is_paid_is_not_given_back_for_a_denied_query(
    is_captured_meanwhile: bool,
    state: str,
    to_cancel: list[tuple[str, str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app, store = shop_with_order(tmp_path, monkeypatch)

    class Provider:
        def capture(self, _order: object, reference: str) -> None:
            if is_captured_meanwhile:
                store.captured(reference, 9230)
            raise app.NotHeld

    monkeypatch.setitem(app.PROVIDERS, "stripe", Provider())
    store.capture_from("o-1", "stripe", "pi_1")
    app.capture_due("o-1")
    assert (store.order("o-1")["state"], store.unresolved()) == (state, to_cancel)


@pytest.mark.slow
def test_a_capture_whose_failure_is_reported_before_it_is_answered_is_not_paid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, store = shop_with_order(tmp_path, monkeypatch)
    keys: list[int] = []

    class Provider:
        def capture(self, order: Any, reference: str) -> None:
            keys.append(order["failures"])
            if len(keys) == 1:
                store.capture_failed(reference)

    monkeypatch.setitem(app.PROVIDERS, "adyen", Provider())
    store.capture_from("o-1", "adyen", "psp")
    app.capture_due("o-1")
    assert (store.order("o-1")["state"], store.captures_due()) == ("pending", ["o-1"])
    app.capture_due("o-1")
    assert (store.order("o-1")["state"], keys) == ("paid", [0, 1])


@pytest.mark.parametrize("is_webhook_first", [True, False])
def test_what_a_webhook_says_is_held_is_captured_whatever_the_answer_was_about(
    is_webhook_first: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = _imported("sound.store", monkeypatch).Store(str(tmp_path / "shop.db"))
    store.begin("o-1", 9230, "EUR", "card")
    store.attempt("o-1", "adyen", "asked", "o-1")
    if is_webhook_first:
        store.held("o-1", "adyen", "psp")
    store.capture_from("o-1", "adyen", "psp of another")
    if not is_webhook_first:
        assert store.order("o-1")["capture_reference"] == "psp of another"
        store.held("o-1", "adyen", "psp")
    assert store.order("o-1")["capture_reference"] == "psp"
    store.give_up("o-1", "adyen", store.order("o-1")["capture_reference"])
    assert store.unresolved() == [("o-1", "adyen", "psp")]


def test_what_belongs_together_is_written_down_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies in between has an event neither known nor half done."""
    kept = _imported("sound.store", monkeypatch)
    store = kept.Store(str(tmp_path / "shop.db"))

    class Killed(BaseException):
        pass

    def fail_after_event() -> None:
        with store.transaction():
            assert store.is_new_event("psp CAPTURE_FAILED true")
            raise Killed

    with pytest.raises(Killed):
        fail_after_event()
    assert not store.knows_event("psp CAPTURE_FAILED true")
    store.begin("o-1", 9230, "EUR", "card")
    store.capture_from("o-1", "stripe", "pi_1")
    monkeypatch.setattr(store, "attempt", lambda *_: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        store.give_up("o-1", "stripe", "pi_1")
    assert store.order("o-1")["state"] == "pending"


def test_a_capture_that_fails_later_is_sent_again_and_its_hold_is_cancelled_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "examples" / "shop-python")
    kept: Any = import_module("sound.store")
    store = kept.Store(str(tmp_path / "shop.db"))
    store.begin("o-1", 9230, "EUR", "card")
    store.capture_from("o-1", "adyen", "psp")
    store.finish("o-1", "paid", charged=9230, paid_at="psp")
    for failures in range(1, kept.MAX_REFUSALS + 1):
        store.capture_failed("psp")
        assert store.captures_due() == ["o-1"]
        assert store.order("o-1")["failures"] == failures  # it is sent under another key
        assert store.unresolved() == []
        store.finish("o-1", "paid", charged=9230, paid_at="psp")
    store.capture_failed("psp")
    assert (store.order("o-1")["state"], store.captures_due()) == ("refused", [])
    assert store.unresolved() == [("o-1", "adyen", "psp")]


@pytest.mark.slow
@pytest.mark.parametrize("is_webhook_first", [True, False])
def test_what_two_queries_denied_and_a_webhook_proves_is_given_back_without_a_third(
    is_webhook_first: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is answered that nothing is held, one that the intent is cancelled: it is captured."""
    app, store = shop_with_order(tmp_path, monkeypatch)
    given_back: list[str] = []

    class Provider:
        def capture(self, _order: object, reference: str) -> None:
            raise app.NotHeld

        def cancel(self, _order: object, reference: str) -> str:
            if is_webhook_first:
                store.captured(reference, 9230)
            return "cancelled"

        def give_back(self, _order: object, reference: str) -> str:
            given_back.append(reference)
            return "refunded"

    monkeypatch.setitem(app.PROVIDERS, "stripe", Provider())
    store.capture_from("o-1", "stripe", "pi_1")
    app.capture_due("o-1")
    app.resolve(*store.unresolved()[0])
    if not is_webhook_first:
        store.captured("pi_1", 9230)
    assert (store.unresolved(), store.to_give_back()) == ([], [("o-1", "stripe", "pi_1")])
    app.give_back(*store.to_give_back()[0])
    store.captured("pi_1", 9230)
    assert (store.to_give_back(), given_back) == ([], ["pi_1"])
    assert store.order("o-1")["state"] == "refused"


def test_a_cancel_that_no_webhook_reports_is_sent_again_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unanswered = Unanswered(tmp_path, monkeypatch)
    store = unanswered.store
    sent = 0
    for _ in range(2 * unanswered.max_refusals):
        for order, provider, _ in store.unresolved():
            sent += 1
            store.resolved(order, provider, "cancelling")
        store.cancel_overdue()
        assert store.unresolved() == []  # its webhook may still come
        unanswered.sweep_late()
    assert sent == 1 + unanswered.max_refusals


def test_a_cancel_that_is_refused_is_sent_again_although_no_webhook_says_that_money_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adyen may have lost that webhook: a refusal does not show that there never was a payment."""
    unanswered = Unanswered(tmp_path, monkeypatch)
    store = unanswered.store
    sent, stuck = 0, []
    for _ in range(2 * unanswered.max_refusals):
        for order, provider, _ in store.unresolved():
            sent += 1
            store.resolved(order, provider, "cancelling")
            store.cancel_refused(order, provider)
        assert store.unresolved() == []
        stuck += unanswered.sweep_late()
    assert (sent, stuck) == (unanswered.max_refusals, [("o-1", "adyen", "o-1")])
    store.cancelled("o-1", "adyen")
    assert (store.unresolved(), store.cancel_overdue()) == ([], [])


@pytest.mark.parametrize("is_swept", [True, False])
def test_money_that_a_late_webhook_names_as_held_is_cancelled_by_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_swept: bool
) -> None:
    """No cancel is left for the payment's own reference, and none was spent on what is held."""
    unanswered = Unanswered(tmp_path, monkeypatch)
    store = unanswered.store
    for number in range(unanswered.max_refusals):
        unanswered.refuse()
        if is_swept or number < unanswered.max_refusals - 1:
            unanswered.sweep_late()
    assert store.unresolved() == []
    store.held("o-1", "adyen", "PSP1")
    assert store.unresolved() == [("o-1", "adyen", "PSP1")]
    sent = 0
    while store.unresolved() and sent < 2 * unanswered.max_refusals:
        sent += 1
        unanswered.refuse()
        store.held("o-1", "adyen", "PSP1")
    assert (sent, unanswered.sweep_late()) == (unanswered.max_refusals, [("o-1", "adyen", "PSP1")])
    store.held("o-1", "adyen", "PSP1")
    assert store.unresolved() == []


def test_a_cancel_that_a_webhook_reports_as_done_is_not_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unanswered = Unanswered(tmp_path, monkeypatch)
    store = unanswered.store
    store.resolved("o-1", "adyen", "cancelling")
    store.cancelled("o-1", "adyen")
    assert (unanswered.sweep_late(), store.unresolved()) == ([], [])
