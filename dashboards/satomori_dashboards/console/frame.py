"""What every page stands in: header, tabs, main landmark, and the loop that asks for news without a reload."""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from nicegui import background_tasks, run, ui
from nicegui.element import Element

from satomori_api.formatting import DEFAULT_ZONE, Language, clock_time
from satomori_core.clock import now_us
from satomori_core.errors import ConflictError, NotFoundError, UnavailableError
from satomori_dashboards.console.gate import Gate, Visit
from satomori_dashboards.console.kit import MARK, Section, icon, svg, tag, words
from satomori_dashboards.console.texts import named, text
from satomori_store.access import ForbiddenError

T = TypeVar("T")

TABS = (("region", "/"), ("assets", "/assets"), ("alerts", "/alerts"), ("look", "/look"), ("devices", "/devices"))
# A page that has its first figures by then is sent with them; else it is sent with placeholders.
FIRST_LOAD_S = 1.5


class Frame:
    """One open page of one visitor."""

    def __init__(self, gate: Gate, visit: Visit, request: Request) -> None:
        self.gate = gate
        self.visit = visit
        self.language: Language = visit.language
        self._here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        self._turn = asyncio.Lock()
        self.refresh: Callable[[], Awaitable[None]]
        self._read_us = now_us()

    def word(self, key: str, **values: object) -> str:
        return text(self.language, key, **values)

    def named(self, name: str, name_en: str) -> str:
        return named(self.language, name, name_en)

    # -------------------------------------------------------------- the frame itself

    @contextmanager
    def open(self, tab: str, title: str) -> Iterator[None]:
        """Header and tabs; what is made within stands in the main landmark."""
        dress(self.language, title)
        self._header()
        with tag("main", "page", id="main", tabindex=-1) as main:
            yield
        self._tabs(tab)
        ui.skip_link(self.word("app.skip"), target=main)

    def _header(self) -> None:
        with tag("header", "top"):
            with tag("a", "mark", href="/", aria_label=self.word("app.name")):
                svg(MARK, "glyph")
                tag("span", "mark-name", text=self.word("app.name"))
            other = "en" if self.language == "ja" else "ja"
            with tag("form", method="post", action="/language"):
                tag("input", type="hidden", name="to", value=other)
                tag("input", type="hidden", name="back", value=self._here)
                with tag("button", "top-link", type="submit", aria_label=self.word("nav.language_label"), lang=other):
                    icon("language")
                    tag("span", text=self.word("nav.language"))
            with tag("details", "menu"):
                with tag("summary", aria_label=self.word("nav.account")):
                    icon("account")
                    tag("span", "menu-name", text=self.visit.name)
                with tag("div", "menu-box"):
                    with tag("div"):
                        tag("div", "row-name", text=self.visit.name)
                        tag("div", "quiet", text=self.word(f"role.{self.visit.viewer.role}"))
                    with tag("form", method="post", action="/logout"):
                        tag("button", "btn wide", text=self.word("nav.logout"), type="submit")

    def _tabs(self, here: str) -> None:
        with tag("nav", "tabs", aria_label=self.word("nav.label")):
            for name, path in TABS:
                with tag("a", "tab", href=path) as link:
                    if name == here:
                        link.props["aria-current"] = "page"
                    icon(name)
                    tag("span", text=self.word(f"nav.{name}"))
                    if name == "alerts":
                        self._badge = Section(self._draw_badge, "span")

    def _draw_badge(self, count: int) -> None:
        if count:
            shown = f"{count}" if count < 100 else "99+"
            tag("span", "tab-badge num", text=shown, aria_label=f"{self.word('alerts.open')} {count}")

    def head(self, title: str) -> Element:
        """The page's headline with the sign that it is live."""
        with tag("div", "page-head") as made:
            tag("h1", text=title)
            with tag("span", "live", title=self.word("live.on")) as self._live:
                self._clock = words("span", "num", self.word("live.at", time=clock_time(now_us(), DEFAULT_ZONE)))
        self._notice = Section(self._draw_notice)
        self._notice.show("")
        return made

    def _draw_notice(self, message: str) -> None:
        if message:
            tag("p", "notice", text=message, role="status")

    # -------------------------------------------------------------- what people do

    async def carry_out(self, act: Callable[[], T], done: Callable[[T], str], conflict: str) -> None:
        """Do it in a thread, say how it went, and show what has become of it. `conflict`: where another was first."""
        try:
            found = await run.io_bound(act)
        except ConflictError:
            ui.notify(conflict, type="warning")
        except ForbiddenError:
            ui.notify(self.word("alerts.forbidden"), type="negative")
        except NotFoundError:
            ui.notify(self.word("error.not_found"), type="negative")
        except UnavailableError:
            ui.notify(self.word("error.unavailable"), type="negative")
        else:
            if found is not None:  # else the service is stopping
                ui.notify(done(found), type="positive")
        await self.refresh()

    # -------------------------------------------------------------- news

    async def run(self, load: Callable[[], T], show: Callable[[T], None]) -> None:
        """Show what `load` brings, now and at every interval while somebody looks. `load` runs in a thread."""

        async def refresh() -> None:
            async with self._turn:
                await self._refresh(load, show)

        async def poll() -> None:
            if not self._turn.locked():  # else the last look has not come back yet
                await refresh()

        self.refresh = refresh
        first = background_tasks.create(refresh(), name="console first load")
        ui.timer(self.gate.settings.refresh_s, poll, immediate=False)
        await asyncio.wait({first}, timeout=FIRST_LOAD_S)

    async def _refresh(self, load: Callable[[], T], show: Callable[[T], None]) -> None:
        try:
            found = await run.io_bound(self._load, load)
        except UnavailableError:
            self._live.classes(add="away")
            self._notice.show(self.word("live.away", time=clock_time(self._read_us, DEFAULT_ZONE)))
            return
        except NotFoundError:
            # Deleted, or no longer shared with this visitor, while the page was open.
            self._notice.show(self.word("error.not_found"))
            return
        if found is None:  # the service is stopping
            return
        if isinstance(found, SignedOut):
            with self._live:
                ui.navigate.reload()  # which leads to the login, or shows what the visitor may see now
            return
        count, model = found
        self._read_us = now_us()
        self._live.classes(remove="away")
        self._notice.show("")
        self._clock.text = self.word("live.at", time=clock_time(self._read_us, DEFAULT_ZONE))
        self._badge.show(count)
        show(model)

    def _load(self, load: Callable[[], T]) -> "tuple[int, T] | SignedOut":
        if not self.gate.still_valid(self.visit):
            return SignedOut()
        return self.gate.open_alerts(self.visit.viewer), load()


class SignedOut:
    """The session ended, or is another one, while the page was open."""


def dress(language: Language, title: str) -> None:
    """Language and title of the page that is being built."""
    client = ui.context.client
    page = copy.copy(client.page)
    page.language = "ja" if language == "ja" else "en-US"
    client.page = page
    # The framework wraps everything in a <main>; ours is the one that readers are led to.
    wrapper = client.content.parent_slot
    if wrapper is not None:
        wrapper.parent.props["role"] = "presentation"
    ui.page_title(f"{title} · {text(language, 'app.name')}")


def to_login(request: Request) -> Response:
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/login?next={quote(here, safe='')}", status_code=303)


def trouble(language: Language, message: str) -> None:
    """A page that says in plain words what is wrong and where to go."""
    dress(language, text(language, "error.title"))
    with tag("main", "gate"), tag("div", "gate-box"), tag("div", "card"):
        tag("h1", text=text(language, "error.title"))
        tag("p", text=message)
        tag("a", "btn main", text=text(language, "error.home"), href="/")


async def visiting(gate: Gate, request: Request) -> Visit | None:
    return await run.io_bound(gate.visit, request)


async def loaded(load: Callable[[], T], language: Language) -> T | Response:
    """What a page can't be built without; where it is not to be had, the page that says so."""
    client = ui.context.client
    try:
        found = await run.io_bound(load)
    except NotFoundError:
        trouble(language, text(language, "error.not_found"))
        return client.build_response(client.request, 404)
    except UnavailableError:
        trouble(language, text(language, "error.unavailable"))
        return client.build_response(client.request, 503)
    if found is None:
        trouble(language, text(language, "error.unavailable"))
        return client.build_response(client.request, 503)
    return found


def browser_language(request: Request) -> Language:
    """For pages without a visitor: Japanese first, unless the browser asks for English and not for Japanese."""
    wanted = request.headers.get("accept-language", "ja").lower()
    return "en" if "en" in wanted and "ja" not in wanted else "ja"
