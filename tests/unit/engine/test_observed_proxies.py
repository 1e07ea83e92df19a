"""A proxy of an own service's hop is made so that the embedded engine reads its requests."""

from __future__ import annotations

import json

from paychain.engine.control import EngineControl, RequestReading
from tests.support.fake_toxiproxy import proxy, serving


def test_the_embedded_engine_is_asked_to_observe_and_a_toxiproxy_takes_no_notice() -> None:
    with serving() as server:
        server.answers["POST /proxies"] = (201, json.dumps(proxy("a")).encode())
        control = EngineControl(server.url, mark="run-")
        near = control.create("a", "127.0.0.1:9", observed=RequestReading("pk3fa", is_blind=False))
        control.close()
        (body,) = [body for asked, body in server.asked if asked == "POST /proxies"]
    assert near == "127.0.0.1:1"
    assert body == {
        "name": "run-a",
        "upstream": "127.0.0.1:9",
        "listen": "127.0.0.1:0",
        "enabled": True,
        "observe": "pk3fa",
        "observe_all": False,
    }
