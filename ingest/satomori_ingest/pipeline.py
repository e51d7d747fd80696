"""From messages to a stored batch and its acknowledgements: decode, look up, convert, judge, number, write.

Runs in one thread at a time and waits for nothing but the store. Whatever can't be accepted becomes a quarantine row
with its reason, in the same batch; nothing is acknowledged before the batch is stored.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from satomori_core.errors import RejectedError, UnavailableError
from satomori_core.ranges import Range, numbers, to_ranges
from satomori_core.senml import PAYLOAD_BYTES_MAX
from satomori_core.units import conversion
from satomori_ingest.decoders import Decoded, Decoder, Decoders, Value
from satomori_ingest.draft import REASON_LETTERS_MAX, Draft, Origin, encode_value
from satomori_ingest.protocol import Message
from satomori_ingest.quality import EARLIEST_US, GOOD, check_time, check_value, gross_range
from satomori_store.ledger import Ledger
from satomori_store.port import ObservationStore, Row
from satomori_store.registry import Lookup, Route

PLANS_MAX = 1_000_000
_MOST = sys.float_info.max  # a limit that every finite value keeps

# What to do with the values of one name and unit: datastream, factor and offset to what is stored, the range in which
# nothing is to be said against a value, and from when until when all this holds; then what the route itself says.
Plan = tuple[int, float, float, float, float, int, int, Route]


class Pipeline:
    """`owner_of_stream` tells which gateway has used a stream before, None for a new one."""

    def __init__(
        self,
        store: ObservationStore,
        ledger: Ledger,
        decoders: Decoders,
        lookup: Lookup,
        owner_of_stream: Callable[[str], str | None],
        *,
        future_max_s: float = 300.0,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._decoders = decoders
        self._lookup = lookup
        self._owner_of_stream = owner_of_stream
        self._owners: dict[str, str] = {}
        self._future_max_us = round(future_max_s * 1e6)
        self._plans: dict[str, dict[tuple[str, str | None], Plan]] = {}
        self._planned = 0

    def use(self, lookup: Lookup) -> None:
        """From the next batch on this registry stands."""
        self._lookup = lookup
        self._plans.clear()
        self._planned = 0

    # ------------------------------------------------------------------ whole batches

    def draft(self, messages: Iterable[Message], received_at_us: int, values_max: int) -> Draft:
        """As many messages, in order, as come to `values_max` values. Raise UnavailableError: the ledger is away."""
        draft = Draft(received_at_us)
        for message in messages:
            self.add(draft, message)
            if len(draft.rows) + len(draft.quarantine) >= values_max:
                break
        return draft

    def write(self, draft: Draft) -> None:
        """Store it durably. Raise UnavailableError where that can't be done now; then nothing may be acknowledged."""
        while True:
            outcome = self._store.write(draft.batch())
            if outcome.rejected:
                draft.set_aside_rejected(outcome.rejected)
            elif outcome.kept:
                raise UnavailableError(f"the store kept {len(outcome.kept)} of {len(draft.rows)} rows back")
            else:
                return

    # ------------------------------------------------------------------ one message

    def add(self, draft: Draft, message: Message, record_of: tuple[str, int] | None = None) -> None:
        """What a message says, into `draft`. `record_of`: the stream and number of a single replayed record."""
        draft.messages += 1
        gateway, decoder = "", None
        try:
            decoder = self._decoders.find(message.topic)
            gateway = decoder.gateway(message.topic)
            _check_whole(message)
            decoded = decoder.decode(message.topic, message.payload, message.received_at_us)
        except RejectedError as error:
            self._refuse(draft, message, gateway, decoder, error)
            return
        stream = decoded.stream
        if stream is not None and self._owner(stream, decoded.gateway) != decoded.gateway:
            self._refuse_foreign(draft, message, decoded, stream)
        elif decoded.losses and stream is not None:
            fates = draft.of_stream(decoded.gateway, stream)
            fates.lost += [replace(loss, reason=_plain(loss.reason)) for loss in decoded.losses]
        elif stream is not None:
            self._accept_numbered(draft, message, decoded, stream)
        elif record_of is not None:
            self._accept(draft, message, decoded, record_of[0], [(record_of[1], record_of[1])])
        else:
            self._accept(draft, message, decoded, "", ())

    def _refuse(
        self, draft: Draft, message: Message, gateway: str, decoder: Decoder | None, error: RejectedError
    ) -> None:
        """The whole message is set aside, and with it whatever numbers can be seen in it."""
        numbering = decoder.numbering(message.payload) if decoder is not None else None
        if numbering is not None and self._owner(numbering.stream, gateway) != gateway:
            numbering = None
        draft.set_aside_message(message, gateway, error, "" if numbering is None else numbering.stream)
        if numbering is not None:
            fates = draft.of_stream(gateway, numbering.stream)
            fates.set_aside.setdefault(error.reason, []).extend(numbering.seq)

    def _refuse_foreign(self, draft: Draft, message: Message, decoded: Decoded, stream: str) -> None:
        """Another gateway's stream, by mistake or by a copied disk: acknowledged, but kept out of the ledger."""
        owner = self._owner(stream, decoded.gateway)
        error = RejectedError("stream", f"stream {stream} belongs to gateway {owner!r}; was its disk copied?")
        draft.set_aside_message(message, decoded.gateway, error)
        lost = [(loss.first, loss.last) for loss in decoded.losses]
        draft.of_stream(decoded.gateway, stream).foreign += [*decoded.seq, *lost]

    def _owner(self, stream: str, gateway: str) -> str:
        """The gateway that used the stream first, which is `gateway` for a new one."""
        owner = self._owners.get(stream)
        if owner is None:
            if len(self._owners) >= PLANS_MAX:
                self._owners.clear()
            owner = self._owners[stream] = self._owner_of_stream(stream) or gateway
        return owner

    def _accept_numbered(self, draft: Draft, message: Message, decoded: Decoded, stream: str) -> None:
        """Leave out what the ledger or this batch has already."""
        fates = draft.of_stream(decoded.gateway, stream)
        known = fates.seen(decoded.seq)
        if not draft.replaying:
            known = [*known, *self._ledger.known(stream, decoded.seq)]
        if not known:
            self._accept(draft, message, decoded, stream, decoded.seq)
            return
        skipped = set(numbers(known))
        draft.resent[stream] += len(skipped)
        fates.known += known
        seqs = list(numbers(decoded.seq))
        places = range(len(decoded.values)) if decoded.positions is None else decoded.positions
        chosen = [(p, v) for p, v in zip(places, decoded.values, strict=True) if seqs[p] not in skipped]
        left = Decoded(
            decoded.gateway,
            [value for _, value in chosen],
            [place for place, _ in chosen],
            [fault for fault in decoded.faults if seqs[fault.position] not in skipped],
        )
        self._accept(draft, message, left, stream, decoded.seq)

    def _accept(self, draft: Draft, message: Message, decoded: Decoded, stream: str, seq: Sequence[Range]) -> None:
        """Rows of the good values, quarantine of the others; `seq` numbers the positions."""
        rows, odd = self._judge(decoded.gateway, decoded.values, draft.received_at_us + self._future_max_us)
        origin = Origin(len(draft.rows), message, decoded.gateway, stream, decoded.values, seq)
        if odd or decoded.positions is not None:
            seqs = list(numbers(seq))
            places = range(len(decoded.values)) if decoded.positions is None else decoded.positions
            bad = dict(odd)
            for index, error in odd:
                value = decoded.values[index]
                number = seqs[places[index]] if seqs else None
                draft.set_aside_record(origin, value[0], error, encode_value(value), number)
            for fault in decoded.faults:
                number = seqs[fault.position] if seqs else None
                error = RejectedError(fault.reason, fault.detail)
                draft.set_aside_record(origin, fault.name, error, fault.payload, number)
            good = [index for index in range(len(decoded.values)) if index not in bad]
            origin.values = [decoded.values[index] for index in good]
            origin.seq = to_ranges(seqs[places[index]] for index in good) if seqs else ()
        if rows:
            draft.origins.append(origin)
            draft.rows += rows
        if origin.seq and stream:
            draft.of_stream(decoded.gateway, stream).store(origin.seq)

    # ------------------------------------------------------------------ one value

    def _judge(
        self, gateway: str, values: Sequence[Value], latest_us: int
    ) -> tuple[list[Row], list[tuple[int, RejectedError]]]:
        """The rows of the values that can be stored, and the others by their index. The innermost loop."""
        if not values:
            return [], []
        plan_of = self._plans.get(gateway, {}).get
        names, times, numbers_sent, units = zip(*values, strict=True)
        rows: list[Row] = []
        odd: list[tuple[int, RejectedError]] = []
        append = rows.append
        for plan, at_us, sent in zip(map(plan_of, zip(names, units, strict=True)), times, numbers_sent, strict=True):
            if plan is not None:
                datastream, factor, offset, low, high, from_us, until_us, _ = plan
                value = sent * factor + offset
                if low <= value <= high and from_us <= at_us < until_us and at_us <= latest_us:
                    append((datastream, at_us, value, GOOD))
                    continue
            index = len(rows) + len(odd)
            try:
                append(self._judge_one(gateway, values[index], latest_us))
            except RejectedError as error:
                odd.append((index, error))
        return rows, odd

    def _judge_one(self, gateway: str, value: Value, latest_us: int) -> Row:
        """Raise RejectedError with what is wrong: first the time, then what the registry lacks, then the value."""
        name, at_us, sent, unit = value
        check_time(at_us, latest_us)
        plan = self._plans.get(gateway, {}).get((name, unit))
        if plan is None or not plan[5] <= at_us < plan[6]:
            plan = self._plan(gateway, name, unit, at_us)
        stored = sent * plan[1] + plan[2]
        check_value(stored)
        return plan[0], at_us, stored, gross_range(stored, *_limits(plan[7]))

    def _plan(self, gateway: str, name: str, unit: str | None, at_us: int) -> Plan:
        device, _, metric = name.partition("/")
        route, from_us, until_us = self._lookup.span(gateway, device, metric, at_us)
        factor, offset = conversion(unit or route.source_unit or route.unit, route.unit)
        low, high, suspect_low, suspect_high = _limits(route)
        plan = (
            route.datastream_id,
            factor * route.scale,
            offset * route.scale + route.offset,
            max(low, suspect_low),
            min(high, suspect_high),
            max(from_us, EARLIEST_US),
            until_us,
            route,
        )
        if self._planned >= PLANS_MAX:
            self.use(self._lookup)
        self._plans.setdefault(gateway, {})[name, unit] = plan
        self._planned += 1
        return plan


def _check_whole(message: Message) -> None:
    if message.size > len(message.payload):
        raise RejectedError("too_large", f"{message.size} bytes; the limit is {PAYLOAD_BYTES_MAX}")


def _plain(reason: str) -> str:
    """A word that any database takes, whatever was sent."""
    return reason.encode("ascii", "replace").decode()[:REASON_LETTERS_MAX]


def _limits(route: Route) -> tuple[float, float, float, float]:
    return (
        -_MOST if route.low is None else route.low,
        _MOST if route.high is None else route.high,
        -_MOST if route.suspect_low is None else route.suspect_low,
        _MOST if route.suspect_high is None else route.suspect_high,
    )
