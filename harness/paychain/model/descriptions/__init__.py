"""What every key of a file is for, in one sentence: for editors and for docs/reference.md.

The sentences are data of their own because only a schema needs them. A field may also bring its
own, as `Field(description=…)`; a test holds that every key has one and that none is left over.
"""

from __future__ import annotations

from paychain.faults.kinds import KINDS
from paychain.model.descriptions.assurance import ASSURANCE
from paychain.model.descriptions.chain import CHAIN
from paychain.model.descriptions.experiment import EXPERIMENT
from paychain.model.descriptions.faults import FAULTS, OF_ANY_KIND
from paychain.model.descriptions.policies import POLICIES

DESCRIPTIONS = {**CHAIN, **POLICIES, **EXPERIMENT, **FAULTS, **ASSURANCE}
_KIND_MODELS = {kind.__name__ for kind in KINDS.values()}
_SHAPES = {"Flapping", "Ramp", "Relapse", "CacheExpiry"}
_WITH_KINDS = {"Fault", "Kinds", "ScriptStep"}


def description_of(model: str, key: str) -> str:
    """What a key of a model is for; "" if it has no description."""
    own = DESCRIPTIONS.get(model, {}).get(key)
    if own is not None:
        return own
    # A fault's kinds describe themselves, and share most of their parameters.
    if model in _WITH_KINDS and key in KINDS:
        meaning = KINDS[key].facts.meaning
        return f"{meaning[:1].upper()}{meaning[1:]}."
    return OF_ANY_KIND.get(key, "") if model in _KIND_MODELS | _SHAPES else ""
