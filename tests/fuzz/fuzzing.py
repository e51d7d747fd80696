"""Mutated messages through every decoder and the pipeline: each becomes values, quarantine, or says nothing, exactly.

A batch's chance is seeded by the run's seed and the batch's number, so any batch can be run again alone.
"""

import base64
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from sqlalchemy import func, select

from fuzz.mutations import mutate
from satomori_core.errors import RejectedError
from satomori_ingest.decoders import Decoded, Decoder, Decoders, Numbering
from satomori_ingest.draft import Draft
from satomori_ingest.filters import matches
from satomori_ingest.pipeline import Pipeline
from satomori_ingest.protocol import Message
from satomori_ingest.quarantine import replay
from satomori_ingest.sparkplug_nodes import NAMESPACE, Nodes
from satomori_ingest.stores import open_stores, owner_of_stream
from satomori_store.databases import reading
from satomori_store.ledger_tables import quarantine_table
from satomori_store.registry import load_lookup
from support.ingest_cases import RECEIVED_US, CaseMessage, case_names, decoders_of, messages_of
from support.ingesting import write_registry
from support.small_registry import TOWN, asset, datastream, device, gateway

BATCH_MESSAGES = 50
# So many batches are also written to a real store, one in this many.
WRITTEN_EVERY = 20
# By now it is no more in the future; and of what was too large only the head was kept.
MAY_CHANGE = {"future", "too_large"}
TOPIC_LEVELS = ("x", "a b", "温室", "\ud7ff", "a" * 70, "bridge", "set", "availability", "LWT")


@dataclass
class Tally:
    """What became of the messages of one format: of them with values, with nothing to store, refused as a whole.

    `set_aside`: quarantine rows, of messages and of records, by their reasons.
    """

    messages: int = 0
    with_values: int = 0
    silent: int = 0
    refused: int = 0
    stored: int = 0
    set_aside: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0

    def add(self, other: "Tally") -> None:
        self.messages += other.messages
        self.with_values += other.with_values
        self.silent += other.silent
        self.refused += other.refused
        self.stored += other.stored
        self.set_aside += other.set_aside
        self.slowest_s = max(self.slowest_s, other.slowest_s)


class Watched:
    """A decoder, and what it said: `expected` of the batch becomes rows, quarantine, or is known as sent again."""

    def __init__(self, decoder: Decoder) -> None:
        self.name = decoder.name
        self.filters = decoder.filters
        self._decoder = decoder
        self.tally = Tally()
        self.expected = 0

    def gateway(self, topic: str) -> str:
        return self._decoder.gateway(topic)

    def numbering(self, payload: bytes) -> Numbering | None:
        return self._decoder.numbering(payload)

    def decode(self, topic: str, payload: bytes, received_at_us: int) -> Decoded:
        tally = self.tally
        tally.messages += 1
        started = time.process_time()
        try:
            decoded = self._decoder.decode(topic, payload, received_at_us)
        except RejectedError:
            tally.refused += 1
            self.expected += 1
            raise
        finally:
            tally.slowest_s = max(tally.slowest_s, time.process_time() - started)
        records = len(decoded.values) + len(decoded.faults)
        tally.with_values += bool(decoded.values)
        tally.silent += not records
        self.expected += records
        return decoded


class CrashError(Exception):
    """A message that was neither values nor quarantine; its text says how to run its batch again."""


class Fuzzer:
    """`dry` drafts, and nothing is ever known of it again; `wet` also writes, so that numbers come again.

    Both read message by message, since their decoders are watched; `together` reads as the service does.
    """

    def __init__(self, state: Path, seed: int) -> None:
        self._seed = seed
        formats: dict[str, Decoder] = {}
        for case in case_names():
            for decoder in decoders_of(case):
                formats.setdefault(decoder.name, decoder)
        self._watched = [Watched(decoder) for decoder in formats.values()]
        corpus = [message for case in case_names() for message in messages_of(case)]
        self._payloads = [message.payload for message in corpus]
        self._of_topic: dict[str, Watched | None] = {}
        self._corpus: dict[str, list[CaseMessage]] = {}
        for message in corpus:
            watched = self._format(message.topic)
            if watched is None:
                raise LookupError(f"no format reads {message.topic!r} of case {message.case}")
            self._corpus.setdefault(watched.name, []).append(message)
        self._stores = open_stores(state, None)
        write_registry(self._stores, state, text=registry_of(corpus))
        self._dry, self._wet = self._pipeline(self._watched), self._pipeline(self._watched)
        self._together = self._pipeline(list(formats.values()))
        self._written = 0

    def close(self) -> None:
        self._stores.observations.close()
        self._stores.registry.dispose()

    def _pipeline(self, decoders: Sequence[Decoder]) -> Pipeline:
        stores = self._stores
        return Pipeline(
            stores.observations,
            stores.ledger,
            Decoders(decoders),
            load_lookup(stores.registry),
            lambda stream: owner_of_stream(stores.ledger, stream),
        )

    def _format(self, topic: str) -> Watched | None:
        if topic not in self._of_topic:
            fitting = (w for w in self._watched if any(matches(pattern, topic) for pattern in w.filters))
            self._of_topic[topic] = next(fitting, None)
        return self._of_topic[topic]

    def _tally(self, topic: str) -> Tally:
        watched = self._format(topic)
        if watched is None:
            raise LookupError(topic)
        return watched.tally

    def tallies(self) -> dict[str, Tally]:
        return {watched.name: watched.tally for watched in self._watched}

    def messages(self, batch: int) -> Iterator[Message]:
        chance = Random(f"{self._seed}/{batch}")
        nodes = Nodes()
        for _ in range(BATCH_MESSAGES):
            origin = chance.choice(self._corpus[chance.choice(list(self._corpus))])
            payload = mutate(origin.payload, self._payloads, chance)
            topic = self._topic(origin.topic, chance)
            if topic.startswith(NAMESPACE):  # as in the service: with the names of the births before it
                payload = nodes.take(topic, payload, chance.choice((1, 1, 1, 2)), RECEIVED_US).payload
            yield Message(topic, payload, 1, False, False, len(payload), 1, RECEIVED_US)

    def _topic(self, topic: str, chance: Random) -> str:
        """Now and then another one that a format reads; but a stream of ours stays with its gateway."""
        if topic.startswith("satomori/") or chance.random() > 0.05:
            return topic
        levels = topic.split("/")
        levels[chance.randrange(len(levels))] = chance.choice(TOPIC_LEVELS)
        other = "/".join(levels)
        return topic if self._format(other) is None else other

    def run(self, batch: int) -> None:
        """Raise CrashError where a message is lost, counted twice, or breaks anything."""
        messages = list(self.messages(batch))
        try:
            self._compare(messages, self._check(self._dry, messages))
            if batch % WRITTEN_EVERY == 0:
                with self._uncounted():
                    self._write(self._check(self._wet, messages))
        except Exception as error:
            raise CrashError(self._explain(batch, messages, error)) from error

    @contextmanager
    def _uncounted(self) -> Iterator[None]:
        before = [watched.tally for watched in self._watched]
        for watched in self._watched:
            watched.tally = Tally()
        try:
            yield
        finally:
            for watched, tally in zip(self._watched, before, strict=True):
                watched.tally = tally

    def _check(self, pipeline: Pipeline, messages: Sequence[Message]) -> Draft:
        for watched in self._watched:
            watched.expected = 0
        draft = pipeline.draft(messages, RECEIVED_US, 10**9)
        expected = sum(watched.expected for watched in self._watched)
        became = len(draft.rows) + len(draft.quarantine) + sum(draft.resent.values())
        if (draft.messages, became) != (len(messages), expected):
            what = f"{draft.messages} of {len(messages)} messages; {became} of {expected} records"
            raise AssertionError(f"the counts don't add up: {what}")
        for row in draft.quarantine:
            self._tally(row.topic).set_aside[row.reason] += 1
        for index in draft._part_of_row.tolist():
            self._tally(draft.parts[index].messages[0].topic).stored += 1
        return draft

    def _compare(self, messages: Sequence[Message], alone: Draft) -> None:
        if _outcome(self._together.draft(messages, RECEIVED_US, 10**9)) != _outcome(alone):
            raise AssertionError("read together they become something else than one by one")

    def _write(self, draft: Draft) -> None:
        """The store's own count of what was set aside is ours, and what is replayed is refused again as it was."""
        self._wet.write(draft)
        self._written += len(draft.quarantine)
        with reading(self._stores.ledger.engine) as connection:
            stored = connection.execute(select(func.count()).select_from(quarantine_table)).scalar()
        if stored != self._written:
            raise AssertionError(f"the store has {stored} quarantine rows of {self._written}")
        waiting = self._stores.ledger.quarantine(len(draft.quarantine))
        again = [entry for entry in waiting if entry.row.reason not in MAY_CHANGE]
        report = replay(self._wet, self._stores.ledger, again)
        if report.replayed or sum(report.waiting.values()) != len(again):
            raise AssertionError(f"of {len(again)} replayed with nothing changed: {report}")

    def _explain(self, batch: int, messages: Sequence[Message], error: Exception) -> str:
        """With the first message that fails alone, where one does."""
        again = f"again: --seed {self._seed} --batch {batch}"
        for message in messages:
            try:
                with self._uncounted():
                    self._check(self._dry, [message])
            except Exception as alone:  # noqa: BLE001 - whatever it is, it is what is looked for
                start = base64.b64encode(message.payload[:3000]).decode()
                return f"{alone!r} from {message.topic!r} with {len(message.payload)} bytes (base64): {start}\n{again}"
        return f"{error!r} from no message alone\n{again}"


def _outcome(draft: Draft) -> tuple[int, list[str], list[str], list[str]]:
    """As text, in which NaN is equal to itself."""
    rows, aside, acks = map(str, draft.rows), map(str, draft.quarantine), map(str, draft.acks())
    return draft.messages, sorted(rows), sorted(aside), sorted(acks)


def registry_of(corpus: Sequence[CaseMessage]) -> str:
    """A registry that knows whatever the cases expect."""
    behind: dict[str, str] = {}
    metrics: dict[tuple[str, str], None] = {}
    for message in corpus:
        for name, _, _, _ in message.values:
            of, _, metric = name.partition("/")
            behind[of] = message.gateway or of
            metrics[of, metric] = None
    rows = [TOWN, asset(), *map(gateway, dict.fromkeys(behind.values()))]
    rows += [device(name, by) for name, by in behind.items()]
    rows += [datastream(name, metric) for name, metric in metrics]
    return "".join(rows)


@contextmanager
def fuzzer(seed: int) -> Iterator[Fuzzer]:
    with tempfile.TemporaryDirectory(prefix="satomori-fuzz-") as folder:
        made = Fuzzer(Path(folder), seed)
        try:
            yield made
        finally:
            made.close()
