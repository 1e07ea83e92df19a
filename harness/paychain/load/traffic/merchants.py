"""Merchants for a load that names none: made up, the same for a seed, and paid alike."""

from __future__ import annotations

from paychain.load.traffic.plan import MerchantPlan
from paychain.payments.chance import draw

_NAMES = (
    "Alder",
    "Birch",
    "Cedar",
    "Dale",
    "Elm",
    "Fern",
    "Grove",
    "Hazel",
    "Ivy",
    "Juniper",
    "Kestrel",
    "Laurel",
    "Maple",
    "North",
    "Oak",
    "Poplar",
    "Quarry",
    "Rowan",
    "Spruce",
    "Thorn",
)
_TRADES = ("Bakery", "Books", "Cycles", "Electronics", "Furniture", "Garden", "Shoes", "Toys")


def made_up(seed: int) -> tuple[MerchantPlan, ...]:
    """Twenty merchants with different names and equal shares."""
    return tuple(
        MerchantPlan(name=f"{name} {_trade(seed, name)}", share=1 / len(_NAMES)) for name in _NAMES
    )


def _trade(seed: int, name: str) -> str:
    return _TRADES[int(draw(seed, "trade", name) * len(_TRADES))]
