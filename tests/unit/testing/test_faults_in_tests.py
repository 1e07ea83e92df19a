"""A fault that a test names wrongly is a mistake with a hint, as it is in a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from paychain.payments.errors import UserError
from paychain.testing.chain import ChainUnderTest, start_chain
from tests.support.chains import corner_shop


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainUnderTest]:
    path: Path = tmp_path_factory.mktemp("shop") / "shop.yaml"
    path.write_text(corner_shop())
    with start_chain(str(path)) as running:
        yield running


@pytest.mark.parametrize(
    ("target", "kind", "parameters", "message"),
    [
        ("processor", "dwn", {}, "unknown fault 'dwn'; did you mean 'down'?"),
        ("processor", "dns", {}, "unknown fault 'dns'; there are: "),
        (
            "procesor",
            "down",
            {},
            "no link or provider called 'procesor'; did you mean 'processor'?",
        ),
        ("processor", "latency", {"dely": "2s"}, "unknown key 'dely'; did you mean 'delay'?"),
        ("processor", "latency", {}, "'delay' is missing; add delay:"),
        ("processor", "latency", {"delay": 2}, "'2' has no unit; write 2s or 2ms"),
        ("processor", "lost_answer", {"share": 50}, "'50' has no unit; write it in percent"),
    ],
)
def test_a_fault_that_is_written_wrongly_says_what_was_meant(
    chain: ChainUnderTest,
    target: str,
    kind: str,
    parameters: dict[str, str | float],
    message: str,
) -> None:
    with pytest.raises(UserError) as caught, chain.fault(target, kind, **parameters):
        pass
    assert message in str(caught.value)
    assert "pydantic" not in str(caught.value)


def test_a_share_may_be_a_number(chain: ChainUnderTest) -> None:
    with chain.fault("processor", "http_error", status=503, share=1.0):
        failed = chain.pay(2)
    assert failed.technical_success == 0


def test_one_step_in_place_of_a_list_is_named_as_such(chain: ChainUnderTest) -> None:
    with pytest.raises(UserError, match="a step where a list of steps is expected; give a list"):
        chain.pay(script={"link": "processor", "lost_answer": {}})
