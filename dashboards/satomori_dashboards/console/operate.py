"""Operating: what there is on an asset's page, the dialog that asks why, how an order fares, who ordered what."""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from nicegui import background_tasks, run, ui

from satomori_api.formatting import Language, moment, with_unit
from satomori_api.views import ActuatorView, CommandView
from satomori_core.clock import SECOND_US, now_us
from satomori_core.commands import Action, reason_of
from satomori_core.errors import ConflictError, NotFoundError, RejectedError, UnavailableError
from satomori_dashboards.console.formatting import span
from satomori_dashboards.console.frame import Frame
from satomori_dashboards.console.kit import Section, tag, words
from satomori_dashboards.console.texts import TEXTS, named, text
from satomori_store.access import ForbiddenError
from satomori_store.commands import Order, SamplingOrder

LOOK_EVERY_S = 1.0  # while an order is on its way
SHOWN_MOST = 10
WHY_MOST = 500
EXPIRES_IN_S = 60
RUN_MIN_USUAL = 30.0
PENDING = frozenset({"waiting", "sent"})


@dataclass(frozen=True, slots=True)
class Choice:
    """A button: where it moves the actuator; `value` None: to be asked for, or with `stop` the fail-safe position."""

    label: str
    action: Action
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """An actuator in the words of the page. `limits`: what the dialog's value may be, where it asks for one."""

    name: str
    label: str
    position: str
    hint: str
    choices: tuple[Choice, ...]
    limits: tuple[float, float] | None
    unit: str
    run_min_max: float | None


@dataclass(frozen=True, slots=True)
class Told:
    """A command in the words of the page."""

    id: str
    state: str
    what: str
    who: str
    why: str
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    machines: tuple[Machine, ...] = ()
    history: tuple[Told, ...] = ()

    @property
    def is_moving(self) -> bool:
        return any(told.state in PENDING for told in self.history)


def machine_of(language: Language, actuator: ActuatorView, zone: str, at_us: int, *, may_operate: bool) -> Machine:
    label = named(language, actuator.label, actuator.label_en)
    position = text(language, "operate.position_none")
    if actuator.position is not None and actuator.read_at_us is not None:
        value = with_unit(actuator.position, actuator.unit)
        position = text(
            language, "operate.position", value=value, time=moment(language, actuator.read_at_us, zone, at_us)
        )
    hint = ""
    if not actuator.offered:
        hint = text(language, "operate.away")
    elif not may_operate:
        hint = text(language, "operate.forbidden")
    elif actuator.online is False:
        hint = text(language, "operate.offline")
    limits = None
    if actuator.min is not None and actuator.max is not None:
        limits = (actuator.min, actuator.max)
    return Machine(
        name=actuator.name,
        label=label,
        position=position,
        hint=hint,
        choices=_choices(language, actuator) if actuator.offered and may_operate else (),
        limits=limits,
        unit=actuator.unit,
        run_min_max=None if actuator.run_s_max is None else actuator.run_s_max / 60,
    )


def _choices(language: Language, actuator: ActuatorView) -> tuple[Choice, ...]:
    def shown(value: float) -> str:
        return with_unit(value, actuator.unit)

    moves = [
        Choice(text(language, "operate.set", value=shown(value)), Action.SET, value)
        for value in actuator.values
        if value != actuator.fail_safe
    ]
    if not actuator.values:
        moves.append(Choice(text(language, "operate.move"), Action.SET))
    safe = shown(actuator.fail_safe) if actuator.fail_safe is not None else "–"
    return (*moves, Choice(text(language, "operate.stop", value=safe), Action.STOP))


def told_of(
    language: Language,
    command: CommandView,
    units: Mapping[str, str],
    people: Mapping[str, str],
    *,
    zone: str,
    at_us: int,
    devices: Mapping[str, str] = MappingProxyType({}),
) -> Told:
    """`units`: actuator → its unit; `people`: user id → name; `devices`: id → name."""

    def when(us: int) -> str:
        return moment(language, us, zone, at_us)

    def shown(value: float) -> str:
        return with_unit(value, "s" if command.interval_s is not None else units.get(command.actuator or "", ""))

    facts = [text(language, f"operate.state.{command.state}", count=command.sent_count)]
    if command.late:
        facts.append(text(language, "operate.late"))
    if command.reason:
        facts.append(reason_words(language, command.reason))
    if command.read_back is not None:
        facts.append(text(language, "operate.read_back", value=shown(command.read_back)))
    if command.ended_us is not None:
        why = f"operate.ended.{command.ended_why}"
        word = text(language, why) if why in TEXTS else command.ended_why
        facts.append(text(language, "operate.ended", time=when(command.ended_us), why=word))
    elif command.until_us is not None:
        key = "operate.until" if command.until_us > at_us else "operate.overdue"
        facts.append(text(language, key, time=when(command.until_us)))
    return Told(
        id=command.id,
        state=command.state,
        what=_what(language, command, devices, shown),
        who=f"{when(command.issued_us)} {people.get(command.user_id, command.user_id)}",
        why=command.why,
        facts=tuple(facts),
    )


def _what(language: Language, command: CommandView, devices: Mapping[str, str], shown: Callable[[float], str]) -> str:
    if command.interval_s is not None:
        device = devices.get(command.device_id or "", command.device_id)
        return text(language, "operate.told_sample", device=device, span=shown(command.interval_s))
    if command.action == Action.STOP or command.value is None:
        return text(language, "operate.told_stop")
    if command.run_s is None:
        return text(language, "operate.set", value=shown(command.value))
    length = span(language, round(command.run_s * SECOND_US))
    return text(language, "operate.told_run", value=shown(command.value), span=length)


def reason_words(language: Language, reason: str) -> str:
    """The reason's word in the page's language, and the gateway's particulars as they came."""
    word, _, particulars = reason.partition(":")
    key = f"operate.reason.{word}"
    if key not in TEXTS or (reason_of(reason) is None and particulars):
        return reason
    known = text(language, key)
    return f"{known} ({particulars.strip()})" if particulars else known


class OperateCard:
    """Nothing where there is nothing to operate."""

    def __init__(self, frame: Frame, asset_id: str, asset_name: str, zone: str) -> None:
        self.frame = frame
        self._asset = asset_id
        self._zone = zone
        self._section = Section(self._draw, "section", "operate")
        self._section.box.props["aria-label"] = frame.word("operate.title")
        self._dialog = OrderDialog(frame, self._look, asset_id, asset_name)
        self._timer = ui.timer(LOOK_EVERY_S, self._look, active=False)

    def load(self) -> Operation:
        """Runs in a thread."""
        gate, visit, language = self.frame.gate, self.frame.visit, self.frame.language
        operating, at_us = gate.queries.operating, now_us()
        actuators = operating.actuators(visit.viewer, self._asset)
        if not actuators:
            return Operation()
        allowed = operating.may_operate(visit.viewer, self._asset)
        units = {actuator.name: actuator.unit for actuator in actuators}
        people = gate.people()
        commands = operating.commands(visit.viewer, self._asset, limit=SHOWN_MOST)
        return Operation(
            tuple(machine_of(language, one, self._zone, at_us, may_operate=allowed) for one in actuators),
            tuple(told_of(language, command, units, people, zone=self._zone, at_us=at_us) for command in commands),
        )

    def show(self, operation: Operation) -> None:
        self._section.show(operation)
        self._timer.active = operation.is_moving

    async def _look(self) -> None:
        """Sooner than the page's next look: somebody waits for it."""
        try:
            found = await run.io_bound(self.load)
        except (UnavailableError, NotFoundError):
            return  # the frame says so
        if found is not None:
            self.show(found)

    def _draw(self, operation: Operation) -> None:
        if not operation.machines:
            return
        with tag("div", "card"):
            with tag("div", "card-head"):
                tag("h2", text=self.frame.word("operate.title"))
            for machine in operation.machines:
                self._draw_machine(machine)
            if operation.history:
                with tag("ol", "told", aria_live="polite"):
                    for told in operation.history:
                        draw_told(self.frame, told)

    def _draw_machine(self, machine: Machine) -> None:
        with tag("div", "machine"):
            tag("div", "metric-name", text=machine.label)
            tag("div", "quiet num", text=machine.position)
            if machine.hint:
                tag("p", "quiet", text=machine.hint)
            with tag("div", "machine-foot"):
                for choice in machine.choices:
                    look = "btn" if choice.action is Action.STOP else "btn main"
                    label = f"{machine.label}: {choice.label}"
                    button = tag("button", look, text=choice.label, type="button", aria_label=label)
                    button.on("click", lambda _, choice=choice: self._dialog.ask(machine, choice))


def draw_told(frame: Frame, told: Told) -> None:
    with tag("li", f"told-{told.state}"):
        with tag("div", "row-head"):
            tag("span", "row-name", text=told.what)
            tag("span", "quiet num", text=told.who)
        tag("div", "told-facts num", text=" · ".join(told.facts))
        tag("div", "quiet", text=f"{frame.word('operate.why')}: {told.why}")


def _asks_value(machine: Machine, choice: Choice) -> bool:
    return choice.action is not Action.STOP and choice.value is None and machine.limits is not None


class OrderDialog:
    """Asks for what is missing, and why; then orders it once, however often the button is pressed.

    Without an asset its machines are devices.
    """

    def __init__(
        self, frame: Frame, look: Callable[[], Awaitable[None]], asset_id: str = "", asset_name: str = ""
    ) -> None:
        self.frame = frame
        self._asset = asset_id
        self._asset_name = asset_name
        self._look = look
        self._asked: tuple[str, Machine, Choice] | None = None
        word = frame.word
        with ui.dialog() as self.dialog, tag("form", "dialog", role="dialog", aria_modal="true") as form:
            self.title = words("h2", "", "")
            self.what = words("p", "", "")
            with tag("div", "field") as self.value_field:
                self.value_label = words("label", "", "")
                self.value_label.props["for"] = "order-value"
                self.value = ui.number().props("outlined step=any for=order-value")
            with tag("div", "field") as self.run_field:
                tag("label", text=word("operate.run"), for_="order-run")
                self.run = ui.number(min=0).props("outlined step=any for=order-run")
                self.run_hint = words("span", "quiet", "")
            with tag("div", "field"):
                tag("label", text=word("operate.why"), for_="order-why")
                self.why = ui.textarea().props(f"outlined autogrow maxlength={WHY_MOST} for=order-why")
                tag("span", "quiet", text=word("operate.why_hint"))
            with tag("div", "dialog-foot"):
                cancel = tag("button", "btn", text=word("operate.cancel"), type="button")
                cancel.on("click", self.close)
                tag("button", "btn main", text=word("operate.confirm"), type="submit")
        form.on("submit.prevent", lambda _: background_tasks.create(self.confirm(), context=form))

    def ask(self, machine: Machine, choice: Choice) -> None:
        self._asked = (uuid.uuid4().hex, machine, choice)
        word, is_set = self.frame.word, choice.action is Action.SET
        self.title.text = choice.label
        self.what.text = word("operate.ask", asset=self._asset_name, actuator=machine.label, position=machine.position)
        self.value_field.set_visibility(_asks_value(machine, choice))
        if choice.action is Action.INTERVAL:
            self.what.text = word("operate.ask_sample", device=machine.label)
            self.value_label.text = word("operate.interval")
        elif machine.limits is not None:
            low, high = (with_unit(limit, machine.unit) for limit in machine.limits)
            self.value_label.text = word("operate.value", low=low, high=high)
        self.value.value = None
        self.run_field.set_visibility(is_set and machine.run_min_max is not None)
        if machine.run_min_max is not None:
            self.run.value = min(RUN_MIN_USUAL, machine.run_min_max)
            self.run_hint.text = word("operate.run_hint", most=f"{machine.run_min_max:g}")
        self.why.value = ""
        self.dialog.value = True

    def _missing(self, machine: Machine, choice: Choice) -> str | None:
        """What is still to be filled in, or must be otherwise."""
        if _asks_value(machine, choice) and machine.limits is not None:
            low, high = machine.limits
            if self.value.value is None or not low <= self.value.value <= high:
                return str(self.value_label.text)
        if choice.action is Action.SET and machine.run_min_max is not None:
            minutes = self.run.value
            if minutes is None or not 0 < minutes <= machine.run_min_max:
                return str(self.run_hint.text)
        return None if (self.why.value or "").strip() else self.frame.word("operate.why_missing")

    def _order(self, key: str, machine: Machine, choice: Choice) -> Order | SamplingOrder:
        user, expires_in_us = self.frame.visit.viewer.user_id, EXPIRES_IN_S * SECOND_US
        why = self.why.value.strip()[:WHY_MOST]
        if choice.action is Action.INTERVAL:
            return SamplingOrder(key, user, machine.name, self.value.value, expires_in_us, why)
        is_set = choice.action is Action.SET
        return Order(
            key=key,
            user_id=user,
            asset_id=self._asset,
            actuator=machine.name,
            action=choice.action,
            value=self.value.value if is_set and choice.value is None else choice.value,
            run_s=self.run.value * 60 if is_set and machine.run_min_max is not None else None,
            expires_in_us=expires_in_us,
            why=why,
        )

    def close(self) -> None:
        self.dialog.value = False

    async def confirm(self) -> None:
        if self._asked is None:
            return
        key, machine, choice = self._asked
        word = self.frame.word
        if (missing := self._missing(machine, choice)) is not None:
            ui.notify(missing, type="warning")
            return
        try:
            await run.io_bound(self.frame.gate.operate, self.frame.visit, self._order(key, machine, choice))
        except RejectedError as error:
            ui.notify(word("operate.rejected", reason=str(error)), type="warning")
            return  # the dialog stays: what was typed can be put right
        except ConflictError:  # pressed twice with something changed in between: the first one counts
            ui.notify(word("operate.conflict"), type="warning")
        except ForbiddenError:
            ui.notify(word("operate.forbidden"), type="negative")
        except NotFoundError:
            ui.notify(word("error.not_found"), type="negative")
        except UnavailableError:
            ui.notify(word("error.unavailable"), type="negative")
            return  # tried again with the same key, it is ordered once
        self._asked = None
        self.close()
        await self._look()
