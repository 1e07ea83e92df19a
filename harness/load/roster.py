"""Who makes which share of the payments, and who is lost. Times are seconds of the master's clock.

A share belongs to one worker process for the whole run. A worker whose connection breaks and comes
back is the same one; a process that was started anew is another and gets no share of a run that
has begun, because nobody knows which payments the first one made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from harness.load.chunks import Inbox
from harness.load.clock import ClockMeasure
from harness.load.messages import Beat, Readiness

LOST_AFTER_S = 10.0  # of silence, as the other side hears it


class WorkerState(msgspec.Struct, frozen=True):
    """What the master tells the conductor of one worker."""

    name: str
    share: int
    started: int
    offset_ns: int | None  # its clock minus the master's, as its records were translated
    within_ns: int | None
    drift_ns: int | None  # how far that had changed when last measured
    drift_within_ns: int | None
    delivered: bool  # every record it made has arrived
    lost: str = ""  # why and when it was given up


_FIRST = Beat(Readiness.JOINED, 0, is_over=False, size=0)


@dataclass
class Member:
    """A worker with a share."""

    client: str  # Locust's id of the process
    name: str
    share: int
    inbox: Inbox
    heard_s: float
    clock: ClockMeasure = field(default_factory=ClockMeasure)
    beat: Beat = _FIRST
    lost: str = ""

    @property
    def is_delivered(self) -> bool:
        """Its last record is here."""
        return self.beat.is_over and self.inbox.received == self.beat.size

    @property
    def is_done(self) -> bool:
        """Nothing more will come."""
        return self.is_delivered or bool(self.lost)

    def state(self) -> WorkerState:
        """As the conductor is told."""
        offset, now = self.clock.offset, self.clock.offset_now
        return WorkerState(
            self.name, self.share, self.beat.started,
            offset.ns if offset else None,
            offset.within_ns if offset else None,
            now.ns - offset.ns if offset and now else None,
            now.within_ns + offset.within_ns if offset and now else None,
            self.is_delivered, self.lost,
        )  # fmt: skip


class Roster:
    """The workers of one run."""

    def __init__(self, shares: int) -> None:
        self.members: dict[str, Member] = {}  # by Locust's id
        self.has_begun = False
        self._shares = shares

    @property
    def is_full(self) -> bool:
        """Every share has its worker."""
        return len(self.members) == self._shares

    def join(
        self, client: str, name: str, inbox: Callable[[int], Inbox], now_s: float
    ) -> Member | None:
        """The worker with its share, the same one however often it asks; None without a share."""
        if client in self.members:
            return self.members[client]
        if self.is_full or self.has_begun:
            return None
        taken = {one.share for one in self.members.values()}
        share = next(number for number in range(self._shares) if number not in taken)
        member = Member(client, self._unused(name), share, inbox(share), now_s)
        self.members[client] = member
        return member

    def heard(self, client: str, now_s: float) -> Member | None:
        """A sign of life; None of somebody without a share."""
        member = self.members.get(client)
        if member is not None:
            member.heard_s = now_s
        return member

    def silent(self, now_s: float) -> list[Member]:
        """Workers that were not heard for too long."""
        return [
            one
            for one in self.members.values()
            if not one.is_done and now_s - one.heard_s > LOST_AFTER_S
        ]

    def drop(self, member: Member) -> None:
        """Give the share of a worker back that went before the load began."""
        assert not self.has_begun
        del self.members[member.client]

    @property
    def in_order(self) -> list[Member]:
        """By share."""
        return sorted(self.members.values(), key=lambda one: one.share)

    def _unused(self, name: str) -> str:
        taken = {one.name for one in self.members.values()}
        names = [name, *(f"{name}-{number}" for number in range(2, self._shares + 1))]
        return next(one for one in names if one not in taken)
