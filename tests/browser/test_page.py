"""The report in a real browser: with and without scripts, narrow, dark, printed, in Jenkins."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from paychain.report.drawings.palette import DARK, LIGHT
from tests.support.chromium import start

pytestmark = pytest.mark.browser

# What Jenkins sends with an archived page unless an administrator changes it.
JENKINS = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';"


def rgb(colour: str) -> str:
    return "rgb({}, {}, {})".format(*(int(colour[at : at + 2], 16) for at in (1, 3, 5)))


def style(browser: Any, selector: str, name: str) -> str:
    script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    found: str = browser.execute_script(script, selector, name)
    return found


OPEN_ALL = "for (const one of document.querySelectorAll('details')) one.open = true"


def press(browser: Any, *keys: str) -> str:
    """Press keys on the plots; what is read out then."""
    plots = browser.find_element("id", "plots")
    plots.send_keys(*keys)
    text: str = browser.find_element("id", "readout").text
    return text


def crosshairs(browser: Any) -> list[str]:
    """Where each panel's crosshair stands, of those that are shown."""
    lines = browser.find_elements("css selector", "#plots .cross[visibility=visible]")
    return [line.get_attribute("x1") for line in lines]


def test_the_report_shows_its_verdict_and_fault_windows_without_any_violation(
    browser: Any, page: Path
) -> None:
    browser.get(page.as_uri())
    assert browser.find_element("class name", "verdict").text
    windows = browser.find_elements("css selector", "[data-panel=success] rect.window")
    assert windows
    assert browser.get_log("browser") == []


def test_keys_move_one_crosshair_over_all_panels_and_read_it_out(browser: Any, page: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.get(page.as_uri())
    assert browser.find_element("id", "readout").get_attribute("aria-live") == "polite"
    assert crosshairs(browser) == []
    assert press(browser, Keys.ARROW_RIGHT).startswith("at 0 s")
    text = press(browser, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert text.startswith("at 2 s")
    assert "success" in text
    assert "p99" in text
    assert press(browser, Keys.PAGE_DOWN).startswith("at 12 s")
    places = crosshairs(browser)
    assert len(places) == 3
    assert len(set(places)) == 1
    assert press(browser, Keys.ARROW_LEFT).startswith("at 11 s")
    assert press(browser, Keys.HOME, Keys.PAGE_UP).startswith("at 0 s")
    press(browser, Keys.END)
    assert float(crosshairs(browser)[0]) > float(places[0])


def test_the_pointer_moves_the_crosshair_too(browser: Any, page: Path) -> None:
    from selenium.webdriver import ActionChains

    browser.get(page.as_uri())
    panel = browser.find_element("css selector", "[data-panel=latency]")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", panel)
    ActionChains(browser).move_to_element(panel).perform()
    assert len(crosshairs(browser)) == 3
    assert browser.find_element("id", "readout").text.startswith("at ")


def test_under_the_policy_of_jenkins_every_plot_and_colour_is_there(
    browser: Any, served: Callable[[dict[str, str]], str]
) -> None:
    browser.get(served({"Content-Security-Policy": JENKINS}))
    # The style sheet beside the page counts as its own and is taken; the script is not.
    assert style(browser, "body", "maxWidth") == "1020px"
    assert not browser.find_element("id", "readout").is_displayed()
    panels = browser.find_elements("css selector", "#plots svg")
    assert len(panels) == 4
    assert all(panel.size["height"] > 20 for panel in panels)
    assert style(browser, "[data-panel=success] path", "stroke") == rgb(LIGHT["good"])
    for entry in browser.get_log("browser"):  # it may only complain of what it blocked
        assert re.search(r"[Bb]lock|Refused|violates|favicon", entry["message"]), entry


def test_without_any_style_sheet_the_plots_keep_their_colours(
    browser: Any, served: Callable[[dict[str, str]], str]
) -> None:
    browser.get(served({"Content-Security-Policy": "default-src 'none'"}))
    assert style(browser, "body", "maxWidth") == "none"
    assert style(browser, "[data-panel=success] path", "stroke") == rgb(LIGHT["good"])
    assert style(browser, "[data-panel=success] rect.window", "fill") == rgb(LIGHT["warm-bg"])


def test_without_scripts_the_numbers_are_in_tables(tmp_path: Path, page: Path) -> None:
    browser = start(tmp_path, runs_scripts=False)
    try:
        browser.get(page.as_uri())
        assert not browser.find_element("id", "readout").is_displayed()
        details = browser.find_elements("css selector", "#timeline ~ details")[-1]
        details.find_element("tag name", "summary").click()
        rows = details.find_elements("css selector", "tbody tr")
        assert len(rows) > 10
        assert rows[0].is_displayed()
    finally:
        browser.quit()


def test_a_phone_scrolls_plots_and_tables_but_never_the_page(browser: Any, page: Path) -> None:
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    browser.get(page.as_uri())
    browser.execute_script(OPEN_ALL)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    plots = browser.find_element("id", "plots")
    assert int(plots.get_property("scrollWidth")) > int(plots.get_property("clientWidth"))
    assert int(browser.find_element("class name", "verdict").size["width"]) <= 390


def test_a_phone_shows_every_tolerance_whole(browser: Any, page: Path) -> None:
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    browser.get(page.as_uri())
    rows = browser.find_elements("css selector", "#tolerances ~ .scroll tbody tr")
    assert rows
    for row in rows:
        observed, margin = row.find_elements("css selector", "td.line")[1:]
        for cell, name in ((observed, "Observed"), (margin, "Margin")):
            assert cell.is_displayed()
            assert cell.rect["x"] + cell.rect["width"] <= 390
            shown = "return getComputedStyle(arguments[0], '::before').content"
            assert browser.execute_script(shown, cell) == f'"{name}"'


def test_a_dark_scheme_changes_the_page_and_its_plots(browser: Any, page: Path) -> None:
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    browser.get(page.as_uri())
    assert style(browser, "body", "backgroundColor") == rgb(DARK["bg"])
    assert style(browser, "[data-panel=success] path", "stroke") == rgb(DARK["good"])
    assert style(browser, "[data-panel=map] text", "fill") in {rgb(DARK["ink"]), rgb(DARK["muted"])}


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("light", 1100), ("dark", 1100), ("light", 390)])
def test_axe_finds_no_violation(browser: Any, page: Path, scheme: str, width: int) -> None:
    pytest.importorskip("axe_core_python", reason="axe-core-python is missing")
    axe = resources.files("axe_core_python").joinpath("axe.min.js").read_text("utf-8")
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    wanted = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", wanted)
    browser.get(page.as_uri())
    # One of every kind of content is open; the rest of the stories would only be more of the same.
    browser.execute_script(
        "for (const one of document.querySelectorAll('section > details'))"
        " one.open = !one.querySelector('article')"
    )
    browser.execute_script(axe)
    browser.set_script_timeout(100)
    # Contrast does not depend on the width, and is most of the work.
    options = {"rules": {"color-contrast": {"enabled": width > 390}}}
    found = browser.execute_async_script(
        "axe.run(document, arguments[0]).then(arguments[1])", options
    )
    violations = [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]]
    assert violations == []
    assert len(found["passes"]) > 20  # it did look


def test_it_prints_as_pages_of_a4(browser: Any, page: Path) -> None:
    browser.get(page.as_uri())
    wanted = {"preferCSSPageSize": True, "printBackground": True}
    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", wanted)["data"])
    assert pdf.startswith(b"%PDF")
    pages = len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))
    assert 2 <= pages <= 12
    boxes = {
        tuple(round(float(side)) for side in box.split())
        for box in re.findall(rb"/MediaBox\s*\[([^\]]*)\]", pdf)
    }
    assert boxes == {(0, 0, 595, 842)}  # 210 × 297 mm at 72 points an inch
