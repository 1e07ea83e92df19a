"""Bodies of the API's requests: read from JSON and checked as a whole before anything changes.

Field names, error texts and their order follow Toxiproxy's api.go and toxic_collection.go.
"""

from __future__ import annotations

from typing import Any

from paychain.toxics.gojson import GoStruct, MalformedJson, decode, decode_list, parse
from paychain.toxics.registry import TOXICS, wrong_attributes
from paychain.toxics.stage import Stage
from paychain.toxics.toxic import Toxic

_LOGGER = GoStruct("zerolog.Logger", "Logger")  # a field that Toxiproxy's JSON exposes by accident
# Extensions: the prefix of the payment ids to look for in requests; and whether to look for them in
# those that were answered as well, because nobody behind the hop does.
OBSERVE, OBSERVE_ALL = "observe", "observe_all"
_PROXY_FIELDS: dict[str, GoStruct | str] = {
    "name": "string",
    "listen": "string",
    "upstream": "string",
    "enabled": "bool",
    "Logger": _LOGGER,
    OBSERVE: "string",
    OBSERVE_ALL: "bool",
}
_PROXY = GoStruct("toxiproxy.Proxy", "Proxy", _PROXY_FIELDS)
_POPULATED = GoStruct(
    'struct { toxiproxy.Proxy; Enabled *bool "json:\\"enabled\\"" }',
    "",
    _PROXY_FIELDS,
    within="Proxy.",
    own=("enabled",),
)
_TOXIC = GoStruct(
    "toxics.ToxicWrapper",
    "ToxicWrapper",
    {
        "attributes": GoStruct("toxics.NoopToxic", "NoopToxic"),
        "name": "string",
        "type": "string",
        "stream": "string",
        "toxicity": "float32",
    },
)
_CHANGE_TYPE = (
    'struct { Attributes interface {} "json:\\"attributes\\""; '
    'Toxicity float32 "json:\\"toxicity\\"" }'
)


class ApiError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def proxy_in(body: bytes) -> dict[str, Any]:
    """The fields of a proxy that a body gives. Raises ApiError."""
    try:
        return decode(parse(body), _PROXY)
    except MalformedJson as error:
        raise _bad_body(error) from error


def new_proxy_in(body: bytes) -> dict[str, Any]:
    """The fields of a proxy to create. Raises ApiError."""
    given = proxy_in(body)
    _require(given, "")
    return given


def new_proxies_in(body: bytes) -> list[dict[str, Any]]:
    """The fields of the proxies to populate with. Raises ApiError."""
    try:
        entries = decode_list(parse(body), _POPULATED)
    except MalformedJson as error:
        raise _bad_body(error) from error
    for number, given in enumerate(entries, start=1):
        _require(given, f" at proxy {number}")
    return entries


def _require(given: dict[str, Any], place: str) -> None:
    for required in ("name", "upstream"):
        if not given.get(required):
            raise ApiError(400, f"missing required field: {required}{place}")


def new_toxic_in(body: bytes, taken: list[str]) -> Toxic:
    """A toxic to add, when its name is not taken. Raises ApiError."""
    try:
        value = parse(body)
        given = decode(value, _TOXIC)
    except MalformedJson as error:
        raise _bad_body(error) from error
    kind, stream = given.get("type", ""), given.get("stream", "downstream")
    if stream.lower() not in ("upstream", "downstream"):
        raise ApiError(400, "stream was invalid, can be either upstream or downstream")
    if kind not in TOXICS:
        raise ApiError(400, "invalid toxic type")
    name = given.get("name") or f"{kind}_{stream}"
    if name in taken:
        raise ApiError(409, "toxic already exists")
    blank = Toxic(
        name=name,
        type=kind,
        stream=stream,
        toxicity=1.0,
        attributes={key: 0 for key, _ in TOXICS[kind].ATTRIBUTES},
    )
    toxicity, attributes = _changed(value, blank)
    return Toxic(name=name, type=kind, stream=stream, toxicity=toxicity, attributes=attributes)


def changed_toxic_in(body: bytes, toxic: Toxic) -> tuple[float, dict[str, int]]:
    """The toxicity and all attributes a toxic is to have, others unchanged. Raises ApiError."""
    try:
        value = parse(body)
    except MalformedJson as error:
        raise _bad_body(error) from error
    return _changed(value, toxic)


def _changed(value: Any, toxic: Toxic) -> tuple[float, dict[str, int]]:
    kind = TOXICS[toxic.type]
    try:
        given = decode(value, _change_of(kind))
    except MalformedJson as error:
        raise _bad_body(error) from error
    attributes = {**toxic.attributes, **given.get("attributes", {})}
    toxicity = given.get("toxicity", toxic.toxicity)
    reason = wrong_attributes(toxic.type, attributes)
    if reason is not None:
        raise ApiError(400, reason)
    if not 0 <= toxicity <= 1:
        raise ApiError(400, "toxicity must be between 0 and 1")
    return toxicity, attributes


def _change_of(kind: type[Stage]) -> GoStruct:
    name = kind.GO_NAME
    attributes = GoStruct(f"toxics.{name}", name, dict(kind.ATTRIBUTES))
    return GoStruct(_CHANGE_TYPE, "", {"attributes": attributes, "toxicity": "float32"})


def _bad_body(error: MalformedJson) -> ApiError:
    return ApiError(400, f"bad request body: {error}")
