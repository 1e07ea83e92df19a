"""Where a machine of a chain is: the address that its name stands for at this moment."""

from __future__ import annotations

from paychain.model.chain import Chain
from paychain.model.loading import Loaded
from paychain.model.placement import Placed, is_name
from paychain.model.reach import is_allowed
from paychain.payments.errors import UserError
from paychain.processes.connecting import ipv4_of


def address_of(placed: Placed, chain: Loaded[Chain]) -> str:
    """The machine's IPv4 address. Raises UserError for a name of none, or of one not allowed."""
    if not is_name(placed.address):
        return placed.address  # it was checked with the file
    address = _looked_up(placed.address)
    if not is_allowed(address, chain.model.allow):
        raise UserError(
            f"{placed.address} is {address}, outside loopback and not allowed",
            hint=f"allow it in {chain.path.name}: allow: [{address}]",
        )
    return address


def _looked_up(name: str) -> str:
    try:
        return ipv4_of(name)
    except OSError as error:
        raise UserError(
            f"no address of {name} is known ({error})", hint="check the name"
        ) from error
