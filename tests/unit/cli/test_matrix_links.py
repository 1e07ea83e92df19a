"""Which links a matrix tests (those that are named, and those of a role), and where it is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.cli.matrix import _new_folder, links_of_role
from paychain.model.loading import load_chain
from paychain.payments.errors import UserError
from paychain.processes.part import WHOLE, Part

PAGE = load_chain("checkout-page").model


@pytest.mark.parametrize("role", ["service", "services"])
def test_a_role_may_be_in_the_plural(role: str) -> None:
    found = links_of_role("checkout-page", PAGE, role)
    assert found == ["captcha", "x-login", "flags", "fx", "chatgpt-support"]


def test_a_role_that_no_link_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match="no link of checkout-page has the role 'ledgers'"):
        links_of_role("checkout-page", PAGE, "ledgers")
    with pytest.raises(UserError) as refused:
        links_of_role("checkout-page", PAGE, "servces")
    assert refused.value.hint == "did you mean 'service'?"


@pytest.mark.parametrize("part", [WHOLE, Part(1, 2)])
def test_matrices_that_begin_in_one_second_have_folders_of_their_own(part: Part) -> None:
    assert len({_new_folder(Path("reports"), "shop", part) for _ in range(20)}) == 20
