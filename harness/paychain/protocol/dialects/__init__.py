"""The dialects that a link may declare, by name. A new one is one module and one line here."""

from __future__ import annotations

from paychain.protocol.dialect import Dialect
from paychain.protocol.dialects.native import Native

DIALECTS: dict[str, Dialect] = {
    "paychain": Native(),
}
