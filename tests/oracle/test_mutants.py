"""Every mutant is found by its rule and nobody else is blamed, or it is known why it cannot be."""

from __future__ import annotations

import pytest

from tests.oracle.agreed import AGREED
from tests.oracle.behaviour import BEHAVIOUR
from tests.oracle.compare import findings_of
from tests.oracle.further import FURTHER
from tests.oracle.mutant_chains import CHAINS, play_chain
from tests.oracle.mutants import IN_BOOKS, Mutant
from tests.oracle.trial import judged
from tests.support.paths import DOCS

MUTANTS = [*IN_BOOKS, *BEHAVIOUR, *AGREED, *FURTHER]
# No rule names these yet although one should: a rule that does makes its test fail here.
NOT_YET: frozenset[str] = frozenset()
# Nothing is wrong on an account in the end: only what links wrote or did shows these.
NOT_ON_ACCOUNTS = frozenset(
    {
        "all_capture_another_item",
        "exempt_over_its_limit",
        "gateway_forgets_to_reverse",
        "gateway_ignores_authentication",
        "issuer_charges_back_half",
        "issuer_charges_back_nothing",
        "processor_keeps_a_charge_back",
        "processor_loses_an_acknowledgement",
        "queue_over_its_limit",
        "scheme_counts_no_stand_in",
        "scheme_stands_in_over_its_limit",
        "screening_skipped_over_its_limit",
    }
)


def _named(mutants: list[Mutant]) -> list[object]:
    open_yet = pytest.mark.xfail(strict=True, reason="no rule names its payments yet")
    return [
        pytest.param(each, id=each.name, marks=[open_yet] if each.name in NOT_YET else [])
        for each in mutants
    ]


@pytest.mark.parametrize("mutant", _named([each for each in MUTANTS if each.rule]))
def test_a_mutant_is_found_by_its_rule_and_nobody_else_is_blamed(mutant: Mutant) -> None:
    seen = judged(mutant)
    assert len(seen.affected) == 2  # of six payments every third
    assert seen.is_found, str(seen)
    # The oracle is no weaker than the rules: it sees from the world's side what shows there.
    assert bool(seen.wrong) != (mutant.name in NOT_ON_ACCOUNTS)


@pytest.mark.parametrize("mutant", _named([each for each in MUTANTS if not each.rule]))
def test_what_cannot_be_seen_is_written_down_with_its_reason(mutant: Mutant) -> None:
    seen = judged(mutant)
    assert not seen.named, str(seen)
    assert mutant.because
    document = (DOCS / "measures.md").read_text()
    assert f"`{mutant.name}`" in document


@pytest.mark.parametrize("name", CHAINS)
def test_no_rule_finds_anything_on_a_mutants_chain_without_it(name: str) -> None:
    chain, played = play_chain(name)
    assert played.problems == []
    assert findings_of(chain, played) == {}


def test_there_are_enough_mutants_and_each_has_a_name_of_its_own() -> None:
    names = [mutant.name for mutant in MUTANTS]
    assert len(names) == len(set(names)) >= 60
    assert set(names) >= NOT_YET
