"""Locust's channel between master and workers, authenticated, with messages of ours on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from locust.exception import RPCError, RPCReceiveError
from locust.rpc import Message

from paychain.load.distributed.authentication import ChannelMac, ChannelSide
from paychain.load.distributed.messages import name_of
from paychain.processes.tokens import Unauthenticated

T = TypeVar("T", bound=msgspec.Struct)


class UnauthenticatedMessage(RPCReceiveError, RPCError):  # type: ignore[misc]  # Locust's bases are untyped
    """Both of Locust's kinds of error: the master drops such a message, and so does a worker."""


def authenticate_channel(token: str, side: ChannelSide) -> ChannelMac:
    """From now on every message of this process' channel has a proof, Locust's own as well.

    Locust has no hook for this. So its two functions that turn messages into bytes and back are
    replaced, once per process and before it opens its channel.
    """
    mac = ChannelMac(token, side)
    serialize, unserialize = Message.serialize, Message.unserialize

    def read(data: bytes) -> Any:
        try:
            return unserialize(mac.unwrap(data))
        except Unauthenticated as error:
            raise UnauthenticatedMessage(str(error)) from error

    Message.serialize = lambda message: mac.wrap(serialize(message))
    Message.unserialize = staticmethod(read)
    return mac


def send(runner: Any, message: msgspec.Struct, client: str | None = None) -> None:
    """Send to one worker, or from a worker to its master."""
    data = msgspec.to_builtins(message, builtin_types=(bytes,))
    runner.send_message(name_of(type(message)), data, client)


def listen(runner: Any, kind: type[T], on_message: Callable[[str, T], None]) -> None:
    """Call back for messages of one kind, with Locust's id of the worker they are from or for."""

    def received(environment: object, msg: Any) -> None:  # noqa: ARG001  (Locust passes both by name)
        on_message(msg.node_id, msgspec.convert(msg.data, kind))

    runner.register_message(name_of(kind), received)
