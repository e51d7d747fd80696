"""Commands with their audit trail, what gateways let be operated, and shares that let others operate."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "actuator",
        sa.Column("gateway_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("asset_id", sa.String(), nullable=True),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("label_en", sa.String(), nullable=True),
        sa.Column("allows", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["asset_id"], ["asset.id"], name="fk_actuator_asset_id_asset"),
        sa.ForeignKeyConstraint(["gateway_id"], ["gateway.id"], name="fk_actuator_gateway_id_gateway"),
        sa.PrimaryKeyConstraint("gateway_id", "name", name="pk_actuator"),
    )
    op.create_index("ix_actuator_asset_id", "actuator", ["asset_id"], unique=False)
    op.create_table(
        "command",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("idempotency_key", sa.String(), nullable=False),
        sa.Column("asset_id", sa.String(), nullable=True),
        sa.Column("device_id", sa.String(), nullable=True),
        sa.Column("gateway_id", sa.String(), nullable=False),
        sa.Column("actuator", sa.String(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("args", sa.JSON(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("issued_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("give_up_us", sa.BigInteger(), nullable=False),
        sa.Column("updated_us", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("sent_count", sa.BigInteger(), nullable=False),
        sa.Column("sent_us", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("read_back", sa.Double(), nullable=True),
        sa.Column("read_back_us", sa.BigInteger(), nullable=True),
        sa.Column("until_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_why", sa.String(), nullable=False),
        sa.Column("replies", sa.BigInteger(), nullable=False),
        sa.Column("replied_us", sa.BigInteger(), nullable=True),
        sa.Column("last_reply_us", sa.BigInteger(), nullable=True),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["asset_id"], ["asset.id"], name="fk_command_asset_id_asset"),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_command_device_id_device"),
        sa.ForeignKeyConstraint(["gateway_id"], ["gateway.id"], name="fk_command_gateway_id_gateway"),
        sa.CheckConstraint("(asset_id IS NULL) <> (device_id IS NULL)", name="ck_command_target"),
        sa.PrimaryKeyConstraint("id", name="pk_command"),
        sa.UniqueConstraint("user_id", "idempotency_key", name="uq_command_user_id_idempotency_key"),
    )
    op.create_index("ix_command_gateway_id", "command", ["gateway_id"], unique=False)
    op.create_index("ix_command_of_asset", "command", ["asset_id", "issued_us"], unique=False)
    op.create_index("ix_command_of_device", "command", ["device_id", "issued_us"], unique=False)
    op.create_index("ix_command_state", "command", ["state"], unique=False)
    op.create_index("ix_command_updated_us", "command", ["updated_us"], unique=False)
    op.add_column("share", sa.Column("operate", sa.Boolean(), nullable=False, server_default=sa.false()))
