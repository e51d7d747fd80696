"""Pictures of the console for the README: phone and desk, small.

    PYTHONPATH=tests python -m support.screenshots http://127.0.0.1:8686 LINK_OR_TOKEN FOLDER

LINK_OR_TOKEN is a one-time login link (which it uses up: a password is set and printed) or a session's token.
"""

import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, BrowserContext, Page, StorageState

from support.chromium import SCREENS, TILES, chromium, chromium_path

SIZE_MOST = 120_000  # bytes of one picture
NAMES = ("region", "alerts", "look", "devices", "assets", "asset")
QUALITIES = (88, 80, 72, 64, 56, 48)
READY = {
    "region": ".count",
    "alerts": ".alert",
    "look": ".look-place",
    "devices": ".ledger, .gateway",
    "assets": ".row-link",
}


def take(
    browser: Browser,
    base: str,
    storage: StorageState,
    folder: Path,
    *,
    language: Literal["ja", "en"] = "ja",
    names: Sequence[str] = NAMES,
) -> list[Path]:
    """The named pictures of all screens; the asset shown is the worst one."""
    folder.mkdir(parents=True, exist_ok=True)
    taken: list[Path] = []
    for screen, look in SCREENS.items():
        with browser.new_context(storage_state=storage, locale="ja-JP", timezone_id="Asia/Tokyo", **look) as context:
            page = context.new_page()
            speak(page, base, language)
            paths = {"region": "/", "asset": worst_asset(page, base)}
            for name in names:
                page.goto(base + paths.get(name, f"/{name}"))
                page.wait_for_selector(READY.get(name, ".chart svg, .chart-none"))
                if name == "look":  # what is told by the forms above it lies folded away
                    page.evaluate("scrollTo(0, document.querySelector('.map-card').offsetTop - 76)")
                page.wait_for_timeout(1500)  # tiles and charts are drawn by then
                taken.append(picture(page, folder / f"{screen}-{name}.jpg"))
    return taken


def speak(page: Page, base: str, language: str) -> None:
    """Switch the language if the page is in the other one."""
    page.goto(base + "/")
    if not (page.locator("html").get_attribute("lang") or "").startswith(language):
        page.locator("form[action='/language'] button").click()
        page.wait_for_load_state()


def worst_asset(page: Page, base: str) -> str:
    page.goto(base + "/assets")
    return page.locator("a.row-link").first.get_attribute("href") or "/assets"


def picture(page: Page, path: Path) -> Path:
    """What the screen shows, as the best JPEG that is small enough."""
    for quality in QUALITIES:
        path.write_bytes(page.screenshot(type="jpeg", quality=quality))
        if path.stat().st_size <= SIZE_MOST:
            break
    return path


def log_in(context: BrowserContext, base: str, link_or_token: str) -> StorageState:
    """The state of a browser that is logged in."""
    if "token=" not in link_or_token:
        context.add_cookies([{"name": "satomori_session", "value": link_or_token, "url": base}])
        return context.storage_state()
    password = secrets.token_urlsafe(12)
    page = context.new_page()
    page.goto(link_or_token)
    use_link(page, password)
    sys.stdout.write(f"the password is now {password}\n")
    return context.storage_state()


def use_link(page: Page, password: str) -> None:
    """Choose a password on the page that a one-time link opens; the region page follows."""
    page.fill("input[name=password]", password)
    page.fill("input[name=repeated]", password)
    page.locator("form button").last.click()
    page.wait_for_selector("main h1")


def main(arguments: Sequence[str]) -> None:
    base, link_or_token, folder = arguments
    path = chromium_path()
    if path is None:
        sys.exit("no Chromium here; tests/install-servers.sh installs it")
    with chromium(path) as browser, browser.new_context() as context:
        context.route(f"{TILES}/**", lambda route: route.abort())
        for taken in take(browser, base.rstrip("/"), log_in(context, base, link_or_token), Path(folder)):
            sys.stdout.write(f"{taken} {taken.stat().st_size}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
