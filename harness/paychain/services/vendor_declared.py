"""What a link with a vendor's API declares, and what its vendor does where it declares nothing."""

from __future__ import annotations

from paychain.model.chain import Chain, Link
from paychain.model.idempotency import Idempotency
from paychain.model.lifecycle import Webhooks
from paychain.protocol.dialects.vendors import APIS
from paychain.protocol.vendor import webhook_timeout_s


def idempotency_of(link: Link) -> Idempotency:
    """What the link declares; a vendor's API without a declaration follows the vendor's model."""
    if link.dialect.is_vendors and "idempotency" not in link.model_fields_set:
        return Idempotency.model_validate(APIS[link.dialect.name].idempotency)
    return link.idempotency


def webhooks_of(link: Link) -> Webhooks | None:
    """What the link declares; by default a vendor waits for answers as long as the real one does.

    A wait that is too short would repeat what a slow service has already done, and slow it more.
    """
    declared = link.webhooks
    if declared is None or not link.dialect.is_vendors or "timeout" in declared.model_fields_set:
        return declared
    timeout_s = webhook_timeout_s(APIS[link.dialect.name])
    return declared if timeout_s is None else declared.model_copy(update={"timeout": timeout_s})


def hosts_of(link: Link) -> tuple[str, ...]:
    """Where the real API of the vendor is whose dialect a link speaks."""
    return APIS[link.dialect.name].hosts if link.dialect.is_vendors else ()


def caller_of(chain: Chain, name: str) -> str:
    """The own service that calls a link over its vendor's API."""
    callers = [hop.caller for hop in chain.hops() if hop.callee == name]
    return callers[0] if callers else ""
