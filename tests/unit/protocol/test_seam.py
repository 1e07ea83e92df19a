"""Between a message and its bytes: services know no wire, and dialects do no I/O."""

from __future__ import annotations

import ast
from pathlib import Path

import paychain
from tests.support.imports import imports_of

ROOT = Path(paychain.__file__).parent
# `control` and `process` serve the control API; those of `vendor_…` a vendor's.
KNOW_THE_WIRE = {
    "transport.py",
    "received.py",
    "vendor_call.py",
    "vendor_front.py",
    "vendor_served_api.py",
    "vendor_webhooks.py",
    "control.py",
    "host.py",
    "process.py",
}
# A date may be written; its clock is refused by ruff (TID251) in this room.
IMPURE = {"asyncio", "random", "socket", "threading", "time"}


def imported(path: Path) -> set[str]:
    modules: set[str] = set()
    for node in imports_of(path):
        if isinstance(node, ast.ImportFrom):
            modules.add(node.module or "")
        else:
            modules.update(alias.name for alias in node.names)
    return modules


def test_services_deal_in_messages_and_leave_the_wire_to_one_module() -> None:
    for path in sorted((ROOT / "services").rglob("*.py")):
        if path.name not in KNOW_THE_WIRE:
            wire = {name for name in imported(path) if name.startswith("paychain.wire")}
            wire -= {"paychain.wire.ports"}  # an address that is held, whatever is spoken there
            assert not wire, f"{path}: {wire}"


def test_dialects_are_pure() -> None:
    for path in sorted((ROOT / "protocol").rglob("*.py")):
        assert not imported(path) & IMPURE, path
        values = {name for name in imported(path) if name.startswith("paychain.wire")}
        assert values <= {"paychain.wire.http"}, path  # what a message is, never how it is sent
