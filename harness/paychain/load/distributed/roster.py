"""Which worker makes which share of the payments, and which are lost.

Times are seconds of the master's clock.

A share belongs to one worker process for the whole run. A worker whose connection breaks and comes
back is the same worker; a process that was restarted is another and gets no share of a run that has
begun, because it is unknown which payments the first process made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from paychain.load.distributed.chunks import Inbox
from paychain.load.distributed.clock import ClockMeasure
from paychain.load.distributed.messages import Heartbeat, Readiness

LOST_AFTER_S = 10.0  # of silence, as the other side hears it


class WorkerState(msgspec.Struct, frozen=True, kw_only=True):
    """What the master reports to the conductor about one worker."""

    name: str
    share: int
    started: int
    offset_ns: int | None  # its clock minus the master's, as its records were translated
    uncertainty_ns: int | None
    drift_ns: int | None  # how far that had changed when last measured
    drift_uncertainty_ns: int | None
    delivered: bool  # every record it made has arrived
    lost: str = ""  # why it was given up
    problems: list[str] = []  # with how customers pay, as its answers showed


_FIRST = Heartbeat(Readiness.JOINED, 0, is_over=False, size=0)


@dataclass(kw_only=True)
class Member:
    """A worker with a share."""

    client: str  # Locust's id of the process
    name: str
    share: int
    inbox: Inbox
    heard_s: float
    clock: ClockMeasure = field(default_factory=ClockMeasure)
    heartbeat: Heartbeat = _FIRST
    lost: str = ""

    @property
    def is_delivered(self) -> bool:
        """Whether its last record has arrived."""
        return self.heartbeat.is_over and self.inbox.received == self.heartbeat.size

    @property
    def is_done(self) -> bool:
        """Nothing more will come."""
        return self.is_delivered or bool(self.lost)

    def state(self) -> WorkerState:
        """What the conductor needs to know."""
        offset, now = self.clock.offset, self.clock.offset_now
        return WorkerState(
            name=self.name,
            share=self.share,
            started=self.heartbeat.started,
            offset_ns=offset.ns if offset else None,
            uncertainty_ns=offset.uncertainty_ns if offset else None,
            drift_ns=now.ns - offset.ns if offset and now else None,
            drift_uncertainty_ns=(
                now.uncertainty_ns + offset.uncertainty_ns if offset and now else None
            ),
            delivered=self.is_delivered,
            lost=self.lost,
            problems=self.heartbeat.problems,
        )


class Roster:
    """The workers of one run, whose load is split into so many shares."""

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
        """The worker with its share, the same however often it asks; None when no share is free."""
        if client in self.members:
            return self.members[client]
        if self.is_full or self.has_begun:
            return None
        taken = {member.share for member in self.members.values()}
        share = next(number for number in range(self._shares) if number not in taken)
        member = Member(
            client=client,
            name=self._unused(name),
            share=share,
            inbox=inbox(share),
            heard_s=now_s,
        )
        self.members[client] = member
        return member

    def heard(self, client: str, now_s: float) -> Member | None:
        """Note a sign of life; None when the sender has no share."""
        member = self.members.get(client)
        if member is not None:
            member.heard_s = now_s
        return member

    def silent(self, now_s: float) -> list[Member]:
        """Workers with work left that have been silent for LOST_AFTER_S."""
        return [
            member
            for member in self.members.values()
            if not member.is_done and now_s - member.heard_s > LOST_AFTER_S
        ]

    def drop(self, member: Member) -> None:
        """Free the share of a worker that left before the load began."""
        assert not self.has_begun
        del self.members[member.client]

    @property
    def in_order(self) -> list[Member]:
        """By share."""
        return sorted(self.members.values(), key=lambda member: member.share)

    def _unused(self, name: str) -> str:
        taken = {member.name for member in self.members.values()}
        names = [name, *(f"{name}-{number}" for number in range(2, self._shares + 1))]
        return next(name for name in names if name not in taken)
