"""The control API of a services process: routes, faults, drain.

On loopback it asks a token of every request (wire/bearer.py), over a network a proof
(environment/remote/proof.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from paychain.faults.affected import AffectedPayments
from paychain.faults.kind import LinkFaultKind
from paychain.faults.kinds import KINDS
from paychain.model.places import InLinkPlace
from paychain.model.scripts import AssignedScripts
from paychain.payments.attribution import Expected
from paychain.services.host import Host
from paychain.services.in_link_faults import ActiveFault
from paychain.wire.http import HttpRequest, HttpResponse, json_response

HEALTH = "/health"  # how much the process holds: anybody may look
MAX_DRAIN_S = 30.0  # in one request: a caller that waits longer repeats it


class FaultSpec(msgspec.Struct, frozen=True):
    """Body of POST /faults/{id}. `parameters` as in an experiment file."""

    spots: list[InLinkPlace]
    kind: str
    parameters: dict[str, Any]


class DrainRequest(msgspec.Struct, frozen=True):
    """Body of POST /drain."""

    within_s: float


class ControlApi:
    """Handles the control requests of one process.

    `on_switch` gets what a request changed, "applied", "healed" or "connected", and the fault.
    """

    def __init__(self, host: Host, on_switch: Callable[[str, str], None]) -> None:
        self._host, self._on_switch = host, on_switch

    async def handle(self, http: HttpRequest) -> HttpResponse:
        """Answer one control request; 400 for a body that is not what the path needs."""
        try:
            return await self._route(http)
        except (msgspec.MsgspecError, ValueError, KeyError) as error:
            return json_response(400, {"error": str(error)})

    async def _route(self, http: HttpRequest) -> HttpResponse:
        match http.method, http.target.strip("/").split("/"):
            case "GET", ["health"]:
                return json_response(200, self._host.sizes())
            case "GET", ["faults"]:
                return json_response(200, self._host.hits())
            case "POST", ["faults", fault_id]:
                self._host.faults.apply(_fault(fault_id, http.body))
                self._on_switch("applied", fault_id)
                return json_response(200, {})
            case "DELETE", ["faults", fault_id]:
                self._host.faults.heal(fault_id)
                self._on_switch("healed", fault_id)
                return json_response(200, {})
            case "POST", ["routes"]:
                self._host.connect(msgspec.json.decode(http.body, type=dict[str, tuple[str, int]]))
                self._on_switch("connected", "")
                return json_response(200, {})
            case "POST", ["expected"]:
                self._host.expect(msgspec.json.decode(http.body, type=list[Expected]))
                return json_response(200, {})
            case "POST", ["scripts"]:
                self._host.scripts.follow(msgspec.json.decode(http.body, type=AssignedScripts))
                return json_response(200, {})
            case "POST", ["drain"]:
                within_s = min(
                    msgspec.json.decode(http.body, type=DrainRequest).within_s, MAX_DRAIN_S
                )
                return json_response(200, {"pending": await self._host.drain(within_s)})
            case _:
                return json_response(404, {"error": f"no {http.method} {http.target}"})


def _fault(fault_id: str, body: bytes) -> ActiveFault:
    spec = msgspec.json.decode(body, type=FaultSpec)
    kind = KINDS[spec.kind]
    # The parameters were read and checked by the conductor: they are plain numbers here.
    parameters = kind.model_construct(**spec.parameters)
    only = spec.parameters.get("only")
    if only is not None:
        parameters = parameters.model_copy(
            update={"only": AffectedPayments.model_construct(**only)}
        )
    if not isinstance(parameters, LinkFaultKind):
        raise ValueError(f"{spec.kind} does not act in a link")
    return ActiveFault(
        id=fault_id,
        parameters=parameters,
        spots=tuple(spec.spots),
    )
