"""Writes docs/dialects.md from the results that SDK tests recorded (tests/support/sdk_results.py).

PAYCHAIN_RECORD_SDK=1 pytest tests/conformance/sdk && python -m tests.conformance.sdk.table
"""

from __future__ import annotations

from itertools import groupby

from tests.support.paths import DOCS
from tests.support.sdk_results import (
    FAILED,
    FURTHER,
    NOT_OFFERED,
    PASSED,
    SCENARIOS,
    Column,
    columns,
)

PAGE = DOCS / "dialects.md"
_SIGNS = {PASSED: "✓", FAILED: "✗", NOT_OFFERED: "–"}
_LANGUAGES = {"python": "Python", "node": "Node", "go": "Go", "java": "Java"}
_HEAD = """\
# Dialects, tested with the providers' own SDKs

A link may speak a payment provider's own API (`dialect: stripe`): see
[own services](own-services.md). Each provider's official SDKs run the same list of scenarios
against the mock, unchanged but for their base URL; the exceptions and typed objects of the SDK are
the assertions, and the books of the mock chain show what money moved. Every cell below is the
result of a run: ✓ passed, ✗ failed, – not offered by this SDK or provider. An empty cell has not
been run. The scenarios from `customer` on are run where the mock has such a thing.

This page is generated: `PAYCHAIN_RECORD_SDK=1 pytest tests/conformance/sdk`, then
`python -m tests.conformance.sdk.table`.

| scenario | what is checked |
|---|---|
"""


def page() -> str:
    """The whole page."""
    meanings = {**SCENARIOS, **FURTHER}.items()
    scenarios = "".join(f"| {name} | {meaning} |\n" for name, meaning in meanings)
    vendors = groupby(columns(), key=lambda column: column.vendor)
    return _HEAD + scenarios + "".join(_vendor(name, list(of)) for name, of in vendors)


def _vendor(name: str, of: list[Column]) -> str:
    order = list(_LANGUAGES)
    of = sorted(of, key=lambda column: order.index(column.language))
    titles = [f"{_LANGUAGES[column.language]} ({column.sdk})" for column in of]
    lines = [
        f"\n## {name}\n",
        f"| scenario | {' | '.join(titles)} |",
        f"|---|{'---|' * len(of)}",
    ]
    named = [{cell.scenario: cell for cell in column.cells} for column in of]
    asked = {cell for cells in named for cell in cells}
    rows = [*SCENARIOS, *(name for name in FURTHER if name in asked)]
    for scenario in rows:
        cells = [cells.get(scenario) for cells in named]
        signs = [_SIGNS[cell.result] if cell is not None else "" for cell in cells]
        lines.append(f"| {scenario} | {' | '.join(signs)} |")
    lines.append(f"\nWhat the SDKs of {name} did:\n")
    for scenario in rows:
        details = [
            f"  - {_LANGUAGES[column.language]}: {cells[scenario].detail}"
            for column, cells in zip(of, named, strict=True)
            if scenario in cells and cells[scenario].detail
        ]
        if details:
            lines += [f"- {scenario}", *details]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
