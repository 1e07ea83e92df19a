"""The master of a load over several workers: shares, clocks, the start, and everybody's records.

To the conductor it is what a single load process is: it reads a plan, says when it is ready and
waits for the go. Beside that it keeps one spool file per worker, and says how each of them is.
"""

from __future__ import annotations

import os
import time
from importlib.metadata import version
from typing import Any

import gevent
import msgspec

from harness.load.channel import listen, send
from harness.load.chunks import Chunk, Inbox
from harness.load.clock import Exchange
from harness.load.left import Lost, MasterState, lost_file, spool_file, state_file
from harness.load.messages import (
    Beat,
    Go,
    Join,
    Leave,
    Ping,
    Pong,
    Readiness,
    Refused,
    Share,
    Stop,
)
from harness.load.plan import LoadPlan
from harness.load.roster import LOST_AFTER_S, Member, Roster
from harness.load.seal import Seal
from harness.services.plan import write_whole

TICK_S = 0.05
PING_S = 0.5  # between pings once the clock is measured
QUIT_S = 0.3  # for the last words to leave this process
TELL_S = 0.25  # between two words to the conductor
COLLECT_S = 30.0  # after the last payment's deadline the last records are here, or missing


class Master:
    """Follows one run from the first worker that joins to the last record."""

    def __init__(self, runner: Any, plan: LoadPlan, seal: Seal) -> None:
        self._runner, self._plan, self._seal = runner, plan, seal
        self._roster = Roster(plan.shares)
        self._stop: Stop | None = None
        self._start_ns: int | None = None
        self._until_s = float("inf")
        self._pinged_s: dict[str, float] = {}
        self._told_s = 0.0
        listen(runner, Join, self._join)
        listen(runner, Pong, self._pong)
        listen(runner, Beat, self._beat)
        listen(runner, Chunk, self._chunk)
        listen(runner, Leave, self._leave)
        runner.environment.events.quitting.add_listener(lambda **_: self._tell())

    def run(self) -> None:
        """Gather the workers, let them go, collect what they record, end Locust."""
        while not self._is_ready():
            self._tick()
            for gone in self._roster.silent(time.monotonic()):
                self._roster.drop(gone)
        self._roster.has_begun = True
        self._plan.ready.touch()
        go = self._plan.go
        while not go.exists() and self._stop is None:
            self._tick()
            self._watch()
        if go.exists():
            self._start_ns = int(go.read_text())
            self._end_by(self._start_ns / 1e9 + self._plan.lasts_s)
        while not all(one.is_done for one in self._roster.in_order):
            self._tick()
            self._watch()
        self._tell()
        self._end()

    def _is_ready(self) -> bool:
        members = self._roster.in_order
        return self._roster.is_full and all(
            one.beat.readiness >= Readiness.READY for one in members
        )

    def _end(self) -> None:
        """Send the workers home and end the process.

        Not by Locust's own quit: it also begins one when its last worker goes, and two at once
        wait for each other for good.
        """
        for client in self._roster.members:
            self._runner.send_message("quit", None, client)
        gevent.sleep(QUIT_S)
        os._exit(0)

    # -- what workers say -----------------------------------------------------------------------
    def _join(self, client: str, message: Join) -> None:
        ours = version("paychain")
        if message.version != ours:
            send(self._runner, Refused(f"the master is paychain {ours}"), client)
            return
        member = self._roster.join(client, message.name, self._inbox, time.monotonic())
        if member is None:
            send(self._runner, Refused("every share of the run has its worker"), client)
            return
        self._ping(member)

    def _pong(self, client: str, message: Pong) -> None:
        now_ns = time.monotonic_ns()
        member = self._heard(client)
        if member is None:
            return
        member.clock.add(
            Exchange(message.sent_ns, message.received_ns, message.answered_ns, now_ns)
        )
        if member.clock.offset is None:
            self._ping(member)

    def _beat(self, client: str, message: Beat) -> None:
        member = self._heard(client)
        if member is not None:
            member.beat = message

    def _chunk(self, client: str, message: Chunk) -> None:
        member = self._heard(client)
        if member is not None:
            send(self._runner, member.inbox.take(message), client)

    def _leave(self, client: str, _message: Leave) -> None:
        member = self._roster.heard(client, time.monotonic())
        if member is not None and self._roster.has_begun:
            self._lose(member, "somebody ended it")
        elif member is not None:
            self._roster.drop(member)

    def _heard(self, client: str) -> Member | None:
        member = self._roster.heard(client, time.monotonic())
        if member is None:
            send(self._runner, Refused("this worker has no share of the run any more"), client)
        return member

    def _inbox(self, share: int) -> Inbox:
        file = os.open(spool_file(self._plan, share), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

        def write(data: bytes) -> None:
            while data:  # a full disk raises; a short write does not
                data = data[os.write(file, data) :]

        return Inbox(write)

    # -- what workers are told ------------------------------------------------------------------
    def _tick(self) -> None:
        """Repeat to each worker what it has not confirmed yet; keep the conductor up to date."""
        gevent.sleep(TICK_S)
        now_s = time.monotonic()
        for member in self._roster.in_order:
            if member.is_done:
                continue
            if now_s - self._pinged_s.get(member.client, 0.0) > PING_S:
                self._ping(member)
            if self._stop is not None:
                send(self._runner, self._stop, member.client)
            elif self._start_ns is not None and member.beat.readiness < Readiness.GOING:
                send(self._runner, Go(self._start_ns), member.client)
        if now_s > self._told_s + TELL_S:
            self._told_s = now_s
            self._tell()

    def _ping(self, member: Member) -> None:
        """Ask for the clock; once it is known, send the plan until the worker has it."""
        self._pinged_s[member.client] = time.monotonic()
        send(self._runner, Ping(time.monotonic_ns()), member.client)
        offset = member.clock.offset
        if offset is not None and member.beat.readiness < Readiness.READY:
            plan = msgspec.structs.replace(
                self._plan, share=member.share, epoch_ns=self._plan.epoch_ns + offset.ns
            )
            send(self._runner, Share(msgspec.json.encode(plan)), member.client)

    # -- the end --------------------------------------------------------------------------------
    def _watch(self) -> None:
        """Give up who is lost; one lost worker ends the load for all."""
        for member in self._roster.silent(time.monotonic()):
            self._lose(member, f"not heard for {LOST_AFTER_S:.0f} s")
        lost = lost_file(self._plan)
        if lost.exists():
            for one in msgspec.json.decode(lost.read_bytes(), type=list[Lost]):
                for member in self._roster.in_order:
                    if member.name == one.name:
                        self._lose(member, one.why)
        if self._stop is None and self._plan.stop.exists():
            self._stop_all("the conductor ends the load")
        if self._now_s() > self._until_s:
            for member in self._roster.in_order:
                if not member.is_done:
                    self._lose(member, "its last records did not arrive in time")

    def _lose(self, member: Member, why: str) -> None:
        if member.is_done:
            return
        member.lost = why
        self._stop_all(f"{member.name} was lost")

    def _stop_all(self, why: str) -> None:
        if self._stop is None:
            self._stop = Stop(why)
            self._end_by(self._now_s())

    def _end_by(self, load_end_s: float) -> None:
        self._until_s = load_end_s + self._plan.deadline_s + COLLECT_S

    def _now_s(self) -> float:
        return (time.monotonic_ns() - self._plan.epoch_ns) / 1e9

    def _tell(self) -> None:
        states = [one.state() for one in self._roster.in_order]
        write_whole(state_file(self._plan), MasterState(states, self._seal.refused))
