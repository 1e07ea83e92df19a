"""The standard faults, in one link and with little load, for whole runs in virtual time."""

from __future__ import annotations

import re

from paychain.runs.matrix import standard_faults

FAULTS = {each.model.experiment: each.path.read_text() for each in standard_faults()}


def standard(fault: str, link: str, *, after: str) -> str:
    """A standard fault in a link, with less load and for a shorter time."""
    text = FAULTS[fault].replace('"*"', link).replace("for: 6s", "for: 3s")
    # Of new connections only: so little load may keep those that it has.
    text = text.replace("refuse: {}", "refuse: {}, may_miss: true")
    text = re.sub(r"reset: \{share: \d+%\}", "reset: {}, may_miss: true", text)
    load = f"load: {{arrivals: 6/s, warm_up: 0s, before: 1s, after: {after}}}"
    text = re.sub(r"load: .*", load, text)
    return re.sub(r"tolerances:.*", "tolerances: {}", text, flags=re.S)
