"""Add the running sums of drives and the tree of sums over their chunks, and sum up what is there.

The drives are summed up by the code that takes readings in, a drive at a time and each on its own: a migration that
was cut short goes on where it stopped. The version before may run meanwhile. It knows no sums, and what it takes in
makes them differ from the drive's count of readings; whoever takes in the next readings sums up that drive anew.
"""

import sqlalchemy as sa
from alembic import op

from webapp.driving import sums

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BATCH = 100
SESSIONS = sa.table(
    "driving_sessions", sa.column("id", sa.Uuid(as_uuid=False)), sa.column("sums", sa.JSON(none_as_null=True))
)
CHUNKS = sa.table("reading_chunks", sa.column("session_id", sa.Uuid(as_uuid=False)))


def upgrade():
    there = sa.inspect(op.get_bind())
    if not there.has_table("reading_sums"):
        _create_table()
    if "sums" not in {column["name"] for column in there.get_columns("driving_sessions")}:
        op.add_column("driving_sessions", sa.Column("sums", sa.JSON(none_as_null=True), nullable=True))
    with op.get_context().autocommit_block():
        after = None
        while session_ids := _not_summed_up(op.get_bind(), after):
            for session_id in session_ids:
                _sum_up(op.get_bind(), session_id)
            after = session_ids[-1]


def _create_table():
    op.create_table(
        "reading_sums",
        sa.Column("session_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("children", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["driving_sessions.id"],
            name=op.f("fk_reading_sums_session_id_driving_sessions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("session_id", "level", "number", name=op.f("pk_reading_sums")),
    )


def _not_summed_up(connection, after):
    has_chunks = sa.exists().where(CHUNKS.c.session_id == SESSIONS.c.id)
    query = sa.select(SESSIONS.c.id).where(SESSIONS.c.sums.is_(None), has_chunks)
    if after is not None:
        query = query.where(SESSIONS.c.id > after)
    return connection.scalars(query.order_by(SESSIONS.c.id).limit(BATCH)).all()


def _sum_up(connection, session_id):
    summed_up = sums.summed_up(connection, session_id)
    connection.execute(sa.update(SESSIONS).where(SESSIONS.c.id == session_id).values(sums=summed_up))


def downgrade():
    op.drop_column("driving_sessions", "sums")
    op.drop_table("reading_sums")
