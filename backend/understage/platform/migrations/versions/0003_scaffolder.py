"""The scaffolder: tasks, their events, and what a resumed task continues from."""

import sqlalchemy as sa
from alembic import op

revision = "0003_scaffolder"
down_revision = "0002_catalog"

BinaryText = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
RowId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def task_id(**options: object) -> "sa.Column[str]":
    reference = sa.ForeignKey("tasks.id", ondelete="CASCADE")
    return sa.Column("task_id", BinaryText, reference, nullable=False, **options)  # type: ignore[arg-type]


def upgrade() -> None:
    op.create_table(
        "tasks",
        sa.Column("seq", RowId, primary_key=True, autoincrement=True),
        sa.Column("id", BinaryText, nullable=False, unique=True),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("status", BinaryText, nullable=False),
        sa.Column("is_recoverable", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("secrets", sa.LargeBinary),
        sa.Column("created_by", BinaryText),
        sa.Column("traceparent", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("queued_at", sa.BigInteger, nullable=False),
        sa.Column("last_heartbeat_at", sa.BigInteger),
        sa.Column("owner", BinaryText, index=True),
        sa.Column("fence", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("lease_until", sa.BigInteger),
        sa.Column("journal", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("cancel_requested", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("resumed", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("deaths", sa.Integer, nullable=False, server_default="0"),
    )
    op.create_index("tasks_by_status", "tasks", ["status", "queued_at", "seq"])
    op.create_index("tasks_by_creator", "tasks", ["created_by", "created_at"])
    op.create_table(
        "task_events",
        sa.Column("id", RowId, primary_key=True, autoincrement=True),
        task_id(),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("step_id", sa.Text),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        # An id must never come twice: readers ask for what is after the last one they saw.
        sqlite_autoincrement=True,
    )
    op.create_index("task_events_by_task", "task_events", ["task_id", "id"])
    op.create_table(
        "task_steps",
        task_id(primary_key=True),
        sa.Column("step_id", sa.Text, primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("result", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "task_checkpoints",
        task_id(primary_key=True),
        sa.Column("step_id", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "task_workspaces",
        task_id(primary_key=True),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("content", sa.LargeBinary),
        sa.Column("location", sa.Text),
    )


def downgrade() -> None:
    for name in ("task_workspaces", "task_checkpoints", "task_steps", "task_events", "tasks"):
        op.drop_table(name)
