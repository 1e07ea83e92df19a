"""What each step of a failure script met, in lines."""

from __future__ import annotations

from paychain.declaration.quantity import count
from paychain.report.result import Result


def script_lines(result: Result) -> list[str]:
    """`lost/1  the first authorise at stripe: works, its answer is lost  12 requests`."""
    lines = []
    for script in result.scripts:
        for step in script.steps:
            # What a customer does is not a request at a link: nobody counts it.
            met = f": {count(step.hits, 'request')}" if step.hits is not None else ""
            lines.append(f"{step.id}  {step.text}{met}")
    return lines
