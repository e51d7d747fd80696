"""Observations and the newest status, in SQLite."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Without a rowid the table is its own index: a datastream's observations lie together, in order of time.
    op.execute("""
        CREATE TABLE observation (
            datastream INTEGER NOT NULL,
            observed_at_us INTEGER NOT NULL,
            value REAL NOT NULL,
            quality INTEGER NOT NULL,
            qc INTEGER NOT NULL DEFAULT 2,
            received_at_us INTEGER NOT NULL,
            PRIMARY KEY (datastream, observed_at_us)
        ) WITHOUT ROWID
    """)
    op.execute("""
        CREATE TABLE status (
            kind TEXT NOT NULL,
            key TEXT NOT NULL,
            at_us INTEGER NOT NULL,
            point TEXT NOT NULL,
            PRIMARY KEY (kind, key)
        ) WITHOUT ROWID
    """)
