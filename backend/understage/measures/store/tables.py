"""The measures' tables; the migration `0008_measures` makes them.

Times are milliseconds since the epoch, of whoever saw the event. Nobody's name is here: `survey_answers.person` is a keyed hash
that is another one in the next period.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, Table, Text, UniqueConstraint, false

from understage.platform.columns import BinaryText, RowId

metadata = MetaData()

deployments = Table(
    "measured_deployments",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("application", BinaryText, nullable=False),
    Column("revision", BinaryText, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("service", BinaryText, nullable=False),
    Column("environment", BinaryText, nullable=False),
    Column("committed_at", BigInteger),
    Column("is_rollback", Boolean, nullable=False, server_default=false()),
    Column("source", Text, nullable=False),
    UniqueConstraint("application", "revision", "at", name="measured_deployments_unique"),
    Index("measured_deployments_by_environment", "environment", "at"),
    Index("measured_deployments_by_service", "service", "at"),
)

# When an application became healthy or degraded. Of those seen at the same time the order is that of `id`.
healths = Table(
    "measured_healths",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("application", BinaryText, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    UniqueConstraint("application", "at", "status", name="measured_healths_unique"),
)

# When a service began, as each of several sources (`key`) has it: the earliest counts.
starts = Table(
    "measured_starts",
    metadata,
    Column("service", BinaryText, primary_key=True),
    Column("key", BinaryText, primary_key=True),
    Column("at", BigInteger, nullable=False),
)

# Tasks that were looked at after their end.
tasks = Table(
    "measured_tasks",
    metadata,
    Column("id", BinaryText, primary_key=True),
    Column("seen_at", BigInteger, nullable=False, index=True),
)

tickets = Table(
    "measured_tickets",
    metadata,
    Column("source", BinaryText, primary_key=True),
    Column("id", BinaryText, primary_key=True),
    Column("opened_at", BigInteger, nullable=False, index=True),
    Column("closed_at", BigInteger, index=True),
    Column("service", BinaryText),
    Column("team", BinaryText),
)

survey_answers = Table(
    "survey_answers",
    metadata,
    Column("question", BinaryText, primary_key=True),
    Column("period", BinaryText, primary_key=True),
    Column("person", BinaryText, primary_key=True),
    Column("score", Integer, nullable=False),
    Column("comment", Text),
    Column("at", BigInteger, nullable=False, index=True),
)
