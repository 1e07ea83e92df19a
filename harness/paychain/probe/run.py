"""Every probe, one after the other, and what they found."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from paychain.payments.errors import UserError
from paychain.payments.whole_number import whole_number
from paychain.probe.probes import PROBES, Count, ProbeOutcome, refuses_all
from paychain.probe.sender import Sender
from paychain.probe.webhooks import ProbeWebhooks

COUNT_WITHIN_S = 10.0


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """What one probe found. `passed`: None when it does not apply."""

    name: str
    expects: str
    observed: str
    passed: bool | None
    remedy: str
    took_s: float


def probe(
    sender: Sender,
    webhooks: ProbeWebhooks,
    count: Count | None = None,
    on_probed: Callable[[ProbeResult], None] = lambda _probed: None,
) -> list[ProbeResult]:
    """Try everything. Raises UserError when `count` does.

    Of a handler that refuses whatever comes, nothing but that is known.
    """
    found: list[ProbeResult] = []
    refused = 0
    for each in PROBES:
        began = monotonic()
        if refused:
            outcome = ProbeOutcome(None, f"not tried: every event is answered with {refused}")
        else:
            outcome = each.run(sender, webhooks, count)
        if not found and outcome.passed is False:
            refused = refuses_all(sender, webhooks)
        probed = ProbeResult(
            name=each.name,
            expects=each.expects,
            observed=outcome.observed,
            passed=outcome.passed,
            remedy=outcome.remedy,
            took_s=monotonic() - began,
        )
        on_probed(probed)
        found.append(probed)
    return found


def counted_by(command: str) -> Count:
    """The number that a command prints: how often the handler acted.

    The result raises UserError when the command fails or prints no number.
    """
    words = shlex.split(command)

    def count() -> int:
        try:
            done = subprocess.run(  # noqa: S603  (the user's own command, no shell)
                words, capture_output=True, text=True, timeout=COUNT_WITHIN_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UserError(f"--count cannot be run: {error}") from error
        # `grep -c` prints 0 and ends with 1 when it found nothing: a number is a number.
        number = whole_number(done.stdout.strip())
        if number is None:
            printed = (done.stdout + done.stderr).strip()[-200:]
            raise UserError(f"--count must print a number, but it printed: {printed or 'nothing'}")
        return number

    return count
