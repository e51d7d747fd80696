"""Alerts as cards, and the dialog that acknowledges one: used by the inbox and by an asset's page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nicegui import background_tasks, run, ui

from satomori_api.formatting import DEFAULT_ZONE, Language, moment
from satomori_api.picture import told
from satomori_api.views import AlertView
from satomori_core.clock import now_us
from satomori_core.errors import ConflictError, NotFoundError, UnavailableError
from satomori_core.vocabulary import Cause, Level
from satomori_dashboards.console.formatting import age
from satomori_dashboards.console.frame import Frame
from satomori_dashboards.console.kit import Section, empty, level_badge, tag, words
from satomori_dashboards.console.texts import named, text
from satomori_store.access import ForbiddenError

NOTE_MOST = 500


@dataclass(frozen=True, slots=True)
class Card:
    """An alert in the words of the page.

    `may_acknowledge`: the button is offered; `drawn`: what its finding's picture shows, empty without one.
    """

    id: int
    level: Level
    state: str
    where: str
    href: str
    place: str
    priority: str
    flags: tuple[str, ...]
    text: str
    advice: str
    opened: str
    since: str
    acknowledged: str
    note: str
    resolved: str
    may_acknowledge: bool
    finding_id: int = 0
    drawn: str = ""


def card_of(
    language: Language,
    alert: AlertView,
    towns: Mapping[str, str],
    people: Mapping[str, str],
    *,
    zone: str,
    at_us: int,
    may_acknowledge: bool,
    drawn: str = "",
) -> Card:
    """`towns`: municipality id → its name; `people`: user id → name; `zone`: the asset's time zone."""

    def when(us: int) -> str:
        return moment(language, us, zone, at_us)

    # What is wrong with the measuring is nothing that has happened to the asset.
    flags = [text(language, f"cause.{alert.cause}")] if alert.cause in {Cause.SENSOR, Cause.GATEWAY} else []
    if alert.inhibited_by is not None:
        flags.append(text(language, "alerts.inhibited"))
    if alert.historical:
        flags.append(text(language, "alerts.historical"))
    acknowledged = ""
    if alert.acknowledged_us is not None:
        name = people.get(alert.acknowledged_by or "", alert.acknowledged_by or "–")
        acknowledged = text(language, "alerts.acknowledged_by", name=name, time=when(alert.acknowledged_us))
    return Card(
        id=alert.id,
        level=alert.level,
        state=alert.state,
        where=named(language, alert.asset_name, alert.asset_name_en),
        href=f"/asset/{alert.asset_id}",
        place=towns.get(alert.municipality_id, alert.municipality_id),
        priority=alert.priority,
        flags=tuple(flags),
        text=alert.text,
        advice=alert.advice,
        opened=age(language, alert.opened_us, at_us),
        since=text(language, "alerts.since", time=when(alert.since_us)),
        acknowledged=acknowledged,
        note=alert.note or "",
        resolved=""
        if alert.resolved_us is None
        else text(language, "alerts.resolved_at", time=when(alert.resolved_us)),
        may_acknowledge=may_acknowledge and alert.state == "open",
        finding_id=alert.finding_id,
        drawn=drawn,
    )


class AlertList:
    """Cards that stay in place while the same alerts are shown, so that a reader's focus and finger stay too.

    `whole` False: without the asset and the advice, for a page that has told both already.
    """

    def __init__(self, frame: Frame, nothing: Callable[[], str], *, whole: bool = True) -> None:
        self.frame = frame
        self._nothing = nothing
        self._whole = whole
        self._cards: dict[int, Section[Card]] = {}
        self._order: tuple[int, ...] | None = None
        self.box = tag("div", "alerts", aria_live="polite")
        self._dialog = AcknowledgeDialog(frame)

    def show(self, cards: Sequence[Card]) -> None:
        order = tuple(card.id for card in cards)
        if order != self._order or not order:
            self._order = order
            self.box.clear()
            self._cards.clear()
            with self.box:
                for card in cards:
                    self._cards[card.id] = Section(self.draw, "article", "")
                if not cards:
                    empty(self._nothing())
        for card in cards:
            self._cards[card.id].show(card)

    def draw(self, card: Card) -> None:
        quiet = " done" if card.state == "resolved" else ""
        language, word = self.frame.language, self.frame.word
        with tag("div", f"card alert l{card.level}{quiet}"):
            with tag("div", "alert-head"):
                level_badge(language, card.level)
                tag(
                    "span", "chip strong" if card.priority == "high" else "chip", text=word(f"priority.{card.priority}")
                )
                for flag in card.flags:
                    tag("span", "chip", text=flag)
                tag("span", "alert-when num", text=card.opened)
            if self._whole:
                with tag("div", "alert-place"):
                    tag("a", "alert-where", text=card.where, href=card.href)
                    tag("span", "quiet", text=f" {card.place}")
            tag("p", "alert-text", text=card.text)
            if card.drawn:
                self._draw_picture(card)
            if card.advice and self._whole:
                with tag("div", "alert-advice"):
                    tag("div", "label", text=word("alerts.advice"))
                    tag("p", text=card.advice)
            if card.note:
                with tag("div"):
                    tag("div", "label", text=word("alerts.note"))
                    tag("p", text=card.note)
            with tag("div", "alert-foot"):
                told = [card.since, card.acknowledged, card.resolved]
                tag("span", "quiet num", text=" · ".join(part for part in told if part))
                if card.may_acknowledge:
                    label = word("alerts.acknowledge_label", text=f"{card.where} {card.text}"[:120])
                    button = tag("button", "btn main", text=word("alerts.acknowledge"), type="button", aria_label=label)
                    button.on("click", lambda _, card=card: self._dialog.ask(card))

    def _draw_picture(self, card: Card) -> None:
        """Fetched when it comes into sight, so that a long list costs a phone nothing; a touch opens it large."""
        source = f"/api/v1/findings/{card.finding_id}/picture.svg"
        label = self.frame.word("alerts.picture", told=card.drawn)
        with tag("a", "alert-picture", href=source, target="_blank", aria_label=label):
            tag("img", src=f"{source}?small=true", alt=card.drawn, loading="lazy", width=320, height=110)


class AcknowledgeDialog:
    """Asks for a note, then records that somebody takes care of it."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self._alert: int | None = None
        word = frame.word
        with ui.dialog() as self.dialog, tag("form", "dialog", role="dialog", aria_modal="true") as form:
            tag("h2", text=word("alerts.acknowledge"))
            self.what = words("p", "", "")
            with tag("div", "field"):
                tag("label", text=word("alerts.note"), for_="alert-note")
                self.note = ui.textarea().props(f"outlined autogrow maxlength={NOTE_MOST}").props("for=alert-note")
                tag("span", "quiet", text=word("alerts.note_hint"))
            with tag("div", "dialog-foot"):
                cancel = tag("button", "btn", text=word("alerts.cancel"), type="button")
                cancel.on("click", self.close)
                tag("button", "btn main", text=word("alerts.confirm"), type="submit")
        form.on("submit.prevent", lambda _: background_tasks.create(self.confirm(), context=form))

    def ask(self, card: Card) -> None:
        self._alert = card.id
        self.what.text = f"{card.where}: {card.text}"
        self.note.value = ""
        self.dialog.value = True

    def close(self) -> None:
        self.dialog.value = False

    async def confirm(self) -> None:
        alert, self._alert = self._alert, None  # a second press of the button finds nothing to do
        if alert is None:
            return
        self.close()
        note = (self.note.value or "").strip()[:NOTE_MOST] or None
        word = self.frame.word
        try:
            await run.io_bound(self.frame.gate.acknowledge, self.frame.visit, alert, note)
        except ConflictError:
            ui.notify(word("alerts.conflict"), type="warning")
        except ForbiddenError:
            ui.notify(word("alerts.forbidden"), type="negative")
        except NotFoundError:
            ui.notify(word("error.not_found"), type="negative")
        except UnavailableError:
            ui.notify(word("error.unavailable"), type="negative")
        else:
            ui.notify(word("alerts.done"), type="positive")
        await self.frame.refresh()


def cards_of(frame: Frame, alerts: Sequence[AlertView], zones: Mapping[str, str] | None = None) -> tuple[Card, ...]:
    """Cards of what the queries answered; runs in a thread. `zones`: asset id → its time zone."""
    gate, viewer = frame.gate, frame.visit.viewer
    towns = gate.organisation_names(frame.visit)
    people = gate.people()
    at_us = now_us()
    allowed = gate.may_acknowledge(viewer)
    evidence = gate.queries.evidence(viewer, [alert.finding_id for alert in alerts])

    def zone_of(alert: AlertView) -> str:
        return (zones or {}).get(alert.asset_id, DEFAULT_ZONE)

    return tuple(
        card_of(
            frame.language,
            alert,
            towns,
            people,
            zone=zone_of(alert),
            at_us=at_us,
            may_acknowledge=allowed,
            drawn=told(frame.language, evidence.get(alert.finding_id, {}), zone_of(alert), at_us),
        )
        for alert in alerts
    )
