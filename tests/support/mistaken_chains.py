"""Chains around the sound shop of the examples with a mistake planted in it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from tests.support.chains import as_yaml
from tests.support.paths import ROOT

EXAMPLE = ROOT / "examples" / "shop-python"
# What finds each mistake; any of them is right, others are not.
MISTAKES = {
    "retries_without_key": {"no_double_charge", "repeats_without_effect"},
    "refunds_again": {"repeats_without_effect"},
    "captures_twice": {"repeats_without_effect"},
    "fails_over_after_decline": {"no_double_charge"},
    "refunded_before_paid": {"money_has_its_order", "no_charge_after_a_decline"},
    "forgets_a_refusal": {
        "no_double_charge",
        "no_orphaned_authorisation",
        "no_charge_after_a_decline",
    },
    "reversed_once": {"no_double_charge", "no_orphaned_authorisation", "unknowns_resolved"},
}
# What no script of a payment finds: the service has to die meanwhile.
IN_OUTAGES = {"forgets_in_a_crash": {"no_orphaned_authorisation"}}
SOUND = ("none", "refunds", "pays_again")  # shops without a mistake


def mistaken_chain(mistake: str) -> str:
    """The YAML of the sound example's chain, around a shop with this mistake."""
    declared: dict[str, Any] = yaml.safe_load((EXAMPLE / "chain-sound.yaml").read_text())
    shop, stripe = declared["links"]["shop"], declared["links"]["stripe"]
    declared["chain"] = f"shop-{mistake.replace('_', '-')}"
    declared["settles_within"] = "12s"
    declared["links"]["issuer"].pop("declines")  # a payment that is declined shows no mistake
    support = Path(__file__).parent
    shop["service"] |= {
        "command": [
            *(sys.executable, "-m", "uvicorn", "--app-dir", str(support), "mistaken_shop:app"),
            *("--port", "{port}", "--log-level", "warning"),
        ],
        "env": shop["service"]["env"] | {"MISTAKE": mistake, "PYTHONPATH": str(EXAMPLE)},
    }
    if mistake == "captures_twice":
        # Later than a capture takes on a busy machine, and earlier than one that is stuck.
        stripe["webhooks"]["delay"] = {"median": "1500ms", "p99": "1600ms"}
    return as_yaml(declared)
