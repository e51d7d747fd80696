"""How an asset stood in an event's order before: when first ordered, or when it was last looked at."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("first_look", sa.Column("rank_before", sa.BigInteger(), nullable=True))
    op.add_column("first_look", sa.Column("reasons_before_ja", sa.JSON(), nullable=True))
    op.add_column("first_look", sa.Column("reasons_before_en", sa.JSON(), nullable=True))
    op.add_column("first_look", sa.Column("changed_us", sa.BigInteger(), nullable=True))
