"""`malformed`: the link sends a malformed answer."""

from __future__ import annotations

import msgspec

from paychain.faults.kind import Facts, RequestFaultKind, Search
from paychain.protocol.message import Delivery, Error, ErrorKind


class Malformed(RequestFaultKind):
    """The link does the work and sends bytes that are not an answer."""

    facts = Facts(
        meaning="sends a malformed answer",
        switch=({"share": "50%"},),
        search=Search(rank=12),
    )
    fails_calls = True

    def delivery(self, delivery: Delivery) -> Delivery:
        """Bytes that no caller can read."""
        given = delivery.given
        is_after_work = not isinstance(given, Error) or given.is_after_work
        garbled = Error(ErrorKind.GARBLED, is_after_work=is_after_work)
        return msgspec.structs.replace(delivery, given=garbled)
