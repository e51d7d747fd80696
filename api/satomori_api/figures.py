"""Totals of the whole installation, for readiness and Prometheus. Labels are of bounded sets only."""

from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from typing_extensions import override

from satomori_api.context import ApiContext
from satomori_api.rows import gateway_state
from satomori_core.clock import now_us
from satomori_core.vocabulary import Priority
from satomori_store import models
from satomori_store.databases import reading
from satomori_store.transactions import registry_version

REASONS_MOST = 30  # the rest is "other": a reason is one of our own words, yet a database may hold anything
GATEWAY_STATES = ("online", "offline", "silent", "never")


class Figures:
    """Asked anew each time; each method raises UnavailableError where its database is away."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context

    def registry(self) -> int:
        return registry_version(self._context.engine)

    def store(self) -> None:
        self._context.queries.observing.ready()

    def ledger(self) -> int:
        return self._context.ledger.last_change_id()

    def lag(self) -> Mapping[str, int]:
        """Reader of the ledger's changes → how many it has yet to see."""
        last = self.ledger()
        with reading(self._context.engine) as connection:
            rows = connection.execute(select(models.Cursor.name, models.Cursor.change_id)).all()
        return {name: max(0, last - change_id) for name, change_id in rows}

    def stored(self) -> int:
        return sum(count.numbered + count.unnumbered for count in self._context.ledger.reading_counts().values())

    def alerts(self) -> Mapping[str, int]:
        alert = models.Alert
        query = select(alert.priority, func.count()).where(alert.resolved_us.is_(None)).group_by(alert.priority)
        with reading(self._context.engine) as connection:
            found = {row[0]: row[1] for row in connection.execute(query)}
        return {priority.value: found.get(priority.value, 0) for priority in Priority}

    def quarantine(self) -> Mapping[str, int]:
        waiting: Counter[str] = Counter()
        for row in self._context.ledger.quarantine_summary():
            waiting[row.reason] += row.count
        shown = dict(waiting.most_common(REASONS_MOST))
        rest = waiting.total() - sum(shown.values())
        return {**shown, "other": rest} if rest else shown

    def gateways(self) -> Mapping[str, int]:
        with reading(self._context.engine) as connection, Session(connection) as session:
            states = Counter(gateway_state(row, now_us()) for row in session.scalars(select(models.Gateway)))
        return {state: states[state] for state in GATEWAY_STATES}

    def prometheus(self, *, listeners: int) -> CollectorRegistry:
        registry = CollectorRegistry()
        registry.register(_Collector(self, listeners))
        return registry


class _Collector(Collector):
    def __init__(self, figures: Figures, listeners: int) -> None:
        self._figures = figures
        self._listeners = listeners

    @override
    def collect(self) -> Iterator[Metric]:
        figures = self._figures
        yield CounterMetricFamily("satomori_values_stored", "Values stored, by the ledger.", value=figures.stored())
        yield GaugeMetricFamily("satomori_changes_last", "Id of the ledger's newest change.", value=figures.ledger())
        yield GaugeMetricFamily("satomori_live_streams", "Open live streams.", value=self._listeners)
        for name, told, label, values in (
            ("changes_lag", "Changes of the ledger that a reader has yet to see.", "reader", figures.lag()),
            ("alerts_unresolved", "Alerts that are not over, by priority.", "priority", figures.alerts()),
            ("quarantine_waiting", "Messages and records in quarantine, by reason.", "reason", figures.quarantine()),
            ("gateways", "Gateways by state.", "state", figures.gateways()),
        ):
            family = GaugeMetricFamily(f"satomori_{name}", told, labels=[label])
            for value, number in values.items():
                family.add_metric([value], number)
            yield family
