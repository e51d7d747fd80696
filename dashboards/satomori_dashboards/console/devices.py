"""The page `/devices`: gateways and what is behind them, the ledger of what arrived, and what was set aside."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fastapi import Request, Response
from nicegui import run, ui

from satomori_api.formatting import DEFAULT_ZONE, Language
from satomori_api.views import AuditView, DeviceView, GatewayView, QuarantineView
from satomori_core.clock import now_us
from satomori_core.commands import Action
from satomori_core.errors import UnavailableError
from satomori_core.metrics import catalogue
from satomori_dashboards.console.formatting import age
from satomori_dashboards.console.frame import Frame, to_login, visiting
from satomori_dashboards.console.gate import Gate
from satomori_dashboards.console.kit import Section, empty, tag
from satomori_dashboards.console.operate import (
    LOOK_EVERY_S,
    PENDING,
    Choice,
    Machine,
    OrderDialog,
    Told,
    draw_told,
    told_of,
)
from satomori_dashboards.console.texts import TEXTS, metric_word, named, text
from satomori_store.adopting import UnknownDevice
from satomori_store.commanding import INTERVAL_S_MAX, INTERVAL_S_MIN

QUARANTINE_MOST = 1000  # the newest ones are counted
ORDERS_MOST = 10
# What adopting can cure; everything else is cured where it was sent, or in the registry file.
ADOPTABLE = frozenset({"unknown_device", "unknown_metric"})


@dataclass(frozen=True, slots=True)
class Device:
    name: str
    id: str
    model: str
    seen: str
    may_sample: bool


@dataclass(frozen=True, slots=True)
class Gateway:
    name: str
    id: str
    kind: str
    state: str
    seen: str
    devices: tuple[Device, ...]
    orders: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Stream:
    """One outbox's numbers."""

    gateway: str
    stream: str
    seen: str
    stored: int
    gaps: str
    missing: int
    resent: int
    set_aside: int
    lost: int
    reasons: str


@dataclass(frozen=True, slots=True)
class Pile:
    """Set aside for one reason from one sender."""

    reason: str
    detail: str
    sender: str
    count: int
    last: str
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Devices:
    gateways: tuple[Gateway, ...]
    streams: tuple[Stream, ...]
    piles: tuple[Pile, ...]
    capped: bool


def gateways_of(
    language: Language,
    gateways: Sequence[GatewayView],
    devices: Sequence[DeviceView],
    at_us: int,
    *,
    samplable: frozenset[str],
    orders: Mapping[str, Sequence[Told]],
) -> tuple[Gateway, ...]:
    """What needs somebody first: silent, then offline, then never heard of, then the well ones.

    `samplable`: devices whose interval the visitor may change; `orders`: gateway → those that there were.
    """
    behind: dict[str, list[DeviceView]] = defaultdict(list)
    for device in devices:
        # A gateway's own health is measured by a device with its id.
        if device.gateway_id is not None and device.id != device.gateway_id:
            behind[device.gateway_id].append(device)
    order = ("silent", "offline", "never", "online")

    def seen(us: int | None) -> str:
        return "" if us is None else text(language, "devices.seen", age=age(language, us, at_us))

    return tuple(
        Gateway(
            named(language, gateway.name, gateway.name_en),
            gateway.id,
            text(language, f"devices.kind_{gateway.kind}"),
            gateway.state,
            seen(gateway.seen_us),
            tuple(
                Device(
                    named(language, d.name, d.name_en),
                    d.id,
                    d.model or "",
                    seen(d.seen_us),
                    may_sample=gateway.kind == "edge" and d.id in samplable,
                )
                for d in behind[gateway.id]
            ),
            tuple(orders.get(gateway.id, ())),
        )
        for gateway in sorted(gateways, key=lambda g: (order.index(g.state) if g.state in order else 0, g.id))
    )


def streams_of(
    language: Language, audit: Sequence[AuditView], names: Mapping[str, str], at_us: int
) -> tuple[Stream, ...]:
    ordered = sorted(audit, key=lambda row: (-(row.missing + row.lost), row.gateway_id, -row.last_seen_us))
    return tuple(
        Stream(
            gateway=names.get(row.gateway_id, row.gateway_id),
            stream=row.stream,
            seen=age(language, row.last_seen_us, at_us),
            stored=row.stored,
            gaps=ranges(row.gaps),
            missing=row.missing,
            resent=row.resent,
            set_aside=row.set_aside,
            lost=row.lost,
            reasons=text(language, "list.separator").join(
                f"{reason_word(language, reason)} {n:,}" for reason, n in sorted(row.reasons.items())
            ),
        )
        for row in ordered
    )


def ranges(found: Sequence[tuple[int, int]], most: int = 3) -> str:
    """At most `most` of them, as 1–5, 9 …."""
    shown = [str(first) if first == last else f"{first}–{last}" for first, last in found[:most]]
    return ", ".join(shown) + (" …" if len(found) > most else "")


def reason_word(language: Language, reason: str) -> str:
    key = f"reason.{reason}"
    return text(language, key) if key in TEXTS else reason


def piles_of(language: Language, rows: Iterable[QuarantineView], at_us: int) -> tuple[Pile, ...]:
    """Counted by reason and sender, the most first."""
    groups: dict[tuple[str, str, str], list[QuarantineView]] = defaultdict(list)
    for row in rows:
        groups[row.reason, row.gateway_id, row.device].append(row)
    found = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    piles = []
    for (reason, gateway, device), members in found:
        newest = max(members, key=lambda row: row.received_at_us)
        metrics = sorted({row.metric for row in members if row.metric})
        told = [gateway, device, text(language, "list.separator").join(metric_word(language, m) for m in metrics)]
        piles.append(
            Pile(
                reason=reason_word(language, reason),
                detail=newest.detail,
                sender=" / ".join(part for part in told if part) or "–",
                count=len(members),
                last=age(language, newest.received_at_us, at_us),
                commands=adopt_commands(reason, gateway, device, metrics),
            )
        )
    return tuple(piles)


def adopt_commands(reason: str, gateway: str, device: str, metrics: Sequence[str]) -> tuple[str, ...]:
    """What makes the sender known and then takes in what waits; nothing where that would not help."""
    known = [metric for metric in metrics if metric in catalogue()]
    if reason not in ADOPTABLE or not device or not known:
        return ()
    adopt = UnknownDevice(gateway, device, known, (), 0, 0, 0).command
    return adopt, f"satomori quarantine replay --device {device}"


class DevicesPage:
    def __init__(self, frame: Frame) -> None:
        self.frame = frame

    def build(self) -> None:
        word = self.frame.word
        self.frame.head(word("devices.title"))
        self.dialog = OrderDialog(self.frame, self.look)
        self.timer = ui.timer(LOOK_EVERY_S, self.look, active=False)
        with tag("section", "stack", aria_label=word("devices.gateways")):
            tag("h2", text=word("devices.gateways"))
            self.gateways = Section(self.draw_gateways, waiting=2)
        with tag("section", "card", aria_label=word("devices.ledger")):
            with tag("div", "card-head"):
                tag("h2", text=word("devices.ledger"))
                tag("span", "quiet", text=word("devices.ledger_hint"))
            self.ledger = Section(self.draw_ledger, waiting=1)
        with tag("section", "card", aria_label=word("quarantine.title")):
            with tag("div", "card-head"):
                tag("h2", text=word("quarantine.title"))
                tag("span", "quiet", text=word("quarantine.hint"))
            self.piles = Section(self.draw_piles, waiting=1)

    def load(self) -> Devices:
        queries, viewer, language = self.frame.gate.queries, self.frame.visit.viewer, self.frame.language
        at_us = now_us()
        gateways = queries.gateways(viewer)
        devices = queries.devices(viewer)
        names = {g.id: named(language, g.name, g.name_en) for g in gateways}
        waiting = queries.quarantine(viewer, limit=QUARANTINE_MOST)
        return Devices(
            gateways_of(
                language,
                gateways,
                devices,
                at_us,
                samplable=queries.operating.samplable(viewer),
                orders=self.load_orders(devices, at_us),
            ),
            streams_of(language, queries.audit(viewer), names, at_us),
            piles_of(language, waiting, at_us),
            len(waiting) == QUARANTINE_MOST,
        )

    def load_orders(self, devices: Sequence[DeviceView], at_us: int) -> Mapping[str, Sequence[Told]]:
        """Gateway → the newest orders of how often its devices are asked."""
        gate, visit, language = self.frame.gate, self.frame.visit, self.frame.language
        names = {device.id: named(language, device.name, device.name_en) for device in devices}
        people = gate.people()
        orders: dict[str, list[Told]] = defaultdict(list)
        for command in gate.queries.operating.sampling_commands(visit.viewer, limit=ORDERS_MOST):
            told = told_of(language, command, {}, people, zone=DEFAULT_ZONE, at_us=at_us, devices=names)
            orders[command.gateway_id].append(told)
        return orders

    async def look(self) -> None:
        """Sooner than the page's next look: somebody waits for it."""
        try:
            found = await run.io_bound(self.load)
        except UnavailableError:
            return  # the frame says so
        if found is not None:
            self.show(found)

    def show(self, devices: Devices) -> None:
        self.timer.active = any(told.state in PENDING for gateway in devices.gateways for told in gateway.orders)
        self.gateways.show(devices.gateways)
        self.ledger.show(devices.streams)
        self.piles.show((devices.piles, devices.capped))

    # -------------------------------------------------------------- sections

    def draw_gateways(self, gateways: tuple[Gateway, ...]) -> None:
        if not gateways:
            with tag("div", "card"):
                empty(self.frame.word("devices.gateways_none"))
            return
        with tag("ul", "gateways"):
            for gateway in gateways:
                with tag("li", "card gateway"):
                    self.draw_gateway(gateway)

    def draw_gateway(self, gateway: Gateway) -> None:
        word = self.frame.word
        with tag("div", "gateway-head"):
            with tag("div"):
                tag("h3", text=gateway.name)
                tag("div", "quiet", text=gateway.id)
            look = {"online": "fine", "silent": "bad", "offline": "bad"}.get(gateway.state, "odd")
            tag("span", f"chip {look}", text=word(f"devices.{gateway.state}"))
        told = [gateway.seen, gateway.kind]
        tag("div", "quiet num", text=" · ".join(part for part in told if part))
        if gateway.orders:
            with tag("ol", "told", aria_live="polite"):
                for order in gateway.orders:
                    draw_told(self.frame, order)
        if not gateway.devices:
            return
        with tag("details", "fold"):
            tag("summary", text=f"{word('devices.behind')} {len(gateway.devices)}")
            with tag("ul"):
                for device in gateway.devices:
                    with tag("li"):
                        with tag("span"):
                            tag("span", "row-name", text=device.name)
                            sub = " · ".join(part for part in (device.id, device.model) if part)
                            tag("div", "row-sub", text=sub)
                        tag("span", "quiet num", text=device.seen or word("devices.never"))
                        if device.may_sample:
                            self.draw_sampling(device)

    def draw_sampling(self, device: Device) -> None:
        label = self.frame.word("operate.sample")
        button = tag("button", "btn", text=label, type="button", aria_label=f"{device.name}: {label}")
        machine = Machine(device.id, device.name, "", "", (), (INTERVAL_S_MIN, INTERVAL_S_MAX), "s", None)
        button.on("click", lambda: self.dialog.ask(machine, Choice(label, Action.INTERVAL)))

    def draw_ledger(self, streams: tuple[Stream, ...]) -> None:
        word = self.frame.word
        if not streams:
            empty(word("devices.ledger_none"))
            return
        with tag("table", "ledger"):
            tag("caption", "hidden-text", text=word("devices.ledger"))
            with tag("thead"), tag("tr"):
                tag("th", text=word("devices.gateway"), scope="col")
                for key in ("stored", "gaps", "resent", "set_aside", "lost"):
                    tag("th", text=word(f"devices.{key}"), scope="col")
            with tag("tbody"):
                for row in streams:
                    with tag("tr"):
                        self.draw_stream(row)

    def draw_stream(self, row: Stream) -> None:
        word = self.frame.word
        with tag("td"):
            tag("div", "row-name", text=row.gateway)
            tag("div", "row-sub num", text=f"{word('devices.stream')} {row.stream[:8]} · {row.seen}")
            if row.reasons:
                tag("div", "row-sub", text=row.reasons)
        figures = (
            ("stored", row.stored, False),
            ("gaps", row.missing, row.missing > 0),
            ("resent", row.resent, False),
            ("set_aside", row.set_aside, row.set_aside > 0),
            ("lost", row.lost, row.lost > 0),
        )
        for key, figure, odd in figures:
            with tag("td", "num", data_label=word(f"devices.{key}")):
                tag("span", "flag" if odd else "", text=f"{figure:,}")
                if key == "gaps" and row.gaps:
                    tag("div", "row-sub", text=row.gaps)

    def draw_piles(self, model: tuple[tuple[Pile, ...], bool]) -> None:
        piles, capped = model
        word = self.frame.word
        if not piles:
            empty(word("quarantine.none"))
            return
        with tag("ul", "rows"):
            for pile in piles:
                with tag("li", "pile"):
                    with tag("div", "gateway-head"):
                        with tag("div"):
                            tag("h3", text=pile.reason)
                            tag("div", "quiet", text=pile.sender)
                        with tag("div", "row-end"):
                            tag("span", "chip odd num", text=word("quarantine.messages", count=pile.count))
                            tag("span", "num", text=pile.last)
                    tag("p", "quiet", text=pile.detail)
                    if pile.commands:
                        tag("div", "label", text=word("quarantine.adopt"))
                        tag("code", "code", text="\n".join(pile.commands))
        if capped:
            tag("p", "quiet", text=word("quarantine.capped", count=QUARANTINE_MOST))


def add_devices_page(gate: Gate) -> None:
    @ui.page("/devices", response_timeout=20)
    async def devices(request: Request) -> Response | None:
        visit = await visiting(gate, request)
        if visit is None:
            return to_login(request)
        frame = Frame(gate, visit, request)
        page = DevicesPage(frame)
        with frame.open("devices", frame.word("devices.title")):
            page.build()
        await frame.run(page.load, page.show)
        return None
