"""A link that takes an amount for one with another number of decimals, and sends it on like that.

It multiplies yen by a hundred, or a dinar by a tenth, and reads the answers the same way: within
the link all amounts look right.
"""

from __future__ import annotations

import msgspec

from paychain.payments.money import exponent
from paychain.protocol.message import PaymentRequest
from paychain.protocol.reply import Reply


def as_sent(request: PaymentRequest, assumed: int) -> PaymentRequest:
    """The request with its amount as a link that assumes that number of decimals writes it."""
    shift = assumed - exponent(request.currency)
    return msgspec.structs.replace(request, amount_minor=_shifted(request.amount_minor, shift))


def as_read(reply: Reply, request: PaymentRequest, sent: PaymentRequest, assumed: int) -> Reply:
    """The reply to `sent` with its amount as the link that assumes these decimals reads it."""
    answer = reply.answer
    if answer is None or not answer.amount_minor:
        return reply
    shift = exponent(request.currency) - assumed
    is_whole = answer.amount_minor == sent.amount_minor
    # What was rounded on the way there is not rounded once more on the way back.
    amount = request.amount_minor if is_whole else _shifted(answer.amount_minor, shift)
    return msgspec.structs.replace(
        reply, answer=msgspec.structs.replace(answer, amount_minor=amount)
    )


def _shifted(amount_minor: int, shift: int) -> int:
    """The amount times ten to the power of `shift`, rounded half up."""
    if shift >= 0:
        return int(amount_minor * 10**shift)
    divisor = int(10**-shift)
    return (2 * amount_minor + divisor) // (2 * divisor)
