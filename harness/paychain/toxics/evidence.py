"""What the bytes of an unanswered request show of its payment, without knowing the vendor."""

from __future__ import annotations

import re
from typing import NamedTuple

from paychain.payments.attribution import BAGGAGE, KEY_HEADERS, TRACE, AttributedBy, PaymentIds

MAX_KEY = 255  # characters
MAX_HINTS = 24  # words

_TRACE, _BAGGAGE = f"\r\n{TRACE}:".encode(), f"\r\n{BAGGAGE}:".encode()
_KEYS = tuple(f"\r\n{name}:".encode() for name in KEY_HEADERS)
# Some providers take the key in the body.
_KEY_IN_BODY = re.compile(
    rb"(?:idempotency_key|api_request_key)[\"']?\s*[:=>]\s*[\"']?([^\"'&<\s]+)"
)
# A masked card, a vendor's object id (`pi_3Abc…`, `8515131751004933`), an amount.
_HINT = re.compile(
    rb"\b\d{6}x\d{4}\b|[A-Za-z]{1,12}_[0-9A-Za-z]{12,}|\b[0-9A-Za-z]{14,}\b"
    rb"|\b\d{1,9}\.\d{2}\b|\b\d{1,9}\b"
)
_CARD = re.compile(rb"\b\d{13,19}\b")


class RequestEvidence(NamedTuple):
    """The idempotency key, the payment and by what, and hints where there is no payment."""

    key: str = ""
    payment: str = ""
    by: AttributedBy = "nothing"
    hints: str = ""


NOTHING = RequestEvidence()


def evidence_of(request: bytes, ids: PaymentIds) -> RequestEvidence:
    """What a request shows. Its end may be missing.

    In the order of `payments/attribution.find_payment`; what only a vendor's reader knows, whoever
    collects it may make of the hints.
    """
    head, _, body = request.partition(b"\r\n\r\n")
    line, _, _ = head.partition(b"\r\n")
    lower = head.lower()
    key = next((value for name in _KEYS if (value := _header(head, lower, name))), "")
    match = _KEY_IN_BODY.search(body) if not key else None
    if match is not None:
        key = match[1].decode("latin-1")
        body = body.replace(match[1], b"")  # a key is not a reference
    key = key[:MAX_KEY]
    found = ids.in_trace(_header(head, lower, _TRACE))
    found = found or ids.in_text(_header(head, lower, _BAGGAGE))
    if found:
        return RequestEvidence(key, found, "trace")
    found = ids.in_bytes(body) or ids.in_bytes(line)
    if found:
        return RequestEvidence(key, found, "reference")
    found = ids.in_text(key)
    if found:
        return RequestEvidence(key, found, "key")
    found = ids.in_bytes(head)
    if found:
        return RequestEvidence(key, found, "other text")
    return RequestEvidence(key, hints=_hints(line, body))


def _header(head: bytes, lower: bytes, name: bytes) -> str:
    """The value of a header; "" without it. `lower`: the head in lower case, `name`: its line."""
    at = lower.find(name)
    if at < 0:
        return ""
    end = head.find(b"\r\n", at + 2)
    return head[at + len(name) : end if end >= 0 else None].decode("latin-1").strip()


def _hints(line: bytes, body: bytes) -> str:
    """Words by which a request may be known that shows no payment: ids, amounts, a masked card.

    A card's number never leaves the engine whole (PCI DSS 3.4.1).
    """
    text = _CARD.sub(lambda card: card[0][:6] + b"x" + card[0][-4:], line + b" " + body)
    words = dict.fromkeys(_HINT.findall(text))
    return " ".join(word.decode("ascii") for word in list(words)[:MAX_HINTS])
