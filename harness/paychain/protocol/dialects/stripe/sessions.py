"""Checkout Sessions: pages of Stripe's where customers pay, as the shop creates and sees them.

POST /v1/checkout/sessions ─▶ url ─ the customer visits it (session_page.py) ─▶ success_url,
                                    and checkout.session.completed
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

from paychain.payments.whole_number import whole_number
from paychain.protocol.dialects.stripe import session_setups
from paychain.protocol.dialects.stripe.account import (
    Account,
    Plan,
    RoutedRequest,
    written,
)
from paychain.protocol.dialects.stripe.errors import invalid, missing
from paychain.protocol.dialects.stripe.ids import read
from paychain.protocol.dialects.stripe.intents import locked, request_of
from paychain.protocol.dialects.stripe.listing import page
from paychain.protocol.dialects.stripe.parameters import choice, mapping, required, text
from paychain.protocol.dialects.stripe.payments import currency_of, write
from paychain.protocol.dialects.stripe.records import SESSION, CheckoutSession, Intent
from paychain.protocol.dialects.stripe.session_objects import (
    HOSTED,
    WITHIN,
    lines_of,
    shown_of,
    status_of,
)
from paychain.protocol.vendor import Evidence

EXPIRED = "checkout.session.expired"
LASTS_S = 86_400  # lifetime of a session, unless it names its own (docs.stripe.com/api: expires_at)
BUSY_S = 1  # pause before another look at a session that ran out while its customer was paying


def create(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/checkout/sessions`, of a payment or of a card that is to be kept."""
    given = asked.given
    required(given, "mode")
    mode = choice(given, "mode", ("payment", "setup", "subscription"))
    if mode == "subscription":
        asked.call.not_served(f"a Checkout Session in mode {mode}")
        what = f"This mock has no Checkout Sessions in mode {mode}: only payment and setup."
        raise invalid(what, param="mode")
    is_hosted = (choice(given, "ui_mode", HOSTED + WITHIN) or HOSTED[0]) in HOSTED
    back = "success_url" if is_hosted else "return_url"
    required(given, back)
    now_s = account.backend.now_s()
    is_setup = mode == "setup"
    if is_setup and given.get("line_items"):
        raise invalid("You can not pass `line_items` in `setup` mode.", param="line_items")
    lines = [] if is_setup else lines_of(account, given)
    items = [line.item for line in lines]
    amount_minor = sum(item["amount_total"] for item in items)
    if is_setup:
        currency = session_setups.currency_in(given)
    else:
        currency = currency_of(items[0]["currency"], amount_minor)
    intent = Intent(
        reference="-",
        payment="",
        attempt=1,
        amount_minor=amount_minor,
        currency=currency,
        created_s=now_s,
    )
    data = mapping(given, "setup_intent_data" if is_setup else "payment_intent_data")
    customer = account.customer_asked(given)
    paid_data = {} if is_setup else data
    write(account, intent, {**paid_data, **({"customer": customer} if customer else {})})
    session = CheckoutSession(
        intent=intent,
        items=items,
        success_url=text(given, back),
        cancel_url=text(given, "cancel_url"),
        is_hosted=is_hosted,
        expires_s=_expiry(given) or now_s + LASTS_S,
        fields={
            "client_reference_id": text(given, "client_reference_id") or None,
            "customer_email": text(given, "customer_email") or None,
            "locale": text(given, "locale") or None,
            "metadata": written({}, given),
        },
    )
    _attribute(account, asked, intent, data, makes_attempt=not is_setup)
    begun = session_setups.begin(account, session, data) if is_setup else None

    def add() -> None:
        for line in lines:
            line.keep(account)
        if begun is not None:
            begun.keep()
        account.sessions[intent.reference] = session
        _end_in_time(account, session)

    return looked_at(account, session, add)


def _attribute(
    account: Account,
    asked: RoutedRequest,
    intent: Intent,
    data: dict[str, Any],
    *,
    makes_attempt: bool,
) -> None:
    reference = text(asked.given, "client_reference_id")
    metadata = [str(value) for value in mapping(data, "metadata").values()]
    texts = (reference, *asked.texts(), *metadata, text(data, "description"))
    found = asked.call.attribute(
        Evidence(
            headers=asked.call.http.headers,
            texts=tuple(each for each in texts if each),
            key=asked.key,
            amount_minor=intent.amount_minor,
            currency=intent.currency.upper(),
            makes_attempt=makes_attempt,
        )
    )
    intent.reference, intent.payment, intent.attempt = found.reference, found.payment, found.attempt
    intent.is_stranger = found.by == "nothing"
    # A link that keeps no keys makes another session for a repeat: it needs a name of its own.
    if found.reference in account.sessions or account.intents.of(found.reference) is not None:
        account.made += 1
        intent.reference = f"{found.reference}~{account.backend.link}.i{account.made}"


def _expiry(given: dict[str, Any]) -> int:
    """Seconds since 1970, 0 when it is not given. Raises Invalid."""
    written_s = text(given, "expires_at")
    expires_s = whole_number(written_s or "0")
    if expires_s is None:
        raise invalid("Invalid integer: expires_at", param="expires_at")
    return expires_s


def retrieve(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/checkout/sessions/{session}`."""
    return looked_at(account, session_of(account, asked))


def update(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/checkout/sessions/{session}`: its metadata."""
    session = session_of(account, asked)

    # Other updates may be made before this one is done.
    def metadata() -> dict[str, str]:
        return written(session.fields["metadata"], asked.given)

    metadata()
    return looked_at(account, session, lambda: session.fields.update(metadata=metadata()))


def expire(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/checkout/sessions/{session}/expire`: from then on nobody can pay."""
    session = session_of(account, asked)
    if session.intent.is_busy:
        raise locked()
    if (status := status_of(account, session)) != "open":
        raise invalid(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout '
            f"Session has a status of `{status}`."
        )
    return looked_at(account, session, lambda: _report(account, session, _end(account, session)))


def _end(account: Account, session: CheckoutSession) -> list[str]:
    """End a session: nobody can pay it any more, or authenticate what was begun on its page.

    Returns the types of the events that report this.
    """
    intent = session.intent
    session.expired_s = account.backend.now_s()
    if session.setup is not None:
        session_setups.end(account, session.setup)
        return [EXPIRED]
    if not intent.waits:
        return [EXPIRED]
    intent.waits, intent.canceled_s = False, session.expired_s
    intent.cancellation_reason = "automatic"
    return [EXPIRED, "payment_intent.canceled"]


def _report(account: Account, session: CheckoutSession, kinds: Iterable[str]) -> None:
    for kind in kinds:
        account.backend.notify(kind, request_of(session.intent))


def _end_in_time(account: Account, session: CheckoutSession) -> None:
    """End a session when its time runs out, unless it has been paid by then."""
    # Only its name: what waits for its end must not keep a session that is forgotten earlier.
    name = session.intent.reference

    def look() -> None:
        session = account.sessions.get(name)
        if session is None:
            return
        if session.intent.is_busy:
            account.backend.at(account.backend.now_s() + BUSY_S, look)
        elif not session.expired_s and status_of(account, session) == "expired":
            _report(account, session, _end(account, session))

    account.backend.at(session.expires_s, look)


def listed(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/checkout/sessions`."""
    sessions = reversed(account.sessions.values())
    email = text(mapping(asked.given, "customer_details"), "email")
    shown = (
        each
        for session in sessions
        if (each := shown_of(account, session))
        and email in ("", (each["customer_details"] or {}).get("email"))
    )
    of = ("customer", "customer_account", "payment_intent", "payment_link", "status")
    return page(account, asked, shown, (*of, "subscription"))


def line_items(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/checkout/sessions/{session}/line_items`."""
    session = session_of(account, asked)
    return page(account, asked, deepcopy(session.items))


def looked_at(
    account: Account, session: CheckoutSession, change: Callable[[], object] | None = None
) -> Plan:
    """A plan that shows a session and moves no money."""
    return account.looked_up(
        lambda: shown_of(account, session), request_of(session.intent), change=change
    )


def session_of(account: Account, asked: RoutedRequest) -> CheckoutSession:
    """The session that a path names. Raises Invalid for an unknown id."""
    name = asked.names[0]
    asked.concerns(name)
    found = read(SESSION, name)
    session = account.sessions.get(found[0]) if found is not None else None
    if session is None:
        raise missing("checkout.session", name)
    return session
