"""The in-link faults of a services process, switched over its control API."""

from __future__ import annotations

from dataclasses import asdict

import requests
from requests.auth import AuthBase

from paychain.engine.errors import EngineError
from paychain.faults.fault import Fault
from paychain.model.places import Place
from paychain.processes.sessions import direct_session

TIMEOUT_S = (2.0, 5.0)  # connect, read


class RemoteLinkFaults:
    """Those of another process. `url` is its control API, `auth` what it asks a proof of."""

    def __init__(self, url: str, auth: AuthBase | None = None) -> None:
        self._url = url
        self._session = direct_session(auth)

    def apply(self, fault: Fault, place: Place) -> None:
        """Switch a fault on."""
        spec = {
            "spots": [asdict(spot) for spot in place.spots],
            "kind": fault.kind,
            "parameters": fault.parameters.model_dump(),
        }
        self._request("POST", f"/faults/{fault.id}", spec)

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
