"""The scaffolder's tables; the migration `0003_scaffolder` makes them.

Times are milliseconds since the epoch, of the database's clock. Every event of a task is inserted while its task row is
locked (by a fenced write or FOR UPDATE), so that ids of one task's events are committed in ascending order.
Columns of type LargeBinary are encrypted: they hold values that templates and actions compute of secrets.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    false,
)

from understage.platform.columns import BinaryText, RowId

metadata = MetaData()


def _task_id(name: str = "task_id", *, primary_key: bool = False) -> Column[Any]:
    reference = ForeignKey("tasks.id", ondelete="CASCADE")
    return Column(name, BinaryText, reference, primary_key=primary_key, nullable=False)


# A task: its spec as served, and who runs it.
#
# `owner` runs it until `lease_until` and renews that; whoever finds the lease past takes over. Each claim raises `fence`,
# each transaction of the run raises `journal`; a write that does not name both is refused. `resumed` says that the
# present claim continues an interrupted run, `deaths` how often its process died since it last made progress.
# `traceparent` (W3C) is that of the request which created it.
tasks = Table(
    "tasks",
    metadata,
    Column("seq", RowId, primary_key=True, autoincrement=True),
    Column("id", BinaryText, nullable=False, unique=True),
    Column("spec", Text, nullable=False),
    Column("status", BinaryText, nullable=False),
    Column("is_recoverable", Boolean, nullable=False, server_default=false()),
    Column("secrets", LargeBinary),
    Column("created_by", BinaryText),
    Column("traceparent", Text),
    Column("created_at", BigInteger, nullable=False, index=True),
    Column("queued_at", BigInteger, nullable=False),
    Column("last_heartbeat_at", BigInteger),
    Column("owner", BinaryText, index=True),
    Column("fence", BigInteger, nullable=False, server_default="0"),
    Column("lease_until", BigInteger),
    Column("journal", BigInteger, nullable=False, server_default="0"),
    Column("cancel_requested", Boolean, nullable=False, server_default=false()),
    Column("resumed", Boolean, nullable=False, server_default=false()),
    Column("deaths", Integer, nullable=False, server_default="0"),
    Index("tasks_by_status", "status", "queued_at", "seq"),
    Index("tasks_by_creator", "created_by", "created_at"),
)

# One event of a task as the stream sends it; ids ascend over all tasks and are never given twice.
task_events = Table(
    "task_events",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    _task_id(),
    Column("event_type", Text, nullable=False),
    Column("step_id", Text),
    Column("body", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("task_events_by_task", "task_id", "id"),
    sqlite_autoincrement=True,
)

# A step that ended, `completed` or `failed`; `result` is its output or its error, JSON, encrypted.
task_steps = Table(
    "task_steps",
    metadata,
    _task_id(primary_key=True),
    Column("step_id", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("result", LargeBinary, nullable=False),
)

# What `ctx.checkpoint(key, …)` of a step returned, JSON, encrypted. Survives retries.
task_checkpoints = Table(
    "task_checkpoints",
    metadata,
    _task_id(primary_key=True),
    Column("step_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

# The workspace as of the last step or checkpoint: here (`content`, encrypted), or in a snapshot store (`location`).
task_workspaces = Table(
    "task_workspaces",
    metadata,
    _task_id(primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("content", LargeBinary),
    Column("location", Text),
)
