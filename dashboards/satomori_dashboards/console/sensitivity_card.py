"""Where people's words about alerts have lowered an asset's sensitivity, by whom and since when, each to be undone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from satomori_api.formatting import Language, moment
from satomori_api.views import SensitivityView
from satomori_core.clock import now_us
from satomori_dashboards.console.alert_cards import undo
from satomori_dashboards.console.frame import Frame
from satomori_dashboards.console.kit import Section, tag
from satomori_dashboards.console.texts import text


@dataclass(frozen=True, slots=True)
class Said:
    """One judgement that stands. `alert`: the id by which it is undone."""

    alert: int
    words: str


@dataclass(frozen=True, slots=True)
class Lowered:
    """One cause of alerts: what is so, what that does, and who said what."""

    title: str
    effect: str
    said: tuple[Said, ...]


def lowered_of(
    language: Language, found: Sequence[SensitivityView], people: Mapping[str, str], zone: str, at_us: int
) -> tuple[Lowered, ...]:
    """`people`: user id → name; `zone`: the asset's."""
    lowered = []
    for each in found:
        key = "judge.lowered" if each.share < 1 else "judge.kept_quiet"
        said = [
            Said(
                one.alert_id,
                text(
                    language,
                    "judge.by",
                    name=people.get(one.given_by, one.given_by),
                    time=moment(language, one.given_us, zone, at_us),
                    verdict=text(language, f"verdict.{one.verdict}"),
                )
                + (f" – {one.note}" if one.note else ""),
            )
            for one in reversed(each.judgements)
        ]
        lowered.append(Lowered(text(language, key, text=each.text), each.effect, tuple(said)))
    return tuple(lowered)


class SensitivityCard:
    def __init__(self, frame: Frame, asset_id: str, zone: str) -> None:
        self.frame = frame
        self._asset, self._zone = asset_id, zone
        self._may_undo = frame.gate.may_acknowledge(frame.visit.viewer)
        self._section = Section(self._draw, "section")
        self._section.box.props["aria-label"] = frame.word("judge.title")

    def load(self) -> tuple[Lowered, ...]:
        """Runs in a thread."""
        gate, viewer = self.frame.gate, self.frame.visit.viewer
        found = gate.queries.judging.sensitivity(viewer, self._asset)
        return lowered_of(self.frame.language, found, gate.people() if found else {}, self._zone, now_us())

    def show(self, lowered: tuple[Lowered, ...]) -> None:
        self._section.show(lowered)

    def _draw(self, lowered: tuple[Lowered, ...]) -> None:
        if not lowered:
            return
        with tag("div", "card sensitivity"):
            with tag("div", "card-head"):
                tag("h2", text=self.frame.word("judge.title"))
            for each in lowered:
                with tag("div", "lowered"):
                    tag("p", "row-name", text=each.title)
                    tag("p", text=each.effect)
                    for said in each.said:
                        self._draw_said(each, said)

    def _draw_said(self, each: Lowered, said: Said) -> None:
        with tag("div", "alert-foot"):
            tag("span", "quiet num", text=said.words)
            if self._may_undo:
                label = self.frame.word("judge.undo_label", text=f"{each.title} {said.words}"[:160])
                button = tag("button", "btn", text=self.frame.word("judge.undo"), type="button", aria_label=label)
                button.on("click", lambda _, alert=said.alert: undo(self.frame, alert))
