"""What the pages may ask of the API's part: who visits, what they see, what they do. Blocking: call from threads."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from satomori_analytics.playbook import Playbooks
from satomori_api.auth import COOKIE, check_same_origin
from satomori_api.context import ApiContext
from satomori_api.formatting import Language
from satomori_api.queries import Queries
from satomori_api.views import AlertView, AssetView, EventView, FeedbackView, LookView
from satomori_core.errors import NotFoundError, SettingsError
from satomori_dashboards.console.settings import ConsoleSettings
from satomori_dashboards.console.texts import LANGUAGES, named
from satomori_store.access import ForbiddenError, Viewer, may
from satomori_store.commands import Order, SamplingOrder
from satomori_store.events import Result
from satomori_store.feedback import Verdict

COUNTED_MOST = 1000  # alerts in the tab's badge


@dataclass(frozen=True, slots=True)
class Visit:
    """A logged-in person's look at one page. `token` is the session's."""

    viewer: Viewer
    name: str
    token: str
    language: Language


@dataclass(frozen=True, slots=True)
class Town:
    """A municipality, and the middle of what the visitor sees there, in degrees."""

    id: str
    name: str
    latitude: float
    longitude: float


class Gate:
    """One for the whole process."""

    def __init__(self, context: ApiContext, settings: ConsoleSettings) -> None:
        self._context = context
        self.settings = settings

    @property
    def queries(self) -> Queries:
        return self._context.queries

    def visit(self, request: Request) -> Visit | None:
        """Who is at the door; None for nobody who is logged in."""
        token = request.cookies.get(COOKIE, "")
        viewer = self._context.accounts.viewer(token) if token else None
        if viewer is None:
            return None
        try:
            name = self._context.accounts.user(viewer.user_id).name
        except NotFoundError:  # removed a moment ago
            return None
        return Visit(viewer, name, token, "en" if viewer.language == "en" else "ja")

    def still_valid(self, visit: Visit) -> bool:
        """Whether the session lives and its role, organisation and language are what the page was made for."""
        return self._context.accounts.viewer(visit.token) == visit.viewer

    def may_acknowledge(self, viewer: Viewer) -> bool:
        return may(viewer, "acknowledge")

    def acknowledge(self, visit: Visit, alert_id: int, note: str | None) -> AlertView:
        """Raise ConflictError, ForbiddenError or NotFoundError."""
        return self.queries.acknowledge(visit.viewer, alert_id, note)

    def judge(self, visit: Visit, alert_id: int, verdict: Verdict, note: str | None) -> FeedbackView:
        """Raise ConflictError, ForbiddenError or NotFoundError."""
        self._require_valid(visit)
        return self.queries.judging.judge(visit.viewer, alert_id, verdict, note)

    def unjudge(self, visit: Visit, alert_id: int) -> FeedbackView:
        """Raise as `judge` does."""
        self._require_valid(visit)
        return self.queries.judging.unjudge(visit.viewer, alert_id)

    def tell(self, visit: Visit, told: Mapping[str, Any]) -> EventView:
        """Raise ForbiddenError or RejectedError."""
        self._require_valid(visit)
        return self.queries.looking.tell(visit.viewer, told)

    def looked(
        self, visit: Visit, event_id: str, asset_id: str, result: Result | None, note: str | None = None
    ) -> LookView:
        """Raise ConflictError, ForbiddenError or NotFoundError."""
        self._require_valid(visit)
        return self.queries.looking.looked(visit.viewer, event_id, asset_id, result, note)

    def playbooks(self) -> Playbooks | None:
        """The limits as they are now; None where they can't be read, so that a slip in one leaves the pages whole."""
        try:
            return self._context.playbooks()
        except SettingsError:
            return None

    def towns(self, visit: Visit) -> list[Town]:
        """Municipalities where the visitor sees an asset."""
        names, there = self.organisation_names(visit), defaultdict[str, list[AssetView]](list)
        for asset in self.queries.assets(visit.viewer):
            there[asset.municipality_id].append(asset)
        return [
            Town(town, names.get(town, town), fmean(a.latitude for a in seen), fmean(a.longitude for a in seen))
            for town, seen in sorted(there.items())
        ]

    def _require_valid(self, visit: Visit) -> None:
        if not self.still_valid(visit):
            raise ForbiddenError("the session has ended")

    def operate(self, visit: Visit, order: Order | SamplingOrder) -> None:
        """Raise ConflictError, ForbiddenError, NotFoundError or RejectedError."""
        self._require_valid(visit)
        operating = self.queries.operating
        if isinstance(order, Order):
            operating.operate(visit.viewer, order)
        else:
            operating.sample(visit.viewer, order)

    def open_alerts(self, viewer: Viewer) -> int:
        return len(self.queries.alerts(viewer, "open", historical=False, limit=COUNTED_MOST))

    def organisation_names(self, visit: Visit) -> Mapping[str, str]:
        """Organisation id → its name in the visitor's language."""
        found = self.queries.organisations(visit.viewer)
        return {row.id: named(visit.language, row.name, row.name_en) for row in found}

    def people(self) -> Mapping[str, str]:
        """User id → name, to say who has taken care of an alert."""
        return {user.id: user.name for user in self._context.accounts.users()}

    def zones(self, visit: Visit) -> Mapping[str, str]:
        """Asset id → its time zone."""
        return {asset.id: asset.time_zone for asset in self.queries.assets(visit.viewer)}


def language_route(context: ApiContext) -> APIRouter:
    """`POST /language`: keeps the language with the user, so that messages to that user follow it too."""
    router = APIRouter(include_in_schema=False)

    @router.post("/language")
    def switch(
        request: Request,
        to: Annotated[str, Form(max_length=5)],
        back: Annotated[str, Form(max_length=500)] = "/",
    ) -> Response:
        check_same_origin(request, context)
        token = request.cookies.get(COOKIE, "")
        viewer = context.accounts.viewer(token) if token else None
        if viewer is not None and to in LANGUAGES:
            context.accounts.set_language(viewer.user_id, to)
        return RedirectResponse(local_path(back), status_code=303)

    return router


def local_path(path: str) -> str:
    """`path` where it stays on this site, else the first page: no form may send people elsewhere."""
    ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if ours else "/"
