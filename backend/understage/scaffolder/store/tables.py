"""The scaffolder's tables; the migration `0003_scaffolder` makes them.

Times are milliseconds since the epoch, of the database's clock. Every event of a task is inserted while its task row is
locked (by a fenced write or FOR UPDATE), so that ids of one task's events are committed in ascending order.
Columns of type LargeBinary are encrypted: they hold values that templates and actions compute of secrets.
"""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, Text, false, inspect
from sqlmodel import Field, SQLModel

BinaryText = Text().with_variant(Text(collation="C"), "postgresql")
RowId = BigInteger().with_variant(Integer(), "sqlite")


def _task_id(*, primary_key: bool = False) -> Any:
    reference = ForeignKey("tasks.id", ondelete="CASCADE")
    return Field(sa_column=Column(BinaryText, reference, primary_key=primary_key, nullable=False))


class Task(SQLModel, table=True):
    """A task: its spec as served, and who runs it.

    `owner` runs it until `lease_until` and renews that; whoever finds the lease past takes over. Each claim raises `fence`,
    each transaction of the run raises `journal`; a write that does not name both is refused. `resumed` says that the
    present claim continues an interrupted run, `deaths` how often its process died since it last made progress.
    `traceparent` (W3C) is that of the request which created it.
    """

    __tablename__ = "tasks"
    __table_args__ = (
        Index("tasks_by_status", "status", "queued_at", "seq"),
        Index("tasks_by_creator", "created_by", "created_at"),
    )

    seq: int | None = Field(default=None, sa_column=Column(RowId, primary_key=True, autoincrement=True))
    id: str = Field(sa_column=Column(BinaryText, nullable=False, unique=True))
    spec: str = Field(sa_column=Column(Text, nullable=False))
    status: str = Field(sa_column=Column(BinaryText, nullable=False))
    is_recoverable: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))
    secrets: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    created_by: str | None = Field(default=None, sa_column=Column(BinaryText))
    traceparent: str | None = Field(default=None, sa_column=Column(Text))
    created_at: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))
    queued_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    last_heartbeat_at: int | None = Field(default=None, sa_column=Column(BigInteger))
    owner: str | None = Field(default=None, sa_column=Column(BinaryText, index=True))
    fence: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
    lease_until: int | None = Field(default=None, sa_column=Column(BigInteger))
    journal: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
    cancel_requested: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))
    resumed: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))
    deaths: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))


class TaskEvent(SQLModel, table=True):
    """One event of a task as the stream sends it; ids ascend over all tasks and are never given twice."""

    __tablename__ = "task_events"
    __table_args__ = (Index("task_events_by_task", "task_id", "id"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, sa_column=Column(RowId, primary_key=True, autoincrement=True))
    task_id: str = _task_id()
    event_type: str = Field(sa_column=Column(Text, nullable=False))
    step_id: str | None = Field(default=None, sa_column=Column(Text))
    body: str = Field(sa_column=Column(Text, nullable=False))
    created_at: int = Field(sa_column=Column(BigInteger, nullable=False))


class TaskStep(SQLModel, table=True):
    """A step that ended, `completed` or `failed`; `result` is its output or its error, JSON, encrypted."""

    __tablename__ = "task_steps"

    task_id: str = _task_id(primary_key=True)
    step_id: str = Field(sa_column=Column(Text, primary_key=True))
    position: int = Field(sa_column=Column(Integer, nullable=False))
    status: str = Field(sa_column=Column(Text, nullable=False))
    result: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class TaskCheckpoint(SQLModel, table=True):
    """What `ctx.checkpoint(key, …)` of a step returned, JSON, encrypted. Survives retries."""

    __tablename__ = "task_checkpoints"

    task_id: str = _task_id(primary_key=True)
    step_id: str = Field(sa_column=Column(Text, primary_key=True))
    key: str = Field(sa_column=Column(Text, primary_key=True))
    value: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class TaskWorkspace(SQLModel, table=True):
    """The workspace as of the last step or checkpoint: here (`content`, encrypted), or in a snapshot store (`location`)."""

    __tablename__ = "task_workspaces"

    task_id: str = _task_id(primary_key=True)
    fingerprint: str = Field(sa_column=Column(Text, nullable=False))
    content: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    location: str | None = Field(default=None, sa_column=Column(Text))


def table_of(model: type[SQLModel]) -> Any:
    """The SQLAlchemy table of a model."""
    return inspect(model).local_table


tasks = table_of(Task)
task_events = table_of(TaskEvent)
task_steps = table_of(TaskStep)
task_checkpoints = table_of(TaskCheckpoint)
task_workspaces = table_of(TaskWorkspace)
