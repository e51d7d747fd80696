"""From messages to a stored batch and its acknowledgements: decode, look up, convert, judge, number, write.

Drafting runs in one thread and writing in one, which may be another: a draft is only touched by the one whose turn it
is. Whatever can't be accepted becomes a quarantine row with its reason, in the same batch; nothing is acknowledged
before the batch is stored.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from satomori_core.errors import RejectedError, UnavailableError
from satomori_core.ranges import Range, intersect, numbers, to_ranges
from satomori_core.senml import PAYLOAD_BYTES_MAX
from satomori_ingest.decoders import Decoded, Decoder, Decoders, Value, Values
from satomori_ingest.decoders.senml import SenmlDecoder
from satomori_ingest.decoders.senml_runs import Run
from satomori_ingest.draft import REASON_LETTERS_MAX, Draft, Part
from satomori_ingest.plans import Plans, limits
from satomori_ingest.protocol import Message
from satomori_ingest.quality import GOOD, check_time, check_value, gross_range
from satomori_store.ledger import Ledger
from satomori_store.port import AlreadyStoredError, ObservationStore, Row, Rows
from satomori_store.registry import Lookup

OWNERS_MAX = 1_000_000


class _Read(NamedTuple):
    """What a message says, or why nothing can be read."""

    message: Message
    gateway: str
    decoder: Decoder | None
    decoded: Decoded | None
    error: RejectedError | None


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
        self.use(lookup)
        self._owner_of_stream = owner_of_stream
        self._owners: dict[str, str] = {}
        self._unwritten: list[Draft] = []
        self._future_max_us = round(future_max_s * 1e6)

    def use(self, lookup: Lookup) -> None:
        """From the next batch on this registry stands."""
        self._plans = Plans(lookup)

    # ------------------------------------------------------------------ whole batches

    def draft(self, messages: Iterable[Message], received_at_us: int, values_max: int) -> Draft:
        """As many messages, in order, as come to `values_max` values. Raise UnavailableError: the ledger is away."""
        draft = Draft(received_at_us)
        read = self._read_all(messages, values_max)
        said = [one if isinstance(one, Run) else one.decoded for one in read]
        known = self._ledger.known_of([(one.stream, one.seq) for one in said if one and one.stream and one.seq])
        for one in read:
            if isinstance(one, Run):
                self._take_run(draft, one, known)
            else:
                self._take(draft, one, known)
        self.judge(draft)
        return draft

    def _read_all(self, messages: Iterable[Message], values_max: int) -> list[_Read | Run]:
        """Those of one topic stay in order; what is plain comes in runs."""
        read: list[_Read | Run] = []
        runs: dict[str, Run | None] = {}  # by topic, that of the message before
        values = 0
        for message in messages:
            run = runs.get(message.topic)
            added = 0 if run is None else run.add(message)
            if not added:
                run = runs[message.topic] = self._begin_run(message)
                one = run or self._read(message)
                read.append(one)
                added = len(one) if isinstance(one, Run) else 1 if one.decoded is None else len(one.decoded.values)
            values += added
            if values >= values_max:
                break
        return read

    def _begin_run(self, message: Message) -> Run | None:
        try:
            decoder = self._decoders.find(message.topic)
            return Run.begin(decoder.gateway(message.topic), message) if isinstance(decoder, SenmlDecoder) else None
        except RejectedError:
            return None

    def expect(self, draft: Draft) -> None:
        """It will be written, however long that takes: its numbers are known from now on."""
        self._unwritten.append(draft)

    def write(self, draft: Draft) -> None:
        """Store it durably. Raise UnavailableError where that can't be done now; then nothing may be acknowledged."""
        while True:
            try:
                outcome = self._store.write(draft.batch())
            except AlreadyStoredError as error:
                draft.leave_out_stored(error.ranges)
                continue
            if outcome.rejected:
                draft.set_aside_rejected(outcome.rejected)
            elif outcome.kept:
                raise UnavailableError(f"the store kept {len(outcome.kept)} of {len(draft.rows)} rows back")
            else:
                with suppress(ValueError):
                    self._unwritten.remove(draft)
                return

    # ------------------------------------------------------------------ one message

    def add(self, draft: Draft, message: Message, record_of: tuple[str, int] | None = None) -> None:
        """What a replayed message says, into `draft`, to be judged. `record_of`: its stream and number."""
        self._take(draft, self._read(message), {}, record_of)

    def add_value(
        self, draft: Draft, message: Message, gateway: str, value: Value, record_of: tuple[str, int] | None
    ) -> None:
        """A replayed value, read already in whatever format it came, and so its time is not counted from now again."""
        draft.messages += 1
        stream, seq = ("", []) if record_of is None else (record_of[0], [(record_of[1], record_of[1])])
        self._accept(draft, message, Decoded(gateway, [value]), stream, seq)

    def _read(self, message: Message) -> _Read:
        gateway, decoder = "", None
        try:
            decoder = self._decoders.find(message.topic)
            gateway = decoder.gateway(message.topic)
            _check_whole(message)
            # When the broker was told what it had kept is not known: its arrival is no time of observation.
            arrived_us = 0 if message.retained else message.received_at_us
            decoded = decoder.decode(message.topic, message.payload, arrived_us)
        except RejectedError as error:
            return _Read(message, gateway, decoder, None, error)
        return _Read(message, gateway, decoder, decoded, None)

    def _take(
        self, draft: Draft, read: _Read, known: Mapping[str, Sequence[Range]], record_of: tuple[str, int] | None = None
    ) -> None:
        """`known`: of the batch's streams, what the ledger has already."""
        draft.messages += 1
        message, decoded = read.message, read.decoded
        if read.error is not None:
            self._refuse(draft, message, read.gateway, read.decoder, read.error)
        if decoded is None:
            return
        stream = decoded.stream
        if stream is not None and self._owner(stream, decoded.gateway) != decoded.gateway:
            self._refuse_foreign(draft, message, decoded, stream)
        elif decoded.losses and stream is not None:
            fates = draft.of_stream(decoded.gateway, stream)
            fates.lost += [replace(loss, reason=_plain(loss.reason)) for loss in decoded.losses]
        elif stream is not None and not decoded.seq:
            draft.of_stream(decoded.gateway, stream)  # it asks whether we are there; the acknowledgement says so
        elif stream is not None:
            self._accept_numbered(draft, message, decoded, known.get(stream, ()))
        elif record_of is not None:
            self._accept(draft, message, decoded, record_of[0], [(record_of[1], record_of[1])])
        else:
            self._accept(draft, message, decoded, "", ())

    def _take_run(self, draft: Draft, run: Run, known: Mapping[str, Sequence[Range]]) -> None:
        """As one where all of it is new, else message by message."""
        gateway, stream = run.gateway, run.stream
        values = run.values()
        is_plain = values is not None and (not stream or self._owner(stream, gateway) == gateway)
        if values is None or not is_plain or self._known(draft, gateway, stream, run.seq, known.get(stream, ())):
            for message in run.messages:
                self._take(draft, self._read(message), known)
            return
        draft.messages += len(run.messages)
        draft.add(Part(run.messages, gateway, stream, values, run.seq, run.starts))

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
            if len(self._owners) >= OWNERS_MAX:
                self._owners.clear()
            owner = self._owners[stream] = self._owner_of_stream(stream) or gateway
        return owner

    def _accept_numbered(self, draft: Draft, message: Message, decoded: Decoded, in_ledger: Sequence[Range]) -> None:
        """Leave out what the ledger, this batch or one that is about to be stored has already."""
        stream = decoded.stream or ""
        known = self._known(draft, decoded.gateway, stream, decoded.seq, in_ledger)
        skipped = frozenset(numbers(known))
        draft.resent[stream] += len(skipped)
        draft.of_stream(decoded.gateway, stream).known += known
        self._accept(draft, message, decoded, stream, decoded.seq, skipped=skipped)

    def _known(
        self, draft: Draft, gateway: str, stream: str, seq: Sequence[Range], in_ledger: Sequence[Range]
    ) -> list[Range]:
        """What of `seq` the ledger, this batch or one that is about to be stored has already."""
        known = draft.of_stream(gateway, stream).seen(seq) if stream else []
        if stream and not draft.replaying:
            for other in self._unwritten.copy():
                if fates_there := other.fates.get((gateway, stream)):
                    known += fates_there.seen(seq)
            known += intersect(seq, in_ledger) if in_ledger else []
        return known

    def _accept(
        self,
        draft: Draft,
        message: Message,
        decoded: Decoded,
        stream: str,
        seq: Sequence[Range],
        *,
        skipped: frozenset[int] = frozenset(),
    ) -> None:
        """The values, to be judged with the batch, and quarantine of the faults; `seq` numbers the positions."""
        values = Values.of(decoded.values)
        part = Part([message], decoded.gateway, stream, values, seq)
        if skipped or decoded.positions is not None:
            seqs = list(numbers(seq))
            places = range(len(values)) if decoded.positions is None else decoded.positions
            chosen = [i for i, place in enumerate(places) if not (seqs and seqs[place] in skipped)]
            part.values = Values.of([values[i] for i in chosen])
            part.seq = to_ranges(seqs[places[i]] for i in chosen) if seqs else ()
            for fault in decoded.faults:
                number = seqs[fault.position] if seqs else None
                if number not in skipped:
                    error = RejectedError(fault.reason, fault.detail)
                    draft.set_aside_record(part, message, fault.name, error, fault.payload, seq=number)
        if len(part.values):
            draft.add(part)

    # ------------------------------------------------------------------ values

    def judge(self, draft: Draft) -> None:
        """Rows of the values that can be stored, quarantine of the others: of all parts that were added since."""
        parts = draft.parts[draft.judged :]
        if not parts:
            return
        plans = self._plans
        found: list[NDArray[np.intp]] = []
        times: list[NDArray[np.int64]] = []
        sent: list[NDArray[np.float64]] = []
        for part in parts:
            found.append(plans.find(part.gateway, part.values))
            times.append(part.values.times_us)
            sent.append(part.values.numbers)
        plan, at_us = np.concatenate(found), np.concatenate(times)
        latest_us = draft.received_at_us + self._future_max_us
        with np.errstate(over="ignore", invalid="ignore"):  # what becomes infinite is out of any range
            value = np.concatenate(sent) * plans.factor[plan] + plans.offset[plan]
        good = (value >= plans.low[plan]) & (value <= plans.high[plan]) & (at_us <= latest_us)
        good &= (plans.from_us[plan] <= at_us) & (at_us < plans.until_us[plan])
        rows = Rows(plans.datastream[plan], at_us, value, np.full(len(plan), GOOD, np.int8))
        refused: dict[int, RejectedError] = {}
        if not good.all():
            refused = self._judge_odd(parts, np.flatnonzero(~good).tolist(), rows, latest_us)
        draft.take(rows, refused)

    def _judge_odd(
        self, parts: Sequence[Part], odd: Sequence[int], rows: Rows, latest_us: int
    ) -> dict[int, RejectedError]:
        """Those that need a closer look, one by one: into `rows` what can be stored; why the others can't be."""
        refused: dict[int, RejectedError] = {}
        starts = list(accumulate((len(part.values) for part in parts), initial=0))
        for index in odd:
            number = bisect_right(starts, index) - 1
            part = parts[number]
            try:
                row = self._judge_one(part.gateway, part.values[index - starts[number]], latest_us)
            except RejectedError as error:
                refused[index] = error
            else:
                rows.datastream[index], _, rows.value[index], rows.quality[index] = row
        return refused

    def _judge_one(self, gateway: str, value: Value, latest_us: int) -> Row:
        """Raise RejectedError with what is wrong: first the time, then what the registry lacks, then the value."""
        name, at_us, sent, unit = value
        check_time(at_us, latest_us)
        plan = self._plans.make(gateway, name, unit, at_us)
        stored = sent * float(self._plans.factor[plan]) + float(self._plans.offset[plan])
        check_value(stored)
        route = self._plans.route(plan)
        return route.datastream_id, at_us, stored, gross_range(stored, *limits(route))


def _check_whole(message: Message) -> None:
    if message.size > len(message.payload):
        raise RejectedError("too_large", f"{message.size} bytes; the limit is {PAYLOAD_BYTES_MAX}")


def _plain(reason: str) -> str:
    """A word that any database takes, whatever was sent."""
    return reason.encode("ascii", "replace").decode()[:REASON_LETTERS_MAX]
