"""Locust's channel between master and workers, sealed, with messages of ours on it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from locust.exception import RPCError, RPCReceiveError
from locust.rpc import Message

from harness.load.messages import name_of
from harness.load.seal import SENDER_BYTES, Seal, Side, Unsealed

T = TypeVar("T", bound=msgspec.Struct)


class Stranger(RPCReceiveError, RPCError):  # type: ignore[misc]  # untyped bases
    """Both of Locust's kinds: the master drops such a message, and so does a worker."""


def seal_channel(token: bytes, side: Side) -> Seal:
    """From now on every message of this process' channel is sealed, Locust's own as well.

    Locust has no place to do this in, so its two functions that turn messages into bytes and back
    are replaced, once per process and before it opens its channel.
    """
    seal = Seal(token, side, os.urandom(SENDER_BYTES))
    serialize, unserialize = Message.serialize, Message.unserialize

    def opened(data: bytes) -> Any:
        try:
            return unserialize(seal.open(data))
        except Unsealed as error:
            raise Stranger(str(error)) from error

    Message.serialize = lambda message: seal.close(serialize(message))
    Message.unserialize = staticmethod(opened)
    return seal


def send(runner: Any, message: msgspec.Struct, client: str | None = None) -> None:
    """To one worker, or from a worker to its master."""
    data = msgspec.to_builtins(message, builtin_types=(bytes,))
    runner.send_message(name_of(type(message)), data, client)


def listen(runner: Any, kind: type[T], take: Callable[[str, T], None]) -> None:
    """Have messages of one kind taken, with Locust's id of the worker they are from or for."""

    def heard(environment: object, msg: Any) -> None:  # noqa: ARG001  (Locust names them)
        take(msg.node_id, msgspec.convert(msg.data, kind))

    runner.register_message(name_of(kind), heard)
