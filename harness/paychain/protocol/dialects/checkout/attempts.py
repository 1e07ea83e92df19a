"""Attempts to pay on a page: of several, at most one is charged.

An attempt may wait for the customer's bank (3-D Secure) while another one is made. Each is checked
when it begins, and again when it is authorised: by then another one may have paid.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from paychain.protocol.dialects.checkout.account import Account, Page
from paychain.protocol.dialects.checkout.errors import Invalid
from paychain.protocol.vendor_pages import PAID


@contextmanager
def attempt(
    account: Account, page: Page | None, reference: str, *, is_known: bool
) -> Iterator[None]:
    """Work on one attempt; without a page there are no others.

    `is_known`: what came of the attempt, or is in progress of it, does not stand in its own way.
    Raises Invalid if another one has paid, or may yet be approved.
    """
    if page is None:
        yield
        return
    known = reference if is_known else ""
    begun = page.attempts.begun(account.backend, besides=known)
    if begun or paid_by(account, page) not in ("", known):
        raise Invalid("session_paid")
    with page.attempts.working_on(reference):
        yield


def paid_by(account: Account, page: Page) -> str:
    """Our reference of the page's payment in the book, "" if it has not been paid."""
    for reference in page.attempts.references:
        entry = account.backend.entry(reference)
        if entry is not None and entry.state in PAID:
            return reference
    return ""
