"""Earthquakes and storms as they were told, and what is to be looked at first after each."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hazard_event",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("told", sa.JSON(), nullable=False),
        sa.Column("told_by", sa.String(), nullable=False),
        sa.Column("told_us", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("gauged", sa.JSON(), nullable=False),
        sa.Column("said_ja", sa.String(), nullable=False),
        sa.Column("said_en", sa.String(), nullable=False),
        sa.Column("ordered_us", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("state IN ('waiting','ordered','refused')", name="ck_hazard_event_state"),
        sa.PrimaryKeyConstraint("id", name="pk_hazard_event"),
    )
    op.create_index("ix_hazard_event_told_us", "hazard_event", ["told_us"], unique=False)
    op.create_table(
        "first_look",
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("asset_id", sa.String(), nullable=False),
        sa.Column("rank", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("reasons_ja", sa.JSON(), nullable=False),
        sa.Column("reasons_en", sa.JSON(), nullable=False),
        sa.Column("look_ja", sa.String(), nullable=False),
        sa.Column("look_en", sa.String(), nullable=False),
        sa.Column("looked_by", sa.String(), nullable=True),
        sa.Column("looked_us", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.String(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["hazard_event.id"], name="fk_first_look_event_id_hazard_event"),
        sa.ForeignKeyConstraint(["asset_id"], ["asset.id"], name="fk_first_look_asset_id_asset"),
        sa.CheckConstraint("result IN ('fine','needs_work')", name="ck_first_look_result"),
        sa.PrimaryKeyConstraint("event_id", "asset_id", name="pk_first_look"),
    )
