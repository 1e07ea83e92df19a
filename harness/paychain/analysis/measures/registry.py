"""Every measure that result.json reports."""

from __future__ import annotations

from typing import Any

from paychain.analysis.measures.breaks import breaks
from paychain.analysis.measures.fallbacks import fallbacks
from paychain.analysis.measures.hops import hops
from paychain.analysis.measures.measure import Measure
from paychain.analysis.measures.money import money
from paychain.analysis.measures.own_services import own_services
from paychain.analysis.measures.payments import phases
from paychain.analysis.measures.recovery import faults, recovery
from paychain.analysis.measures.risks import risks
from paychain.analysis.measures.scripts import scripts
from paychain.analysis.measures.stalls import stalls
from paychain.analysis.measures.timeline import latencies, seconds

# A new measure is a module like `risks.py`, a line here, and the field of `Result` with its name.
MEASURES: tuple[Measure[Any], ...] = (
    phases,
    faults,
    breaks,
    hops,
    fallbacks,
    risks,
    recovery,
    money,
    seconds,
    latencies,
    stalls,
    own_services,
    scripts,
)
