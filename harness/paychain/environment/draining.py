"""Waits until nothing of a real chain changes any more: its links, then own services."""

from __future__ import annotations

import time
from collections.abc import Callable

from paychain.environment.collector import Collector
from paychain.environment.own_requests import QUIET_S, QUIET_STEP_S, OwnRequests
from paychain.environment.remote.remotes import Remotes
from paychain.environment.service_processes import CONTROL_S, ServiceProcesses, pending_work
from paychain.payments.exchanges import HttpExchange, ReceivedRequest
from paychain.services.pending_work import PendingWork

DRAIN_STEP_S = 2.0  # of a drain at a time: in between, dead processes and signals are noticed


class Draining:
    """The wait for the end of every request and reversal, at links here and on other machines.

    `check` raises UserError when a process died, and with True looks at the engines, too, however
    little time has passed. `requests`: those of own services; None for a chain without.
    """

    def __init__(
        self,
        *,
        services: ServiceProcesses,
        remotes: Remotes,
        collector: Collector,
        requests: OwnRequests | None,
        now_ns: Callable[[], int],
        check: Callable[[bool], None],
    ) -> None:
        self._services, self._remotes = services, remotes
        self._collector, self._requests = collector, requests
        self._now_ns, self._check = now_ns, check

    def drain(self, until_ns: int) -> list[PendingWork]:
        """Wait, at most until then; what still is not final."""
        pending = self.step(until_ns)
        # While one process is waited for, it may give another one work that was done before.
        while (pending or self.step(0)) and self._now_ns() < until_ns:
            self._check(True)
            pending = self.step(until_ns)
        if self._requests is not None and not pending:
            self._let_services_settle(self._requests, until_ns)
            pending = self.step(until_ns)
        self._check(True)  # whatever the engines did until now belongs to what is final
        return pending

    def step(self, until_ns: int) -> list[PendingWork]:
        """Let every process of services wait for a moment; what is pending then."""
        within_s = min(max(0.0, (until_ns - self._now_ns()) / 1e9), DRAIN_STEP_S)
        pending = self._services.drain(within_s)
        body, longest_s = {"within_s": within_s}, within_s + CONTROL_S
        for answer in self._remotes.command("/drain", body, longest_s):
            pending += pending_work(answer)
        return pending

    def _let_services_settle(self, requests: OwnRequests, until_ns: int) -> None:
        """Wait for work that own services do on their own, whose end nothing reports.

        Until they have asked nothing for a moment and nothing is unknown to them or to a customer;
        as long as something is, they have all the time to settle it.
        """
        quiet_ns = self._now_ns()
        while self._now_ns() < until_ns:
            time.sleep(QUIET_STEP_S)
            self._check(False)
            for records in self._collector.look_ahead():
                if any(isinstance(each, HttpExchange | ReceivedRequest) for each in records):
                    quiet_ns = self._now_ns()
            is_quiet = self._now_ns() - quiet_ns > QUIET_S * 1e9
            if is_quiet and not requests.is_unsettled:
                break
