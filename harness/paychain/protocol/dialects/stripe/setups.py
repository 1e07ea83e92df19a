"""Setup intents: a card is checked and saved for later payments; no money moves.

    POST /v1/setup_intents ─▶ confirm ─▶ succeeded: the card is attached to its customer
                                  └────▶ requires_action ─ the customer authenticates ─▶ succeeded

`GET /3d_secure_2/setup/{setup}` authenticates; with `?result=failed` authentication fails.
Source: the fixtures and the description in Stripe's stripe-mock v0.203.0 (2026-08-26.dahlia).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from paychain.payments.cards import TEST_CARDS
from paychain.protocol.dialects.stripe.account import (
    ATTACHED,
    Account,
    Plan,
    RoutedRequest,
    written,
)
from paychain.protocol.dialects.stripe.authentication import Returned
from paychain.protocol.dialects.stripe.cards import Method, of_parameters
from paychain.protocol.dialects.stripe.details import Shown
from paychain.protocol.dialects.stripe.errors import CARD, Invalid, invalid, missing, shaped
from paychain.protocol.dialects.stripe.ids import opaque
from paychain.protocol.dialects.stripe.listing import page
from paychain.protocol.dialects.stripe.parameters import boolean, choice, mapping, text
from paychain.protocol.dialects.stripe.records import (
    REQUIRES_ACTION,
    REQUIRES_CONFIRMATION,
    REQUIRES_METHOD,
    Setup,
)
from paychain.protocol.message import PaymentRequest
from paychain.protocol.vendor import Evidence
from paychain.protocol.vendor_before import Before

PAGE = "/3d_secure_2/setup/"
USAGES = ("off_session", "on_session")
REASONS = ("abandoned", "duplicate", "requested_by_customer")
_WAITING = (REQUIRES_METHOD, REQUIRES_CONFIRMATION, REQUIRES_ACTION)


def create(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/setup_intents`, with or without `confirm`."""
    given = asked.given
    found = asked.call.attribute(
        Evidence(
            headers=asked.call.http.headers,
            texts=asked.texts(),
            key=asked.key,
            makes_attempt=False,
        )
    )
    name = account.new_id("seti")
    request = PaymentRequest(
        found.payment, 0, "", TEST_CARDS[0], attempt=found.attempt, reference=name
    )
    setup = Setup(id=name, request=request, created_s=account.backend.now_s())
    change = _Change(account, setup)
    change.undos.append(lambda: account.setups.pop(name, None))
    _write(change, given)
    is_confirmed = boolean(given, "confirm")
    if is_confirmed:
        _method_to_save(account, setup)
    account.setups[name] = setup
    change.report("created")
    if is_confirmed:
        _confirm(change)
    return change.plan()


def retrieve(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/setup_intents/{intent}`."""
    return _Change(account, _found(account, asked)).plan()


def update(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/setup_intents/{intent}`."""
    setup = _found(account, asked)
    change = _Change(account, setup)
    fixed = [name for name in ("customer", "payment_method") if asked.given.get(name)]
    if fixed and setup.status not in _WAITING:
        raise _unexpected(
            f"This SetupIntent's {fixed[0]} could not be updated because it has a status of "
            f"{setup.status}.",
        )
    _write(change, asked.given)
    return change.plan()


def confirm(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/setup_intents/{intent}/confirm`."""
    setup = _found(account, asked)
    if setup.status not in _WAITING:
        raise _unexpected(
            f"This SetupIntent's status is {setup.status}: it has already been confirmed or "
            "canceled, and cannot be confirmed again.",
        )
    change = _Change(account, setup)
    is_return = setup.waits and not asked.given.get("payment_method")
    _write(change, asked.given)
    try:
        _confirm(change, is_authenticated=is_return)
    except Invalid:
        change.take_back()
        raise
    return change.plan()


def cancel(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/setup_intents/{intent}/cancel`."""
    setup = _found(account, asked)
    reason = choice(asked.given, "cancellation_reason", REASONS)
    if setup.status not in _WAITING:
        raise _unexpected(
            f"You cannot cancel this SetupIntent because it has a status of {setup.status}. Only "
            "a SetupIntent with one of the following statuses may be canceled: "
            f"{', '.join(_WAITING)}.",
        )
    change = _Change(account, setup)
    setup.waits, setup.canceled_s = False, account.backend.now_s()
    setup.cancellation_reason = reason
    change.report("canceled")
    return change.plan()


def listed(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/setup_intents`."""
    shown = (shown_of(account, setup) for setup in reversed(account.setups.values()))
    return page(account, asked, shown, ("customer", "customer_account", "payment_method"))


HANDLERS: dict[str, Callable[[Account, RoutedRequest], Plan]] = {
    "POST /v1/setup_intents": create,
    "GET /v1/setup_intents": listed,
    "GET /v1/setup_intents/{intent}": retrieve,
    "POST /v1/setup_intents/{intent}": update,
    "POST /v1/setup_intents/{intent}/confirm": confirm,
    "POST /v1/setup_intents/{intent}/cancel": cancel,
}


def authenticate(account: Account, asked: RoutedRequest) -> tuple[Plan, Returned]:
    """The customer authenticates on the bank's page. Raises Invalid if the intent awaits none."""
    setup = _found(account, asked)
    has_failed = asked.given.get("result") == "failed"
    returned = Returned(
        url=setup.return_url,
        kind="setup_intent",
        id=setup.id,
        client_secret=_secret(setup),
        has_failed=has_failed,
    )
    if not setup.waits:
        raise _unexpected(f"This SetupIntent has a status of {setup.status}.")
    change = _Change(account, setup)
    if has_failed:
        error = shaped(
            CARD,
            "The latest attempt to set up the payment method has failed because authentication "
            "failed.",
            code="setup_intent_authentication_failure",
        )
        _fail(change, error)
    else:
        try:
            _confirm(change, is_authenticated=True)
        except Invalid as refusal:
            # The customer is at the bank's page: the shop learns of it when they are back.
            _fail(change, refusal.error)
            returned = replace(returned, has_failed=True)
    return change.plan(), returned


class _Change:
    """What a request changes in an intent, and the events it reports once the link has executed it.

    `undos`: take back what it has changed elsewhere. `kept`: a card that can be asked for by its id
    from now on. `refusal`: its answer, None for the intent.
    """

    def __init__(self, account: Account, setup: Setup) -> None:
        self.account, self.setup = account, setup
        self.undos: list[Callable[[], object]] = []
        self.refusal: Invalid | None = None
        self.kept: Method | None = None
        self._before = Before(setup)
        self._reported: list[tuple[str, int]] = []

    def report(self, what: str) -> None:
        """Report an event, unless the link fails to execute the request."""
        logged = f"setup_intent.{what}", self.account.backend.now_s()
        self._reported.append(logged)
        self.setup.log.append(logged)

    def plan(self) -> Plan:
        """The plan whose answer shows the intent in the state it then has."""
        setup = self.setup
        self.undos.append(self._before.written())
        request = setup.request if setup.request.payment else None
        return self.account.looked_up(self._show, request, change=self._make, undo=self._undo)

    def take_back(self) -> None:
        """Revert what the request has written: it is refused."""
        self.undos.append(self._before.written())
        self._undo()

    def _show(self) -> Shown:
        if self.refusal is not None:
            raise self.refusal
        return shown_of(self.account, self.setup)

    def _undo(self) -> None:
        for logged in self._reported:
            self.setup.log.remove(logged)
        for undo in self.undos:
            undo()

    def _make(self) -> None:
        if self.kept is not None:
            self.account.keep_method(self.kept)
        for kind, _ in self._reported:
            self.account.backend.notify(kind, self.setup.request)


def _confirm(change: _Change, *, is_authenticated: bool = False) -> None:
    """Save the card, require authentication first, or decline it.

    Raises Invalid, before any change, where there is no card that can be saved.
    """
    account, setup = change.account, change.setup
    method = _method_to_save(account, setup)
    if not method.can_be_saved:
        error = account.objects.card_error(method, method.declined_as)
        _fail(change, error)
        change.refusal = Invalid(402, {**error, "setup_intent": shown_of(account, setup)})
        return
    if method.must_authenticate and not is_authenticated:
        setup.waits = True
        change.report(REQUIRES_ACTION)
        return
    setup.waits, setup.is_done, setup.error = False, True, None
    of_card = Before(method, "customer", "used_by", "is_set_up")
    if setup.customer:
        method.give_to(setup.customer)
    method.is_set_up = True
    change.undos.append(of_card.written())
    change.report("succeeded")


def _fail(change: _Change, error: Shown) -> None:
    """Record an error and detach the declined card from the intent."""
    account, setup = change.account, change.setup
    assert setup.method is not None
    setup.error = {**error, "payment_method": account.objects.method(setup.method)}
    setup.waits, setup.method = False, None
    change.report("setup_failed")


def _found(account: Account, asked: RoutedRequest) -> Setup:
    """The intent that a path names. Raises Invalid for an unknown id."""
    name = asked.names[0]
    setup = account.setups.get(name)
    if setup is None:
        raise missing("setupintent", name, "intent")
    return setup


def _method_to_save(account: Account, setup: Setup) -> Method:
    """An intent's card. Raises Invalid if it has none, or one that may not be used (again)."""
    if setup.method is None:
        raise _unexpected(
            "You cannot confirm this SetupIntent because it's missing a payment method. Update the "
            "SetupIntent with a payment method and then confirm it again.",
        )
    if setup.customer:
        account.check_can_be_kept(setup.method, setup.customer)
    else:
        account.check_usable(setup.method)
    return setup.method


def _unexpected(message: str) -> Invalid:
    return invalid(message, code="setup_intent_unexpected_state")


def _write(change: _Change, given: dict[str, Any]) -> None:
    """Write what a request sets into an intent. Raises Invalid before it changes anything."""
    account, setup = change.account, change.setup
    fields: dict[str, Any] = {}
    if "description" in given:
        fields["description"] = text(given, "description") or None
    if "metadata" in given:
        fields["metadata"] = written(setup.fields.get("metadata", {}), given)
    if usage := choice(given, "usage", USAGES):
        fields["usage"] = usage
    if types := given.get("payment_method_types"):
        if not isinstance(types, list):
            raise invalid("Invalid array", param="payment_method_types")
        fields["payment_method_types"] = list(types)
    if "automatic_payment_methods" in given:
        automatic = mapping(given, "automatic_payment_methods")
        fields["automatic_payment_methods"] = {
            "allow_redirects": automatic.get("allow_redirects", "always"),
            "enabled": boolean(automatic, "enabled"),
        }
    customer = account.customer_asked(given) or setup.customer
    method = _method(account, given)
    kept = method or setup.method
    if kept is not None and kept.customer not in ("", customer):
        raise invalid(ATTACHED, code="payment_method_unexpected_state", param="payment_method")
    setup.fields = {**setup.fields, **fields}
    setup.customer = customer
    setup.return_url = text(given, "return_url") or setup.return_url
    if method is not None:
        setup.method, setup.waits = method, False
        change.kept = method


def _method(account: Account, given: dict[str, Any]) -> Method | None:
    """The card that a request names or contains, None if there is none."""
    if name := text(given, "payment_method"):
        return account.method_asked(name, account.new_id("pm"))
    if given.get("payment_method_data"):
        data = mapping(given, "payment_method_data")
        return of_parameters(data, account.new_id("pm"), account.backend.now_s())
    return None


def _secret(setup: Setup) -> str:
    return f"{setup.id}_{opaque('secret', setup.id)}"


def shown_of(account: Account, setup: Setup) -> Shown:
    """A setup intent with every field of Stripe's fixture."""
    fields, status = setup.fields, setup.status
    return {
        "id": setup.id,
        "object": "setup_intent",
        "allowed_payment_method_types": None,
        "application": None,
        "automatic_payment_methods": fields.get("automatic_payment_methods"),
        "cancellation_reason": setup.cancellation_reason or None,
        "client_secret": _secret(setup),
        "created": setup.created_s,
        "customer": setup.customer or None,
        "customer_account": None,
        "description": fields.get("description"),
        "excluded_payment_method_types": None,
        "flow_directions": None,
        "last_setup_error": setup.error,
        "latest_attempt": None,
        "livemode": False,
        "managed_payments": None,
        "mandate": None,
        "metadata": fields.get("metadata", {}),
        "next_action": _next_action(account, setup) if status == REQUIRES_ACTION else None,
        "on_behalf_of": None,
        "payment_method": setup.method.id if setup.method is not None else None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
        },
        "payment_method_types": fields.get("payment_method_types", ["card"]),
        "single_use_mandate": None,
        "status": status,
        "usage": fields.get("usage", USAGES[0]),
    }


def _next_action(account: Account, setup: Setup) -> Shown:
    url = f"{account.objects.base}{PAGE}{setup.id}"
    if not setup.return_url:
        return {
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {
                "type": "three_d_secure_redirect",
                "stripe_js": url,
                "source": opaque("payatt", setup.id),
            },
        }
    return {
        "type": "redirect_to_url",
        "redirect_to_url": {"return_url": setup.return_url, "url": url},
    }
