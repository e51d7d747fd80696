"""Mounts the console on the API's app: pages, style and the route that switches the language."""

from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from nicegui import app as pages
from nicegui import ui
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from satomori_api.context import ApiContext
from satomori_api.security import PAGES_CSP
from satomori_core.errors import UnavailableError
from satomori_core.settings import load_settings
from satomori_dashboards.console.asset import add_asset_page
from satomori_dashboards.console.assets import add_assets_page
from satomori_dashboards.console.condition import add_condition_page
from satomori_dashboards.console.devices import add_devices_page
from satomori_dashboards.console.frame import browser_language, trouble
from satomori_dashboards.console.gate import Gate, language_route
from satomori_dashboards.console.inbox import add_inbox_page
from satomori_dashboards.console.kit import MARK
from satomori_dashboards.console.look import add_look_page
from satomori_dashboards.console.region import add_region_page
from satomori_dashboards.console.settings import ConsoleSettings
from satomori_dashboards.console.texts import text

STATIC = Path(__file__).parent / "static"


def mount(app: FastAPI, context: ApiContext) -> None:
    """The entry point of the group `satomori.api_mounts`; the API's own routes come before the console's."""
    settings = load_settings(context.config, "console", ConsoleSettings)
    gate = Gate(context, settings)
    app.include_router(language_route(context))
    pages.colors(primary="#1c5a48", positive="#23784a", negative="#b3131f", warning="#c94f08")
    ui.add_css(STATIC / "console.css", shared=True)
    for add in (
        add_region_page, add_assets_page, add_asset_page, add_condition_page, add_look_page, add_inbox_page,
        add_devices_page,
    ):  # fmt: skip
        add(gate)
    add_pages_of_trouble()
    pages.add_middleware(TilesAllowed, tiles_url=settings.tiles_url)
    ui.run_with(
        app,
        title=text("ja", "app.name"),
        viewport="width=device-width, initial-scale=1, viewport-fit=cover",
        favicon=MARK.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" '),
        dark=None,
        language="ja",
        # The console has its own style sheet; a style compiler in the browser would only cost phones their time.
        tailwind=False,
        show_welcome_message=False,
        binding_refresh_interval=None,
        reconnect_timeout=20,
    )


def add_pages_of_trouble() -> None:
    """What nothing else answers, and what a bug broke, in plain words."""

    @ui.page("/{path:path}")
    def lost(request: Request, path: str) -> Response:  # noqa: ARG001 - the route's parameter
        language = browser_language(request)
        trouble(language, text(language, "error.not_found"))
        return ui.context.client.build_response(request, 404)

    def broken(error: Exception) -> None:
        language = browser_language(ui.context.client.request)
        away = isinstance(error, UnavailableError)
        trouble(language, text(language, "error.unavailable" if away else "error.bug"))

    pages.on_page_exception(broken)


class TilesAllowed:
    """Lets the pages load map tiles from the site that the settings name; the API's policy knows 国土地理院's."""

    def __init__(self, app: ASGIApp, *, tiles_url: str) -> None:
        self._app = app
        parts = urlsplit(tiles_url)
        site = f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
        images = next(rule for rule in PAGES_CSP.split("; ") if rule.startswith("img-src"))
        known = not site or site in images
        self._policy = None if known else PAGES_CSP.replace(images, f"{images} {site.replace('{s}', '*')}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._policy is None or scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        policy = self._policy

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault("Content-Security-Policy", policy)
            await send(message)

        await self._app(scope, receive, send_with_policy)
