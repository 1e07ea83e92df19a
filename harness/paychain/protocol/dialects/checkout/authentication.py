"""3-D Secure at Checkout.com: the bank's page, where a payment waits for its customer.

The path of the page is ours; the redirect that follows is Checkout.com's.
"""

from __future__ import annotations

from functools import partial
from urllib.parse import parse_qs

from msgspec.structs import replace

from paychain.payments.codes import IN_PROGRESS
from paychain.payments.outcome import Outcome
from paychain.payments.web_addresses import split_address
from paychain.protocol.dialects.checkout import attempts
from paychain.protocol.dialects.checkout.account import (
    Account,
    Payment,
    reference_of,
    session_id,
)
from paychain.protocol.dialects.checkout.errors import Invalid
from paychain.protocol.dialects.checkout.payments import note, response
from paychain.protocol.message import ErrorKind
from paychain.protocol.vendor import CallFailed, Evidence, VendorCall
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.protocol.vendor_pages import key_of_press, processing_page, sent_to
from paychain.wire.http import HttpResponse


def key_of(account: Account, target: str) -> str:
    """The key under which the bank's page authorises: one authentication pays once.

    After a failure before any work it is another one: as a repeat, the next look would be refused,
    or be worked on under a name that the payment's id does not give.
    """
    path = target.partition("?")[0]
    payment = account.payment(reference_of(path.rpartition("/")[2]))
    return key_of_press(path, payment.failed) if payment is not None else ""


async def authenticated(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`GET /3ds/{session}`: the bank's page, to which a customer is sent to authenticate.

    Requesting the page counts as authenticating, unless it says `?outcome=failed`. Raises Invalid.
    """
    payment = account.payment(reference_of(name))
    if payment is None or not payment.stage:
        raise Invalid("not_found")
    call.attribute(Evidence(headers=call.http.headers, object_id=name))
    entry = account.backend.entry(payment.reference)
    if entry is not None and entry.state == "in_flight":
        await execute_nothing(call, payment.request)
        return processing_page(b"{}")
    wanted = parse_qs(split_address(call.http.target).query).get("outcome", [""])[0]
    # An authorisation that was started is not started again, even if its answer was lost.
    if entry is not None or payment.stage == "failed" or wanted == "failed":
        return await _fail(call, account, payment)
    try:
        with attempts.attempt(account, payment.page, payment.reference, is_known=True):
            return await _go_on(call, account, payment)
    except Invalid:  # another attempt on the same page has paid, or may have
        return await _fail(call, account, payment)


async def _go_on(call: VendorCall, account: Account, payment: Payment) -> HttpResponse:
    """Authorise a payment whose customer was authenticated."""
    request = payment.request
    payment.request = replace(request, authenticated=True, three_ds="challenge")

    def undo() -> None:
        payment.failed += 1
        # Another request may have had it authorised meanwhile.
        if account.backend.entry(payment.reference) is None:
            payment.request = request

    try:
        answer = await call.execute(
            "authorise", payment.request, undo=undo, note=partial(note, account, payment)
        )
    except CallFailed as failed:
        if failed.error.kind is not ErrorKind.KEY_IN_FLIGHT:
            raise
        return processing_page(b"{}")  # the customer has come back twice at once
    payment.code = response(answer, payment)
    if answer.outcome is Outcome.UNKNOWN and answer.code == IN_PROGRESS:
        return processing_page(b"{}")
    return _back(payment, is_approved=answer.outcome is Outcome.APPROVED)


async def _fail(call: VendorCall, account: Account, payment: Payment) -> HttpResponse:
    """Send back a customer for whom nothing is authorised now; it may have been before."""

    def fail() -> None:
        if account.backend.entry(payment.reference) is None and payment.stage == "pending":
            payment.stage = "failed"
            account.backend.notify("declined", payment.request)

    entry = account.backend.entry(payment.reference)
    # Without the page's key: whoever comes back later is shown what the book says by then.
    await execute_nothing(call, payment.request, change=fail)
    return _back(payment, is_approved=entry is not None and entry.request is not None)


def _back(payment: Payment, *, is_approved: bool) -> HttpResponse:
    """Redirect the customer to the shop, which then queries the payment."""
    url = payment.success_url if is_approved else payment.failure_url
    session = session_id(payment.reference)
    if not url:
        return HttpResponse(
            200, f"cko-session-id={session}".encode(), {"content-type": "text/html"}
        )
    return sent_to(url, {"cko-session-id": session})
