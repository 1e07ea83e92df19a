"""A headless Chromium, and a loopback server that gives a page with the headers asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from paychain.report.result import read
from tests.support.chromium import start
from tests.support.pages import written
from tests.support.paths import SAMPLE


@pytest.fixture(scope="session")
def one_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    browser = start(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.quit()


@pytest.fixture
def browser(one_browser: Any) -> Iterator[Any]:
    """The browser as it is when nobody has set anything, with an empty log."""
    one_browser.get_log("browser")
    yield one_browser
    one_browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    one_browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    one_browser.get("about:blank")


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's report as this code renders it, with its style sheet beside it."""
    return written(read(SAMPLE), tmp_path_factory.mktemp("run"))


@pytest.fixture
def served(page: Path) -> Iterator[Callable[[dict[str, str]], str]]:
    """The address of the report with the given response headers."""
    servers: list[ThreadingHTTPServer] = []

    def serve(headers: dict[str, str]) -> str:
        class Handler(SimpleHTTPRequestHandler):
            def end_headers(self) -> None:
                for name, value in headers.items():
                    self.send_header(name, value)
                super().end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing: the test speaks for itself."""

        handler = partial(Handler, directory=str(page.parent))
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/{page.name}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()
