"""The dialect in which a link is asked: its own, or the user's API that it passes on."""

from __future__ import annotations

from paychain.model.chain import Chain
from paychain.model.paid_at import template_at
from paychain.protocol.dialect import Dialect
from paychain.protocol.dialects import DIALECTS
from paychain.protocol.dialects.relayed import Relayed


def dialect_at(chain: Chain, link: str) -> Dialect:
    """How a link is asked. An edge in front of an own service takes whatever that one takes."""
    template = template_at(chain, link)
    return Relayed(template) if template is not None else DIALECTS[chain.links[link].dialect.name]
