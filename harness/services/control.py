"""The control API of a services process: routes, faults, drain. Loopback only."""

from __future__ import annotations

from typing import Any

import msgspec

from harness.model.fault import LINK_KINDS, Struck
from harness.services.fault import ActiveFault
from harness.services.host import Host
from harness.wire.http import HttpRequest, HttpResponse

LONGEST_DRAIN_S = 120.0


class FaultOrder(msgspec.Struct, frozen=True):
    """Body of POST /faults/{id}. `parameters` as in an experiment file."""

    links: list[str]
    kind: str
    parameters: dict[str, Any]
    caller: str | None = None
    operation: str | None = None


class Drain(msgspec.Struct, frozen=True):
    """Body of POST /drain."""

    within_s: float


class ControlApi:
    """Handles the control requests of one process."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def handle(self, http: HttpRequest) -> HttpResponse:
        """Answer one control request; 400 for a body that is not what the path needs."""
        try:
            return await self._route(http)
        except (msgspec.MsgspecError, ValueError, KeyError) as error:
            return _json(400, {"error": str(error)})

    async def _route(self, http: HttpRequest) -> HttpResponse:
        match http.method, http.target.strip("/").split("/"):
            case "GET", ["health"]:
                return _json(200, self._host.sizes())
            case "GET", ["faults"]:
                return _json(200, self._host.faults.hits)
            case "POST", ["faults", fault_id]:
                self._host.faults.apply(_fault(fault_id, http.body))
                return _json(200, {})
            case "DELETE", ["faults", fault_id]:
                self._host.faults.heal(fault_id)
                return _json(200, {})
            case "POST", ["routes"]:
                self._host.connect(msgspec.json.decode(http.body, type=dict[str, tuple[str, int]]))
                return _json(200, {})
            case "POST", ["drain"]:
                within_s = min(msgspec.json.decode(http.body, type=Drain).within_s, LONGEST_DRAIN_S)
                return _json(200, {"pending": await self._host.drain(within_s)})
            case _:
                return _json(404, {"error": f"no {http.method} {http.target}"})


def _fault(fault_id: str, body: bytes) -> ActiveFault:
    order = msgspec.json.decode(body, type=FaultOrder)
    kind = LINK_KINDS[order.kind]
    # The parameters were read and checked by the conductor: they are plain numbers here.
    parameters = kind.model_construct(**order.parameters)
    only = order.parameters.get("only")
    if only is not None:
        parameters = parameters.model_copy(update={"only": Struck.model_construct(**only)})
    return ActiveFault(fault_id, parameters, frozenset(order.links), order.caller, order.operation)


def _json(status: int, value: Any) -> HttpResponse:
    return HttpResponse(status, msgspec.json.encode(value), {"content-type": "application/json"})
