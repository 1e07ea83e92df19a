"""The in-link faults of a services process, switched over its control API."""

from __future__ import annotations

from typing import Protocol

import requests
from requests.auth import AuthBase

from harness.faults.control import EngineError
from harness.faults.timeline import Place
from harness.model.fault import Fault

TIMEOUT_S = (2.0, 5.0)  # connect, read


class LinkFaults(Protocol):
    """Switches in-link faults. Raises EngineError when the other side does not take the order."""

    def apply(self, fault: Fault, place: Place) -> None:
        """Switch a fault on."""

    def heal(self, fault_id: str) -> None:
        """Switch a fault off; one that is off stays off."""

    def hits(self) -> dict[str, int]:
        """How many requests each fault acted on."""


class RemoteLinkFaults:
    """Those of another process. `url` is its control API, `auth` what it asks a proof of."""

    def __init__(self, url: str, auth: AuthBase | None = None) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.auth = auth
        self._session.trust_env = False  # never through a corporate proxy

    def apply(self, fault: Fault, place: Place) -> None:
        """Switch a fault on."""
        order = {
            "links": place.links, "kind": fault.kind, "parameters": fault.parameters.model_dump(),
            "caller": place.caller, "operation": place.operation,
        }  # fmt: skip
        self._request("POST", f"/faults/{fault.id}", order)

    def heal(self, fault_id: str) -> None:
        """Switch a fault off."""
        self._request("DELETE", f"/faults/{fault_id}")

    def hits(self) -> dict[str, int]:
        """How many requests each fault acted on."""
        found: dict[str, int] = self._request("GET", "/faults").json()
        return found

    def _request(self, method: str, path: str, json: object = None) -> requests.Response:
        try:
            response = self._session.request(method, self._url + path, json=json, timeout=TIMEOUT_S)
        except requests.RequestException as error:
            raise EngineError(f"{method} {path}: no answer ({type(error).__name__})") from error
        if response.status_code != 200:
            raise EngineError(f"{method} {path}: {response.text}", response.status_code)
        return response
