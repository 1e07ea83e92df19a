"""The embedded fault engine and the in-link faults, driven within the simulation's own loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import msgspec

from paychain.engine.errors import EngineError
from paychain.faults.fault import Fault
from paychain.faults.kind import LinkFaultKind
from paychain.faults.toxic_spec import ToxicSpec
from paychain.model.places import Place
from paychain.processes.loopback import LOOPBACK
from paychain.services.host import Host
from paychain.services.in_link_faults import ActiveFault
from paychain.toxics.api import Api
from paychain.toxics.api_requests import OBSERVE, OBSERVE_ALL, ApiError
from paychain.toxics.observation import Record as RecordExchange
from paychain.toxics.proxy import CannotListen
from paychain.wire.http import HttpRequest

T = TypeVar("T")


class VirtualEngine:
    """The proxies and toxics of one simulation, over the API that the embedded engine serves."""

    def __init__(
        self, seed: int, now_ns: Callable[[], int], exchanges: RecordExchange | None = None
    ) -> None:
        """`exchanges` takes those of hops that are observed."""
        self._api = Api(seed, now_ns, exchanges)

    def create(
        self,
        name: str,
        upstream: str,
        port: int = 0,
        id_prefix: str = "",
        *,
        is_blind: bool = False,
    ) -> tuple[str, int]:
        """Make a proxy; returns its address. `port`: where, 0 is any.

        `id_prefix`: the exchanges over it are recorded, with payments whose ids begin so.
        `is_blind`: nobody behind it notes them.
        """
        given: dict[str, Any] = {"name": name, "upstream": upstream}
        if port:
            given["listen"] = f"{LOOPBACK}:{port}"
        if id_prefix:
            given |= {OBSERVE: id_prefix, OBSERVE_ALL: is_blind}
        # Not as a request: a search makes every proxy anew for each schedule.
        try:
            made = _at_once(self._api.create(given))
        except (ApiError, CannotListen) as error:
            raise EngineError(f"proxy {name}: {error}") from error
        host, _, made_port = made.listen.rpartition(":")
        return host, int(made_port)

    def enable(self, name: str, *, enabled: bool) -> None:
        """Start or stop a proxy."""
        self._request("POST", f"/proxies/{name}", {"enabled": enabled})

    def add_toxic(self, proxy: str, name: str, toxic: ToxicSpec, toxicity: float) -> None:
        """Add a toxic to a proxy."""
        body = {
            "name": name,
            "type": toxic.kind,
            "stream": toxic.stream,
            "toxicity": toxicity,
            "attributes": toxic.attributes,
        }
        self._request("POST", f"/proxies/{proxy}/toxics", body)

    def remove_toxic(self, proxy: str, name: str) -> None:
        """Remove a toxic from a proxy."""
        self._request("DELETE", f"/proxies/{proxy}/toxics/{name}")

    def events(self, after: int) -> dict[str, Any]:
        """A page of the engine's events after a number."""
        return self._api.events.after(after)

    def stop(self) -> None:
        """Stop every proxy."""
        for proxy in self._api.proxies.values():
            proxy.stop()

    def _request(self, method: str, path: str, body: Any = None) -> Any:
        data = b"" if body is None else msgspec.json.encode(body)
        response = _at_once(self._api.handle(HttpRequest(method, path, body=data)))
        if response.status >= 400:
            reason = response.body.decode(errors="replace").strip()
            raise EngineError(f"{method} {path}: {reason}", response.status)
        return msgspec.json.decode(response.body) if response.body else None


class VirtualLinkFaults:
    """The in-link faults of links in the same loop."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._faults = host.faults

    def apply(self, fault: Fault, place: Place) -> None:
        """Switch a fault on."""
        parameters = fault.parameters
        assert isinstance(parameters, LinkFaultKind), f"{fault.kind} does not act in a link"
        self._faults.apply(
            ActiveFault(
                id=fault.id,
                parameters=parameters,
                spots=place.spots,
            )
        )

    def heal(self, fault_id: str) -> None:
        """Switch a fault off."""
        self._faults.heal(fault_id)

    def hits(self) -> dict[str, int]:
        """How many requests each fault acted on."""
        return self._host.hits()


def _at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits: in memory, listening takes no time."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise AssertionError("the engine's API waited for something")
