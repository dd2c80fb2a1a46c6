"""Add indexes of what is deleted or revoked, by when: it is erased and purged in batches.

They are made without holding writers up, which PostgreSQL does outside of transactions only; one that was left half
made is made anew.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INDEXES = (
    ("ix_driving_sessions_deleted_at", "driving_sessions", "deleted_at"),
    ("ix_users_deleted_at", "users", "deleted_at"),
    ("ix_logins_revoked_at", "logins", "revoked_at"),
)


def upgrade():
    with op.get_context().autocommit_block():
        for name, table, column in INDEXES:
            is_there = sa.text(f"{column} IS NOT NULL")
            op.drop_index(name, table_name=table, if_exists=True, postgresql_concurrently=True)
            op.create_index(
                name,
                table,
                [column],
                unique=False,
                sqlite_where=is_there,
                postgresql_where=is_there,
                postgresql_concurrently=True,
            )


def downgrade():
    for name, table, _ in INDEXES:
        op.drop_index(name, table_name=table)
