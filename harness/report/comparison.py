"""A comparison with a baseline, for the terminal."""

from __future__ import annotations

from harness.analysis.compare import Comparison


def comparison_lines(found: Comparison) -> list[str]:
    """What became worse, what became better, and what was too short to say."""
    lines = [f"beside {found.baseline}"]
    lines += [f"  note: {note}" for note in found.notes]
    worse = found.regressions
    better = [one.text for one in found.measures if one.finding == "improvement"]
    short = sum(one.finding == "too short" for one in found.measures)
    lines += [f"  ✕ worse   {text}" for text in worse]
    lines += [f"  ✓ better  {text}" for text in better]
    same = sum(one.finding == "same" for one in found.measures)
    lines.append(f"  {same} measures the same within chance and margin")
    if short:
        lines.append(f"  {short} too short to judge: run longer, or more often")
    return lines
