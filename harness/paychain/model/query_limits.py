"""How often, and how soon, each link of a chain permits queries of a payment's status.

Source: docs/domain.md §1.8 (UPI); payments/data/rails.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping

from paychain.model.accounts import QueryLimits
from paychain.model.chain import Chain


def query_limits(chain: Chain) -> Mapping[str, QueryLimits]:
    """The limits of each link that has any: declared, or those of the rail that it clears."""
    found = {
        name: link.query_limits
        for name, link in chain.links.items()
        if link.query_limits is not None
    }
    rail = chain.rail
    if rail is not None:
        by_rail = QueryLimits.model_construct(first_after=rail.query_after, attempts=rail.queries)
        clearings = (name for name, link in chain.links.items() if link.role == "clearing")
        found = {**dict.fromkeys(clearings, by_rail), **found}
    return found
