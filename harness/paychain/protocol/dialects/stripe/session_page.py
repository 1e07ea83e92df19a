"""The page of a Checkout Session, where a customer pays.

`GET /c/pay/{session}?card=…` pays; with `?result=canceled` the customer goes back to the shop.
"""

from __future__ import annotations

from dataclasses import dataclass

from paychain.protocol.dialects.stripe import session_setups
from paychain.protocol.dialects.stripe.account import Account, Plan, RoutedRequest
from paychain.protocol.dialects.stripe.confirming import confirmed
from paychain.protocol.dialects.stripe.errors import missing
from paychain.protocol.dialects.stripe.ids import read
from paychain.protocol.dialects.stripe.intents import locked
from paychain.protocol.dialects.stripe.objects import method_id
from paychain.protocol.dialects.stripe.parameters import text
from paychain.protocol.dialects.stripe.payments import first_confirmed
from paychain.protocol.dialects.stripe.records import SESSION, CheckoutSession
from paychain.protocol.dialects.stripe.session_objects import PAY_PAGE, status_of
from paychain.protocol.dialects.stripe.sessions import looked_at, session_of
from paychain.protocol.dialects.stripe.setup_objects import PAGE as SETUP_PAGE
from paychain.protocol.vendor_pages import customers_page, key_of_press, processing_page, sent_to
from paychain.wire.http import HttpResponse

USUAL_CARD = "pm_card_visa"
_PLACE = "{CHECKOUT_SESSION_ID}"  # in an address: placeholder for the session's id


@dataclass(frozen=True, slots=True, kw_only=True)
class Visited:
    """What the customer sees of the page after paying or leaving."""

    account: Account
    session: CheckoutSession
    has_left: bool = False

    def response(self, shown: HttpResponse) -> HttpResponse:
        """A redirect to the shop or the bank's page, or this page with the reason for a decline."""
        session, intent = self.session, self.session.intent
        if self.has_left:
            return sent_to(_address(session, session.cancel_url))
        if shown.status >= 400:
            return customers_page(shown.status, "Your card was declined.", shown.body)
        if session.setup is not None and session.setup.waits:
            return sent_to(f"{self.account.objects.base}{SETUP_PAGE}{session.setup.id}")
        if intent.waits:
            return sent_to(self.account.objects.page(intent))
        if status_of(self.account, session) == "complete":
            return sent_to(_address(session, session.success_url))
        return processing_page(shown.body)


def visit(account: Account, asked: RoutedRequest) -> tuple[Plan, Visited]:
    """A customer pays on the page, or leaves it. Raises Invalid if the page is no longer open."""
    session = session_of(account, asked)
    intent = session.intent
    visited = Visited(account=account, session=session)
    status = status_of(account, session)
    if status == "expired":
        raise missing("checkout.session", session.id)
    if asked.given.get("result") == "canceled" and session.cancel_url:
        visited = Visited(account=account, session=session, has_left=True)
    if status == "complete" or visited.has_left:
        return looked_at(account, session), visited
    card = text(asked.given, "card")
    if card:
        asked.call.card_given()
    if session.setup is not None:
        back = _address(session, session.success_url)
        return session_setups.confirm(account, asked, session, card or USUAL_CARD, back), visited
    if intent.is_busy:
        raise locked()
    is_first = not intent.charges and not intent.waits
    before = account.intents.before(intent)
    intent.return_url = _address(session, session.success_url)
    intent.method = account.method_asked(card or USUAL_CARD, method_id(intent))
    intent.is_method_new = True
    intent.waits = intent.is_authenticated = False
    plan = (first_confirmed if is_first else confirmed)(account, asked, intent)
    write_back = before()

    def undo() -> None:
        write_back()
        session.fail()

    plan.undo = undo
    return plan, visited


def key_of(account: Account, target: str) -> str:
    """The key under which the page pays: one press of its button is charged once."""
    found = read(SESSION, target.partition("?")[0].removeprefix(PAY_PAGE))
    session = account.sessions.get(found[0]) if found is not None else None
    if session is None:
        return ""
    setup = session.setup
    tried = len(session.intent.charges if setup is None else setup.log)
    return key_of_press(target, tried + session.failed)


def _address(session: CheckoutSession, url: str) -> str:
    return url.replace(_PLACE, session.id)
