"""Add the table of readings that were appended and lie in no chunk yet.

The version before must not run beside this one: it would not find what was appended. Its web processes answer 500 to an
upload to a drive that this one has written to, and its worker would leave the appended readings of a deleted drive.
"""

import sqlalchemy as sa
from alembic import op

from webapp.driving import compaction

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "appended_readings",
        sa.Column("session_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("first_seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("readings_count", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["driving_sessions.id"],
            name=op.f("fk_appended_readings_session_id_driving_sessions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("session_id", "first_seq", name=op.f("pk_appended_readings")),
    )


def downgrade():
    compaction.compact_everything(op.get_bind())
    # The version before sums up anew what has no sums.
    op.execute("UPDATE driving_sessions SET sums = NULL")
    op.drop_table("appended_readings")
