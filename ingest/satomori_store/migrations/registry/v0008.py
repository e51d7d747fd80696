"""A version of what people say of alerts, so that who acts on it need not read it all to see that nothing is new."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("version", sa.Column("feedback", sa.Integer(), server_default="0", nullable=False))
