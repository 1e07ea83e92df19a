"""The messages between master and workers, beside Locust's own and the records (chunks.py)."""

from __future__ import annotations

from enum import IntEnum

import msgspec


class Readiness(IntEnum):
    """How far a worker is."""

    JOINED = 0  # known to the master, without a plan
    READY = 1  # has its plan and could begin
    GOING = 2  # knows when the load begins


class Join(msgspec.Struct, frozen=True):
    """A worker asks for a share, again and again until it has a plan."""

    name: str
    version: str  # of paychain: both sides must record alike


class ShareRefused(msgspec.Struct, frozen=True):
    """There is no share for this worker."""

    reason: str


class Ping(msgspec.Struct, frozen=True):
    """The master asks for the worker's clock; also its sign of life."""

    sent_ns: int


class Pong(msgspec.Struct, frozen=True):
    """The worker's clock when a ping came and when it was answered."""

    sent_ns: int
    received_ns: int
    answered_ns: int


class Share(msgspec.Struct, frozen=True):
    """A worker's plan as JSON, in the time of the worker's own clock."""

    plan: bytes


class Go(msgspec.Struct, frozen=True):
    """When the load begins, since the run's epoch."""

    start_ns: int


class Heartbeat(msgspec.Struct, frozen=True):
    """A worker's sign of life, and how far it is."""

    readiness: Readiness
    started: int  # payments
    is_over: bool  # its last record is written: `size` is final
    size: int  # bytes of its spool file
    problems: list[str] = []  # with how customers pay, once they are certain


class Leave(msgspec.Struct, frozen=True):
    """A worker was terminated by a signal before it was done."""


class StopPaying(msgspec.Struct, frozen=True):
    """No more payments are to be started."""

    reason: str


def name_of(kind: type[msgspec.Struct]) -> str:
    """The message type on Locust's channel."""
    return f"paychain {kind.__name__.lower()}"
