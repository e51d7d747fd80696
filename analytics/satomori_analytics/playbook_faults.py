"""What may be wrong with a playbook's file: all of it at once, each with its place and what to do. Pure."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from itertools import pairwise
from math import isfinite
from typing import Any

from typing_extensions import override

from satomori_analytics.playbook import LEVELS, Derived, Evidence, Limit, Metric, Outlook, Playbook, Sensor, Watch
from satomori_analytics.playbook_entries import Table, entry_faults, number_faults, tables_of, text_faults
from satomori_core.settings import suggest, try_structure

_KINDS: Mapping[str, type] = {
    "metric": Metric, "derived": Derived, "limit": Limit, "watch": Watch, "forecast": Outlook, "evidence": Evidence,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """`text` says what is wrong and what to do; `table` as it stands in the file, `key` within it."""

    file: str
    table: str
    key: str
    text: str

    @override
    def __str__(self) -> str:
        place = " ".join(filter(None, (self.table, self.key)))
        return ": ".join(filter(None, (self.file, place, self.text)))


def read_document(document: Table, own: Table, below: Table, file: str) -> tuple[Playbook | None, list[Fault]]:
    """The playbook, or None and all its faults. `document` is `own` (what `file` has) laid over `below`.

    Ours have nothing below them, and `own` is empty.
    """
    reading = _Reading(document, own, below, file)
    made = {kind: reading.entries(kind) for kind in _KINDS}
    sensor = reading.sensor()
    reading.head()
    reading.levels(made["limit"])
    if reading.faults or sensor is None:
        return None, reading.faults
    return Playbook(document["people_ja"], document["people_en"], **made, sensor=sensor), []


class _Reading:
    def __init__(self, document: Table, own: Table, below: Table, file: str) -> None:
        self.document, self.own, self.below, self.file = document, own, below, file
        self.faults: list[Fault] = []

    def add(self, table: str, key: str, text: str) -> None:
        self.faults.append(Fault(self.file, table, key, text))

    def head(self) -> None:
        known = [each.name for each in fields(Playbook)]
        for key in self.document:
            if key not in known:
                self.add("", key, f"unknown table or key{suggest(key, known)}")
        for key in ("people_ja", "people_en"):
            value = self.document.get(key)
            for text in text_faults(key, value) if isinstance(value, str | None) else (f"{value!r} is not text",):
                self.add("", key, text)

    def sensor(self) -> Sensor | None:
        value, mistakes = try_structure(self.document.get("sensor", {}), Sensor)
        for key, text in [*mistakes, *number_faults("sensor", self.document.get("sensor"))]:
            self.add("[sensor]", key, text)
        return value

    def entries(self, kind: str) -> dict[str, Any]:
        """Those of the tables `[kind.…]` that are whole."""
        tables, made = tables_of(self.document, kind), dict[str, Any]()
        if tables != self.document.get(kind, {}):
            self.add(f"[{kind}]", "", f"expected nothing but tables [{kind}.<name>]")
        for name, entry in tables.items():
            table = f"[{kind}.{name}]"
            unknown = self._names_nothing(kind, name, entry)
            if unknown:
                self.add(table, "", unknown)
            else:
                value, mistakes = try_structure(entry, _KINDS[kind])
                for key, text in mistakes:
                    self.add(table, key, text)
                if value is not None:
                    made[name] = value
            for key, text in entry_faults(kind, name, entry, self.document):
                self.add(table, key, text)
            for key in self._unsourced(kind, name):
                text = "is changed, so the source below is not its source; add your own `source` to this table"
                self.add(table, key, text)
        return made

    def _names_nothing(self, kind: str, name: str, entry: Table) -> str:
        """An override of what is not there: where it is new it has to be whole."""
        there = tables_of(self.below, kind)
        needed = [f.name for f in fields(_KINDS[kind]) if f.default is MISSING and f.default_factory is MISSING]
        missing = [key for key in needed if key not in entry]
        if name in there or not self.own or not missing:
            return ""
        return f"there is none below to override{suggest(name, there)}; a new one needs {', '.join(missing)} too"

    def _unsourced(self, kind: str, name: str) -> list[str]:
        """Thresholds that this file changes without saying where it has them from."""
        entry, before = (tables_of(each, kind).get(name, {}) for each in (self.own, self.below))
        if not before or "source" in entry:
            return []
        if kind == "forecast":
            return [key for key in ("watch", "warning", "options", "varieties") if _moved(entry, before, key)]
        keys = {"limit": ("high", "low"), "watch": ("options",), "evidence": ("least",)}.get(kind, ())
        return [key for key in keys if key in entry and entry[key] != before.get(key)]

    def levels(self, limits: Mapping[str, Limit]) -> None:
        """Of one quantity and side: each level once, and a worse one further out."""
        sides: dict[tuple[str, str], list[tuple[str, Limit]]] = {}
        for name, limit in limits.items():
            if limit.enabled:
                sides.setdefault((limit.on, limit.side), []).append((name, limit))
        for (_, side), named in sides.items():
            ordered = sorted(named, key=lambda pair: LEVELS[pair[1].level])
            for (name, lesser), (other, worse) in pairwise(ordered):
                if lesser.level == worse.level:
                    blamed, against = self._blamed(name, other)
                    text = f"is {worse.level} as [limit.{against}] is; keep one of them, or disable the other"
                    self.add(f"[limit.{blamed}]", "level", text)
            numbers = [(n, limit.level, float(getattr(limit, side))) for n, limit in ordered]
            for (name, lesser_level, near), (other, level, far) in pairwise(n for n in numbers if isfinite(n[2])):
                if lesser_level != level and (near >= far if side == "high" else near <= far):
                    way = "above" if side == "high" else "below"
                    text = (
                        f"{level} {far:g} of [limit.{other}] has to lie {way} {lesser_level} {near:g} of [limit.{name}]"
                    )
                    self.add(f"[limit.{self._blamed(name, other)[0]}]", side, f"levels out of order: {text}")

    def _blamed(self, name: str, other: str) -> tuple[str, str]:
        """Of two limits that do not go together first the one that this file has."""
        own = tables_of(self.own, "limit")
        return (name, other) if name in own and other not in own else (other, name)


def _moved(entry: Table, before: Table, key: str) -> bool:
    """Whether a forecast's table changes more than what is told to people."""
    own, there = (each.get(key, {}) for each in (entry, before))
    if not isinstance(own, dict) or not isinstance(there, dict):
        return bool(own != there)
    return any(own[name] != there.get(name) for name in own if name not in {"advice_ja", "advice_en"})
