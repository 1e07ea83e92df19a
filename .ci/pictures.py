"""Renews the pictures of the README and the docs, and the sample of a report.

`python .ci/pictures.py` runs an experiment in virtual time and a board for a minute, and takes
their pictures with Chromium. Look at them afterwards: nothing compares them.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.chromium import start  # noqa: E402  (found by the line above)
from tests.support.cli import running  # noqa: E402  (as above)

SAMPLE = ROOT / "reports/sample"
RUN = ("run", "card-single-provider", "aws-us-east-1-2025-10-20", "--seed", "1", "--virtual")
BOARD = ("load", "card-ecommerce", "--rate", "20/s", "--port", "0")
SWITCHES = (("processor-a", "down", {}), ("processor-b", "http_error", {"share": "30%"}))
REPORT_SIZE = (1080, 2020)  # px: down to the map
BOARD_SIZE = (1100, 1010)
LOADED_S, BROKEN_S = 20, 15  # before the faults, and with them: the board shows the last 10 s
WITHIN_S = 180


def main() -> None:
    """Renew all of them."""
    with tempfile.TemporaryDirectory() as folder:
        renew_sample(Path(folder))
        browser = start(Path(folder) / "profile")
        try:
            picture(browser, f"file://{SAMPLE}/report.html", REPORT_SIZE, ROOT / "docs/report.png")
            board(browser, Path(folder))
        finally:
            browser.quit()


def renew_sample(folder: Path) -> None:
    """Run the sample's experiment, and keep what the sample has of a run."""
    command = [sys.executable, "-m", "paychain.cli", *RUN, "--out", str(folder), "--exit-zero"]
    subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603  (our own command)
    (run,) = folder.glob("*-card-single-provider-*")
    names = sorted(path.name for path in SAMPLE.iterdir() if path.name != "SHA256SUMS")
    sums = []
    for name in names:
        shutil.copyfile(run / name, SAMPLE / name)
        sums.append(f"{hashlib.sha256((SAMPLE / name).read_bytes()).hexdigest()}  {name}\n")
    (SAMPLE / "SHA256SUMS").write_text("".join(sums), "utf-8")


def board(browser: Any, folder: Path) -> None:
    """A picture of a board on which one processor is down and the other one fails."""
    with running(folder, *BOARD) as process:
        process.wait_for("Ctrl-C", WITHIN_S)
        (url,) = re.findall(r"board   (http://\S+)", process.output)
        browser.get(url)
        browser.find_element("css selector", "#load button[type=submit]").click()
        time.sleep(LOADED_S)
        for link, kind, values in SWITCHES:
            form = f"form[data-target=link][data-name={link}][data-kind={kind}]"
            browser.execute_script(
                "document.querySelectorAll('details').forEach(d => d.open = true)"
            )
            for name, value in values.items():
                box = browser.find_element("css selector", f"{form} input[name={name}]")
                box.clear()
                box.send_keys(value)
            browser.find_element("css selector", f"{form} button").click()
        browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = false)")
        time.sleep(BROKEN_S)
        picture(browser, url, BOARD_SIZE, ROOT / "docs/board.png", lambda: time.sleep(2))


def picture(
    browser: Any,
    url: str,
    size: tuple[int, int],
    path: Path,
    wait: Callable[[], None] = lambda: None,
) -> None:
    """The top of a page as a picture of this size in pixels."""
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    browser.get(url)
    wait()
    browser.save_screenshot(str(path))


if __name__ == "__main__":
    main()
