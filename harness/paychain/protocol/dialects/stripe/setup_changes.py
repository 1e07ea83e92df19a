"""What a request changes in a setup intent, and the events that report it."""

from __future__ import annotations

from collections.abc import Callable

from paychain.protocol.dialects.stripe.account import Account, Plan
from paychain.protocol.dialects.stripe.cards import Method
from paychain.protocol.dialects.stripe.details import Shown
from paychain.protocol.dialects.stripe.errors import Invalid, invalid
from paychain.protocol.dialects.stripe.intents import request_of
from paychain.protocol.dialects.stripe.records import COMPLETED, REQUIRES_ACTION, Setup
from paychain.protocol.dialects.stripe.setup_objects import shown_of
from paychain.protocol.vendor_before import Before

SUCCEEDED = "setup_intent.succeeded"


class Change:
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
        return self.account.looked_up(self._show, request, change=self.make, undo=self._undo)

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

    def keep(self) -> None:
        """Keep a new intent, and report what has happened to it."""
        self.account.setups[self.setup.id] = self.setup
        self.make()

    def make(self) -> None:
        """Report what has happened to the intent, whose card can be asked for from now on."""
        if self.kept is not None:
            self.account.keep_method(self.kept)
        for kind, at_s in self._reported:
            self.account.backend.notify(kind, self.setup.request)
            session = self.account.sessions.get(self.setup.session)
            if session is not None and kind == SUCCEEDED:
                session.completed_s = at_s
                self.account.backend.notify(COMPLETED, request_of(session.intent))


def save_card(change: Change, *, is_authenticated: bool = False) -> None:
    """Save the card, require authentication first, or decline it.

    Raises Invalid, before any change, where there is no card that can be saved.
    """
    account, setup = change.account, change.setup
    method = card_to_save(account, setup)
    if not method.can_be_saved:
        error = account.objects.card_error(method, method.declined_as)
        fail(change, error)
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


def fail(change: Change, error: Shown) -> None:
    """Record an error and detach the declined card from the intent."""
    account, setup = change.account, change.setup
    assert setup.method is not None
    setup.error = {**error, "payment_method": account.objects.method(setup.method)}
    setup.waits, setup.method = False, None
    change.report("setup_failed")


def end(change: Change, reason: str) -> None:
    """Cancel an intent: nobody can authenticate any more."""
    setup = change.setup
    setup.waits, setup.canceled_s = False, change.account.backend.now_s()
    setup.cancellation_reason = reason
    change.report("canceled")


def card_to_save(account: Account, setup: Setup) -> Method:
    """An intent's card. Raises Invalid if it has none, or one that may not be used (again)."""
    if setup.method is None:
        raise unexpected(
            "You cannot confirm this SetupIntent because it's missing a payment method. Update the "
            "SetupIntent with a payment method and then confirm it again.",
        )
    if setup.customer:
        account.check_can_be_kept(setup.method, setup.customer)
    else:
        account.check_usable(setup.method)
    return setup.method


def unexpected(message: str) -> Invalid:
    """The error for a request that the intent's status does not allow."""
    return invalid(message, code="setup_intent_unexpected_state")
