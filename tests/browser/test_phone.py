"""On a phone, tables with sentences and commands have every column in sight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from paychain.analysis.comparison import Compared, Comparison
from paychain.analysis.measures.own_policies import PolicyLine
from paychain.analysis.measures.own_services import OwnServiceMeasures
from paychain.report.html.matrix import Cell, Matrix, write_matrix
from paychain.report.result import read
from tests.support.pages import written
from tests.support.paths import SAMPLE
from tests.support.report_results import OWN_CALL

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
WHY = "technical success during the faults was 0.0 % (≥ 90 % required); recovery took too long"


WORSE = Compared(
    scope="hop checkout-gateway → processor-of-cards-a (authorise)",
    measure="technical success of the calls that were sent",
    baseline=0.998,
    candidate=0.712,
    difference=-0.286,
    low=-0.31,
    high=-0.26,
    margin=0.01,
    finding="regression",
    text="technical success fell",
)
COMPARED = Comparison(baseline="before", candidate="after", notes=[], measures=[WORSE], rules=[])


def broken(link: str, fault: str) -> Cell:
    command = f"paychain run card-ecommerce reports/a-matrix/cells/{link}.{fault}.yaml --seed 1"
    return Cell(link=link, fault=fault, state="broke", text=WHY, command=command)


def unseen_columns(browser: Any, page: Path, table: str) -> list[str]:
    """The cells of a table that a phone shows only to who scrolls sideways."""
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    browser.get(page.as_uri())
    cells = browser.find_elements("css selector", f"[aria-label='{table}'] tbody :is(th, td)")
    assert cells
    found: list[str] = browser.execute_script(
        "return [...arguments[0]].filter(c => c.getBoundingClientRect().right > 390"
        " || c.scrollWidth > c.clientWidth + 1).map(c => c.textContent)",
        cells,
    )
    return found


def test_what_broke_in_a_matrix(browser: Any, tmp_path: Path) -> None:
    faults = {"blackhole": "Nothing passes", "wrong-approval-amount": "Another amount"}
    links = ["processor-of-cards-a", "issuer"]
    matrix = Matrix(
        chain="card-ecommerce",
        title="Card payments",
        seed=1,
        virtual=True,
        interrupted=False,
        links=links,
        faults=faults,
        cells=[broken(link, fault) for link in links for fault in faults],
        command="paychain matrix card-ecommerce",
    )
    write_matrix(matrix, tmp_path)
    assert unseen_columns(browser, tmp_path / "matrix.html", "What broke") == []


def test_what_own_services_did(browser: Any, tmp_path: Path) -> None:
    sample = read(SAMPLE)
    line = PolicyLine(
        call="checkout-service.authorise",
        what="unknown outcome",
        claimed="reverse, then query until the outcome is known",
        observed="reversed 17 of 21, asked what became of 4 and sent 2 again under another key",
        holds=False,
    )
    did = OwnServiceMeasures([OWN_CALL], [line])
    page = written(msgspec.structs.replace(sample, own_services=did), tmp_path)
    for table in ("Policy of own services, claimed beside observed", "What your SDK did"):
        assert unseen_columns(browser, page, table) == []


@pytest.mark.parametrize(
    "table", ["Where payments broke", "Fallbacks", "Broken money rules", "Faults"]
)
def test_what_a_run_found(browser: Any, page: Path, table: str) -> None:
    assert unseen_columns(browser, page, table) == []


def test_what_became_worse(browser: Any, tmp_path: Path) -> None:
    page = written(msgspec.structs.replace(read(SAMPLE), comparison=COMPARED), tmp_path)
    assert unseen_columns(browser, page, "Comparison with the baseline") == []
