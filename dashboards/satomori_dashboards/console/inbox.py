"""The page `/alerts`: what is open, what somebody takes care of, what is over."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from fastapi import Request, Response
from nicegui import ui

from satomori_dashboards.console.alert_cards import AlertList, Card, cards_of
from satomori_dashboards.console.frame import Frame, to_login, visiting
from satomori_dashboards.console.gate import Gate
from satomori_dashboards.console.kit import Section, tag

State = Literal["open", "acknowledged", "resolved"]
STATES: tuple[State, ...] = get_args(State)
COUNTED_MOST = 1000


@dataclass(frozen=True, slots=True)
class Inbox:
    counts: tuple[int, int]
    cards: tuple[Card, ...]


class InboxPage:
    def __init__(self, frame: Frame, state: State) -> None:
        self.frame = frame
        self.state: State = state
        self._zones: Mapping[str, str] | None = None

    def build(self) -> None:
        word = self.frame.word
        self.frame.head(word("alerts.title"))
        self.tabs = Section(self.draw_tabs, "nav", "segments states")
        self.tabs.box.props["aria-label"] = word("alerts.tabs")
        self.list = AlertList(self.frame, lambda: word(f"alerts.none_{self.state}"))
        self.more = Section(self.draw_more)

    def load(self) -> Inbox:
        gate, viewer = self.frame.gate, self.frame.visit.viewer
        queries, most = gate.queries, gate.settings.alerts_max
        unresolved = queries.alerts(viewer, "unresolved", historical=False, limit=COUNTED_MOST)
        waiting = sum(alert.state == "open" for alert in unresolved)
        if self.state == "resolved":
            alerts = queries.alerts(viewer, "resolved", historical=False, limit=most)
        else:
            alerts = [alert for alert in unresolved if alert.state == self.state][:most]
        if self._zones is None:  # they hardly ever change, so an open page asks once
            self._zones = gate.zones(self.frame.visit)
        return Inbox((waiting, len(unresolved) - waiting), cards_of(self.frame, alerts, self._zones))

    def show(self, inbox: Inbox) -> None:
        self.tabs.show(inbox.counts)
        self.list.show(inbox.cards)
        self.more.show(len(inbox.cards))

    def draw_tabs(self, counts: tuple[int, int]) -> None:
        for state in STATES:
            shown = self.frame.word(f"alerts.{state}")
            if state != "resolved":
                shown += f" {counts[STATES.index(state)]}"
            link = tag("a", "segment num", text=shown, href=f"/alerts?state={state}")
            if state == self.state:
                link.props["aria-current"] = "true"

    def draw_more(self, count: int) -> None:
        if count >= self.frame.gate.settings.alerts_max:
            tag("p", "quiet", text=self.frame.word("alerts.more", count=count))


def add_inbox_page(gate: Gate) -> None:
    @ui.page("/alerts", response_timeout=20)
    async def alerts(request: Request, state: str = "open") -> Response | None:
        visit = await visiting(gate, request)
        if visit is None:
            return to_login(request)
        frame = Frame(gate, visit, request)
        page = InboxPage(frame, next((s for s in STATES if s == state), "open"))
        with frame.open("alerts", frame.word("alerts.title")):
            page.build()
        await frame.run(page.load, page.show)
        return None
