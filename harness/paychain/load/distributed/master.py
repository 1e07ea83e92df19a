"""The master of a load over several workers: shares, clocks, the start, and everybody's records.

To the conductor it is what a single load process is: it reads a plan, reports when it is ready and
waits for the go. Beside that it keeps one spool file per worker, and reports the state of each.
"""

from __future__ import annotations

import os
import time
from importlib.metadata import version
from typing import Any

import gevent
import msgspec

from paychain.load.distributed.authentication import ChannelMac
from paychain.load.distributed.channel import listen, send
from paychain.load.distributed.chunks import Chunk, Inbox
from paychain.load.distributed.clock import ClockExchange
from paychain.load.distributed.messages import (
    Go,
    Heartbeat,
    Join,
    Leave,
    Ping,
    Pong,
    Readiness,
    Share,
    ShareRefused,
    StopPaying,
)
from paychain.load.distributed.roster import LOST_AFTER_S, Member, Roster
from paychain.load.distributed.run_files import (
    LostWorker,
    MasterState,
    lost_file,
    spool_file,
    state_file,
)
from paychain.load.traffic.plan import LoadPlan
from paychain.processes.files import write_atomically

TICK_S = 0.05
PING_S = 0.5  # between pings once the clock is measured
QUIT_S = 0.3  # for the last messages to leave this process
REPORT_S = 0.25  # between two reports to the conductor
COLLECT_S = 30.0  # after the last payment's deadline the last records are here, or missing


class Master:
    """Follows one run from the first worker that joins to the last record."""

    def __init__(self, runner: Any, plan: LoadPlan, mac: ChannelMac) -> None:
        self._runner, self._plan, self._mac = runner, plan, mac
        self._roster = Roster(plan.shares)
        self._stop: StopPaying | None = None
        self._start_ns: int | None = None
        self._until_s = float("inf")
        self._pinged_s: dict[str, float] = {}
        self._reported_s = 0.0
        listen(runner, Join, self._on_join)
        listen(runner, Pong, self._on_pong)
        listen(runner, Heartbeat, self._on_heartbeat)
        listen(runner, Chunk, self._on_chunk)
        listen(runner, Leave, self._on_leave)
        runner.environment.events.quitting.add_listener(lambda **_: self._report())

    def run(self) -> None:
        """Gather the workers, let them go, collect what they record, end Locust."""
        while not self._is_ready():
            self._tick()
            for member in self._roster.silent(time.monotonic()):
                self._roster.drop(member)
        self._roster.has_begun = True
        self._plan.ready.touch()
        go = self._plan.go
        while not go.exists() and self._stop is None:
            self._tick()
            self._watch()
        if go.exists():
            self._start_ns = int(go.read_text())
            self._end_by(self._start_ns / 1e9 + self._plan.lasts_s)
        while not all(member.is_done for member in self._roster.in_order):
            self._tick()
            self._watch()
        self._report()
        self._end()

    def _is_ready(self) -> bool:
        members = self._roster.in_order
        return self._roster.is_full and all(
            member.heartbeat.readiness >= Readiness.READY for member in members
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

    def _on_join(self, client: str, message: Join) -> None:
        ours = version("paychain")
        if message.version != ours:
            send(self._runner, ShareRefused(f"the master is paychain {ours}"), client)
            return
        member = self._roster.join(client, message.name, self._inbox, time.monotonic())
        if member is None:
            send(self._runner, ShareRefused("all shares are taken"), client)
            return
        self._ping(member)

    def _on_pong(self, client: str, message: Pong) -> None:
        now_ns = time.monotonic_ns()
        member = self._heard(client)
        if member is None:
            return
        member.clock.add(
            ClockExchange(message.sent_ns, message.received_ns, message.answered_ns, now_ns)
        )
        # Until the clock is measured the worker can have no plan: measure without a pause.
        if member.clock.offset is None:
            self._ping(member)

    def _on_heartbeat(self, client: str, message: Heartbeat) -> None:
        member = self._heard(client)
        if member is not None:
            member.heartbeat = message

    def _on_chunk(self, client: str, message: Chunk) -> None:
        member = self._heard(client)
        if member is not None:
            send(self._runner, member.inbox.receive(message), client)

    def _on_leave(self, client: str, _message: Leave) -> None:
        member = self._roster.heard(client, time.monotonic())
        if member is not None and self._roster.has_begun:
            self._lose(member, "it was terminated by a signal")
        elif member is not None:
            self._roster.drop(member)

    def _heard(self, client: str) -> Member | None:
        member = self._roster.heard(client, time.monotonic())
        if member is None:
            send(self._runner, ShareRefused("this worker no longer has a share of the run"), client)
        return member

    def _inbox(self, share: int) -> Inbox:
        file = os.open(spool_file(self._plan, share), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

        def write(data: bytes) -> None:
            while data:  # a full disk raises; a short write does not
                data = data[os.write(file, data) :]

        return Inbox(write)

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
            elif self._start_ns is not None and member.heartbeat.readiness < Readiness.GOING:
                send(self._runner, Go(self._start_ns), member.client)
        if now_s > self._reported_s + REPORT_S:
            self._reported_s = now_s
            self._report()

    def _ping(self, member: Member) -> None:
        """Ask for the clock; once it is known, send the plan until the worker has it."""
        self._pinged_s[member.client] = time.monotonic()
        send(self._runner, Ping(time.monotonic_ns()), member.client)
        offset = member.clock.offset
        if offset is not None and member.heartbeat.readiness < Readiness.READY:
            plan = msgspec.structs.replace(
                self._plan, share=member.share, epoch_ns=self._plan.epoch_ns + offset.ns
            )
            send(self._runner, Share(msgspec.json.encode(plan)), member.client)

    def _watch(self) -> None:
        """Give up lost workers; one lost worker ends the load for all."""
        for member in self._roster.silent(time.monotonic()):
            self._lose(member, f"silent for {LOST_AFTER_S:.0f} s")
        # The conductor sees at once when a worker on its machine dies; here it is only silent.
        lost = lost_file(self._plan)
        if lost.exists():
            reasons = {
                worker.name: worker.reason
                for worker in msgspec.json.decode(lost.read_bytes(), type=list[LostWorker])
            }
            for member in self._roster.in_order:
                if member.name in reasons:
                    self._lose(member, reasons[member.name])
        if self._stop is None and self._plan.stop.exists():
            self._stop_all("the run ended the load")
        if self._now_s() > self._until_s:
            for member in self._roster.in_order:
                if not member.is_done:
                    self._lose(member, "its last records did not arrive in time")

    def _lose(self, member: Member, reason: str) -> None:
        if member.is_done:
            return
        member.lost = reason
        self._stop_all(f"{member.name} was lost")

    def _stop_all(self, reason: str) -> None:
        if self._stop is None:
            self._stop = StopPaying(reason)
            self._end_by(self._now_s())

    def _end_by(self, load_end_s: float) -> None:
        self._until_s = load_end_s + self._plan.longest_s + COLLECT_S

    def _now_s(self) -> float:
        return (time.monotonic_ns() - self._plan.epoch_ns) / 1e9

    def _report(self) -> None:
        states = [member.state() for member in self._roster.in_order]
        write_atomically(state_file(self._plan), MasterState(states, self._mac.refused))
