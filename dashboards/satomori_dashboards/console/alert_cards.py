"""Alerts as cards, with what people say of them and the dialog that acknowledges one: for inbox and asset's page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nicegui import background_tasks, ui

from satomori_api.formatting import DEFAULT_ZONE, Language, moment
from satomori_api.picture import told
from satomori_api.views import AlertView
from satomori_core.clock import now_us
from satomori_core.vocabulary import Cause, Level
from satomori_dashboards.console.formatting import age
from satomori_dashboards.console.frame import Frame
from satomori_dashboards.console.kit import Section, empty, level_badge, tag, words
from satomori_dashboards.console.texts import named, text
from satomori_store.feedback import Verdict

NOTE_MOST = 500


@dataclass(frozen=True, slots=True)
class Card:
    """An alert in the words of the page.

    `may_acknowledge`: the button is offered; `drawn`: what its finding's picture shows, empty without one. `verdict`:
    what was said of it and stands, `judged` by whom and when; `verdicts`: those that are offered.
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
    verdict: str | None = None
    judged: str = ""
    verdicts: tuple[Verdict, ...] = ()


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
    if alert.quiet:
        flags.append(text(language, "judge.quiet"))
    if alert.historical:
        flags.append(text(language, "alerts.historical"))
    acknowledged = ""
    if alert.acknowledged_us is not None:
        name = people.get(alert.acknowledged_by or "", alert.acknowledged_by or "–")
        acknowledged = text(language, "alerts.acknowledged_by", name=name, time=when(alert.acknowledged_us))
    judged = ""
    if alert.judged_us is not None:
        name = people.get(alert.judged_by or "", alert.judged_by or "–")
        said = text(language, f"verdict.{alert.verdict}")
        judged = text(language, "judge.by", name=name, time=when(alert.judged_us), verdict=said)
    verdicts: tuple[Verdict, ...] = ("true", "false") if alert.state == "resolved" else ("true", "false", "known")
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
        verdict=alert.verdict,
        judged=judged,
        verdicts=verdicts if may_acknowledge else (),
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
                told = [card.since, card.acknowledged, card.judged, card.resolved]
                tag("span", "quiet num", text=" · ".join(part for part in told if part))
                if card.may_acknowledge:
                    label = word("alerts.acknowledge_label", text=f"{card.where} {card.text}"[:120])
                    button = tag("button", "btn main", text=word("alerts.acknowledge"), type="button", aria_label=label)
                    button.on("click", lambda _, card=card: self._dialog.ask(card))
            if card.verdicts:
                self._draw_verdicts(card)

    def _draw_verdicts(self, card: Card) -> None:
        """What may be said of it; pressing what was said takes it back."""
        word = self.frame.word
        label = word("judge.label", text=f"{card.where} {card.text}"[:120])
        with tag("div", "judge", role="group", aria_label=label):
            for verdict in card.verdicts:
                pressed = "true" if card.verdict == verdict else "false"
                button = tag("button", "segment", text=word(f"verdict.{verdict}"), type="button", aria_pressed=pressed)
                button.on("click", lambda _, verdict=verdict: self._judge(card, verdict))

    async def _judge(self, card: Card, verdict: Verdict) -> None:
        gate, visit = self.frame.gate, self.frame.visit
        if card.verdict == verdict:
            await undo(self.frame, card.id)
            return
        said = self.frame.word("judge.known_done") if verdict == "known" else ""
        await self.frame.carry_out(
            lambda: gate.judge(visit, card.id, verdict),
            lambda found: said or found.effect,
            self.frame.word("judge.conflict"),
        )

    def _draw_picture(self, card: Card) -> None:
        """Fetched when it comes into sight, so that a long list costs a phone nothing; a touch opens it large."""
        source = f"/api/v1/findings/{card.finding_id}/picture.svg"
        label = self.frame.word("alerts.picture", told=card.drawn)
        with tag("a", "alert-picture", href=source, target="_blank", aria_label=label):
            tag("img", src=f"{source}?small=true", alt=card.drawn, loading="lazy", width=320, height=110)


async def undo(frame: Frame, alert_id: int) -> None:
    """Take back what was said of an alert."""
    await frame.carry_out(
        lambda: frame.gate.unjudge(frame.visit, alert_id),
        lambda found: f"{frame.word('judge.undone')} {found.effect}",
        frame.word("judge.conflict"),
    )


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
        gate, visit, word = self.frame.gate, self.frame.visit, self.frame.word
        await self.frame.carry_out(
            lambda: gate.acknowledge(visit, alert, note), lambda _: word("alerts.done"), word("alerts.conflict")
        )


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
