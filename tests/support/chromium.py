"""A real Chromium with Japanese letters, phones' and desks' screens, and what a page complains of."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from support.patience import PATIENCE_S

TILES = "https://cyberjapandata.gsi.go.jp"
SCREENS: dict[str, dict[str, Any]] = {
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "has_touch": True,
        "is_mobile": True,
    },
    "desk": {"viewport": {"width": 1440, "height": 900}},
}
# No sandbox in containers; nothing that calls home.
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def chromium_path() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def need_chromium() -> str:
    """Its path; skips the test where it, or a font with Japanese letters, is missing."""
    path = chromium_path()
    if path is None:
        pytest.skip("no Chromium here; tests/install-servers.sh installs it")
    if shutil.which("fc-list") is None or not subprocess.check_output(["fc-list", ":lang=ja"]):
        pytest.skip("no Japanese font here (fonts-noto-cjk), so Japanese would show as boxes")
    return path


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def open_context(browser: Browser, screen: str, **more: Any) -> BrowserContext:
    """A person's browser in Japan. What it asks of the map's tiles fails at once: tests need no network."""
    context = browser.new_context(locale="ja-JP", timezone_id="Asia/Tokyo", **SCREENS[screen], **more)
    context.set_default_timeout(1000 * PATIENCE_S)
    expect.set_options(timeout=1000 * PATIENCE_S)
    context.route(f"{TILES}/**", lambda route: route.abort())
    return context


class Complaints:
    """Errors and warnings of a page's console, without those of tiles that could not be had."""

    def __init__(self, page: Page) -> None:
        self.found: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.found.append(str(error)))

    def _hear(self, message: ConsoleMessage) -> None:
        of_tiles = message.location.get("url", "").startswith(TILES)
        if message.type in {"error", "warning"} and not of_tiles:
            self.found.append(message.text)
