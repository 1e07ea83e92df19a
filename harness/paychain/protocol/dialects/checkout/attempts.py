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
    if is_begun(account, page, known) or paid_by(account, page) not in ("", known):
        raise Invalid("session_paid")
    if reference not in page.references:
        page.references.append(reference)
    page.in_progress.append(reference)
    try:
        yield
    finally:
        page.in_progress.remove(reference)


def paid_by(account: Account, page: Page) -> str:
    """Our reference of the page's payment in the book, "" if it has not been paid."""
    for reference in page.references:
        entry = account.backend.entry(reference)
        if entry is not None and entry.state in PAID:
            return reference
    return ""


def is_begun(account: Account, page: Page, besides: str = "") -> bool:
    """Whether a payment on the page, other than `besides`, may yet be approved."""
    for reference in page.references:
        entry = account.backend.entry(reference)
        is_open = entry is None or entry.state == "in_flight"
        is_worked_on = reference in page.in_progress
        if reference != besides and is_open and (entry is not None or is_worked_on):
            return True
    return False
