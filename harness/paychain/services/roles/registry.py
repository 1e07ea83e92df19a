"""The behaviour of every role, found by its name: `wallet` is the class `Wallet` of `wallet.py`.

What a role may and must declare is known to the model (`model/roles.py`), which lies below. The
name alone joins the two, so that a new role is entered once.
"""

from __future__ import annotations

from importlib import import_module

from paychain.model.roles import ROLES
from paychain.services.roles.role import Role


def _behaviour_of(role: str) -> type[Role]:
    """The class of a role. Raises ImportError or AttributeError when there is none."""
    module = import_module(f"paychain.services.roles.{role}")
    behaviour = getattr(module, "".join(part.capitalize() for part in role.split("_")))
    assert isinstance(behaviour, type)
    assert issubclass(behaviour, Role), f"{behaviour} is not a Role"
    return behaviour


# All at once: a link may be started in virtual time, where nothing is read from a disk.
BEHAVIOURS: dict[str, type[Role]] = {role: _behaviour_of(role) for role in ROLES}
