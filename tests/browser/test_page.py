"""The report in a real browser."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parents[2] / "reports" / "sample" / "report.html"
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


@pytest.mark.browser
@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromedriver are missing")
def test_the_report_shows_its_verdict_and_fault_windows_without_any_violation(
    tmp_path: Path,
) -> None:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--window-size=1100,900",
        f"--user-data-dir={tmp_path}",
    ):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        browser.get(SAMPLE.as_uri())
        assert browser.find_element(By.CLASS_NAME, "verdict").text
        assert len(browser.find_elements(By.CSS_SELECTOR, "rect.window")) >= 3
        body = browser.find_element(By.TAG_NAME, "body")
        assert body.size["width"] <= 1100
        assert browser.get_log("browser") == []
    finally:
        browser.quit()
