"""Alerts as cards, acknowledged and judged with a note: for inbox and asset's page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from satomori_api.formatting import DEFAULT_ZONE, Language, moment
from satomori_api.picture import told
from satomori_api.views import AlertView
from satomori_core.clock import now_us
from satomori_core.vocabulary import Cause, Level
from satomori_dashboards.console.formatting import age
from satomori_dashboards.console.frame import Frame
from satomori_dashboards.console.kit import Section, empty, level_badge, tag
from satomori_dashboards.console.note_dialog import NoteDialog
from satomori_dashboards.console.texts import named, text
from satomori_store.feedback import Verdict


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
        judged += f" – {alert.judged_note}" if alert.judged_note else ""
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
        verdict=None if alert.verdict == "known" and not alert.quiet else alert.verdict,  # it got worse since
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
        self._dialog = NoteDialog(frame)

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
                    button.on("click", lambda _: self._acknowledge(card))
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
                button.on("click", lambda _, verdict=verdict: self._say(card, verdict))

    def _acknowledge(self, card: Card) -> None:
        gate, visit, word = self.frame.gate, self.frame.visit, self.frame.word

        async def record(note: str | None) -> None:
            await self.frame.carry_out(
                lambda: gate.acknowledge(visit, card.id, note), lambda _: word("alerts.done"), word("alerts.conflict")
            )

        hint, button = word("alerts.note_hint"), word("alerts.confirm")
        self._dialog.ask(word("alerts.acknowledge"), f"{card.where}: {card.text}", hint, button, record)

    async def _say(self, card: Card, verdict: Verdict) -> None:
        gate, visit, word = self.frame.gate, self.frame.visit, self.frame.word
        if card.verdict == verdict:
            await undo(self.frame, card.id)
            return
        said = word("judge.known_done") if verdict == "known" else ""

        async def record(note: str | None) -> None:
            await self.frame.carry_out(
                lambda: gate.judge(visit, card.id, verdict, note),
                lambda found: said or found.effect,
                word("judge.conflict"),
            )

        title, hint = word(f"verdict.{verdict}"), word(f"judge.hint.{verdict}")
        self._dialog.ask(title, f"{card.where}: {card.text}", hint, word("judge.confirm"), record)

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
