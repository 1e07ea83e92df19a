"""The live board in a real browser: load, a provider switched off, healed, saved, and replayed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from tests.support.boards import Board
from tests.support.boards import board as started
from tests.support.cli import DISTURBED, paychain
from tests.support.runs import result_in, result_of
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
SWITCH = "form[data-target=provider][data-name=acme][data-kind=down] button"


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    with started(tmp_path_factory.mktemp("board")) as board:
        yield board


@pytest.fixture(autouse=True)
def opened(browser: Any, board: Board) -> None:
    """The browser has the board's cookie."""
    browser.get(board.opens)


def find(browser: Any, selector: str) -> Any:
    return browser.find_element("css selector", selector)


def text_of(browser: Any, selector: str) -> str:
    script = "return document.querySelector(arguments[0]).textContent"
    found: str = browser.execute_script(script, selector)
    return found


def shows(browser: Any, selector: str, words: str) -> Callable[[], bool]:
    return lambda: words in text_of(browser, selector)


@pytest.mark.long(75)
def test_a_load_is_started_broken_healed_saved_and_replayed(browser: Any, board: Board) -> None:
    browser.get(f"{board.url}/")  # Locust's own page
    wait_until(lambda: browser.find_elements("css selector", "input[name=userCount]"))
    assert find(browser, "input[name=userCount]").get_attribute("value") == "20"
    find(browser, "button[type=submit]").click()
    wait_until(lambda: board.state()["rate"] == 20)

    browser.get(f"{board.url}/?tab=paychain")
    # On an overloaded machine Locust's own page has stayed empty until it was loaded again.
    wait_until(lambda: framed(browser) or browser.refresh(), "the tab", 60)
    browser.switch_to.frame(find(browser, "iframe.paychain"))
    wait_until(shows(browser, "#f-rate", "20/s"))
    browser.switch_to.default_content()

    browser.get(f"{board.url}/paychain/")
    wait_until(shows(browser, "#f-success", "100.0 %"))
    assert "✕" not in text_of(browser, "#map")
    # enough before the fault that a share can be judged
    wait_until(lambda: board.state()["all_payments"] > 60)
    switch = find(browser, SWITCH)
    switch.click()
    wait_until(lambda: switch.get_attribute("aria-checked") == "true")
    wait_until(shows(browser, "#on", "down on provider acme"))
    wait_until(shows(browser, "#map", "✕"))
    wait_until(lambda: board.state()["all_broke"] > 20)
    assert "affected by" in text_of(browser, "#map")

    find(browser, "#on button").click()
    wait_until(lambda: switch.get_attribute("aria-checked") == "false")
    wait_until(lambda: "✕" not in text_of(browser, "#map"))  # the window has passed it
    assert text_of(browser, "#f-success") == "100.0 %"

    find(browser, "#name").send_keys("acme-gone")
    find(browser, "#save button").click()
    wait_until(lambda: browser.find_elements("css selector", "#saved li"), "the saved run", 60)
    (file,) = (board.folder / "chaos/recorded").glob("*-acme-gone.yaml")
    assert browser.get_log("browser") == []
    find(browser, "#saved a").click()
    wait_until(lambda: len(browser.window_handles) == 2)
    browser.switch_to.window(browser.window_handles[1])
    wait_until(lambda: "corner-shop" in browser.title or browser.find_elements("id", "plots"))
    browser.close()
    browser.switch_to.window(browser.window_handles[0])

    (written,) = (board.folder / "reports").glob("*/result.json")  # the next one has begun
    recorded = result_in(written.parent)
    again = replayed(board, file)
    assert again["faults"][0]["text"] == recorded["faults"][0]["text"]
    for name in ("applied_s", "healed_s"):
        assert moment(again, name) == pytest.approx(moment(recorded, name), abs=1.0)
    assert mostly(again) == mostly(recorded) == ("gateway", "processor")
    assert again["verdict"] == "fail"  # nothing stands in for acme
    # What customers did by hand is not repeated where the machine disturbed it.
    is_disturbed = any(words in why for why in recorded["reasons"] for words in DISTURBED)
    assert recorded["verdict"] == ("inconclusive" if is_disturbed else "fail")
    assert payments(again) == pytest.approx(payments(recorded), abs=30)
    assert again["load"]["planned"] == pytest.approx(recorded["load"]["planned"], abs=20)


def framed(browser: Any) -> bool:
    """Whether the tab shows the board within a few seconds."""
    try:
        wait_until(lambda: find(browser, "iframe.paychain").is_displayed(), "the tab", 10)
    except AssertionError:
        return False
    return True


def replayed(board: Board, file: Path) -> dict[str, Any]:
    """The result of running what was saved."""
    saved = str(file.relative_to(board.folder))
    done = paychain(board.folder, "run", "corner-shop.yaml", saved, "--out", "again", "--quiet")
    assert done.exit_code == 1, done.stderr
    return result_of(board.folder, "again")


def moment(result: dict[str, Any], name: str) -> float:
    """Seconds since the load began."""
    start_s = next(phase["start_s"] for phase in result["phases"] if phase["kind"] == "all")
    found: float = result["faults"][0][name] - start_s
    return found


def mostly(result: dict[str, Any]) -> tuple[str, str]:
    """Where payments broke: the few in flight when acme went may have broken behind it."""
    first = result["breaks"][0]
    assert first["payments"] > 0.8 * payments(result)
    return first["caller"], first["callee"]


def payments(result: dict[str, Any]) -> int:
    return sum(place["payments"] for place in result["breaks"])


def test_the_board_is_used_with_keys_alone(browser: Any, board: Board) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.get(f"{board.url}/paychain/")
    switch = find(browser, SWITCH)
    switch.send_keys(Keys.SPACE)
    wait_until(lambda: switch.get_attribute("aria-checked") == "true")
    assert browser.switch_to.active_element == switch  # what is redrawn leaves the focus
    switch.send_keys(Keys.ENTER)
    wait_until(lambda: switch.get_attribute("aria-checked") == "false")


def test_a_wrong_value_is_reported_and_nothing_is_switched(browser: Any, board: Board) -> None:
    browser.get(f"{board.url}/paychain/")
    form = "form[data-name=processor][data-kind=latency]"
    browser.execute_script(
        "document.querySelector(arguments[0]).closest('details').open = true", form
    )
    delay = find(browser, f"{form} input[name=delay]")
    delay.clear()
    delay.send_keys("300")
    find(browser, f"{form} button").click()
    wait_until(shows(browser, "#message", "has no unit"))
    assert board.state()["on"] == []


def test_a_phone_scrolls_the_map_but_never_the_page(browser: Any, board: Board) -> None:
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    browser.get(f"{board.url}/paychain/")
    wait_until(lambda: browser.find_elements("css selector", "#map svg"))
    browser.execute_script(
        "for (const one of document.querySelectorAll('details')) one.open = true"
    )
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(("scheme", "width"), [("light", 1100), ("dark", 1100), ("light", 390)])
def test_axe_finds_no_violation(browser: Any, board: Board, scheme: str, width: int) -> None:
    pytest.importorskip("axe_core_python", reason="axe-core-python is missing")
    axe = resources.files("axe_core_python").joinpath("axe.min.js").read_text("utf-8")
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    wanted = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", wanted)
    browser.get(f"{board.url}/paychain/")
    assert board.do(do="switch", target="link", name="issuer", kind="down").status_code == 200
    try:
        wait_until(shows(browser, "#on", "down on link issuer"))
        browser.execute_script(
            "document.querySelectorAll('.place details, section > details')"
            ".forEach((one, index) => { one.open = index < 2 })"
        )
        browser.execute_script(axe)
        browser.set_script_timeout(100)
        found = browser.execute_async_script("axe.run(document).then(arguments[0])")
    finally:
        board.do(do="heal_all")
    violations = [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]]
    assert violations == []
    assert len(found["passes"]) > 20  # it did look
