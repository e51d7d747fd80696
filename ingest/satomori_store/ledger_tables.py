"""The ledger's tables, apart from the registry's since they lie beside the observations where those are in SQLite."""

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, String, Table

from satomori_store.models import NAMING, BigId

metadata = MetaData(naming_convention=NAMING)

# Streams of sequence numbers (an edge's outbox each), and how many numbers came again although we had them.
stream_table = Table(
    "ledger_stream",
    metadata,
    Column("stream", String, primary_key=True),
    Column("gateway", String, nullable=False, index=True),
    Column("first_seen_us", BigInteger, nullable=False),
    Column("last_seen_us", BigInteger, nullable=False),
    Column("resent", BigInteger, nullable=False, server_default="0"),
)

# What became of the numbers first…last; never overlapping, joined where they touch and have one fate.
range_table = Table(
    "ledger_range",
    metadata,
    Column("stream", String, primary_key=True),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", String, nullable=False, server_default=""),
)

# How many readings of a stream ("" without an outbox) were stored into a datastream.
count_table = Table(
    "ledger_count",
    metadata,
    Column("datastream", BigInteger, primary_key=True, autoincrement=False),
    Column("stream", String, primary_key=True),
    Column("readings", BigInteger, nullable=False),
)

change_table = Table(
    "change",
    metadata,
    Column("change_id", BigId, primary_key=True, autoincrement=True),
    Column("datastream", BigInteger, nullable=False),
    Column("from_us", BigInteger, nullable=False),
    Column("until_us", BigInteger, nullable=False),
    Column("stored_at_us", BigInteger, nullable=False),
    sqlite_autoincrement=True,  # a pruned change's id must never be given again
)

quarantine_table = Table(
    "quarantine",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("received_at_us", BigInteger, nullable=False, index=True),
    Column("topic", String, nullable=False),
    Column("gateway", String, nullable=False, index=True),
    Column("device", String, nullable=False),
    Column("metric", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("detail", String, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("stream", String, nullable=False),
    Column("seq", BigInteger),
    Column("replayed_at_us", BigInteger),
    Index("ix_quarantine_open", "replayed_at_us", "reason"),
    sqlite_autoincrement=True,
)
