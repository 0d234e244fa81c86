"""The `scaffolder` section: defaults of actions, limits and recovery of tasks."""

from datetime import timedelta

from pydantic import Field

from understage.config.duration import Duration
from understage.config.section import Boolean, Section, Text


class DefaultAuthor(Section):
    """Who commits when a template names nobody."""

    name: Text | None = None
    email: Text | None = None


class DefaultEnvironment(Section):
    """Values that every template sees as `environment.parameters` and `environment.secrets`."""

    parameters: dict[str, str] = Field(default_factory=dict)
    secrets: dict[str, str] = Field(default_factory=dict)


class TaskRecovery(Section):
    """`scaffolder.taskRecovery`: when a silent task is taken over."""

    enabled: Boolean | None = None
    stale_timeout: Duration | None = None
    workspace_provider: Text | None = None


class ScaffolderAuditor(Section):
    """`scaffolder.auditor`; -1 keeps parameters whole."""

    task_parameter_max_length: int = 256


class ScaffolderSettings(Section):
    """The `scaffolder` section."""

    default_author: DefaultAuthor = DefaultAuthor()
    default_commit_message: Text | None = None
    default_commit_signing_key: Text | None = None
    default_environment: DefaultEnvironment = DefaultEnvironment()
    concurrent_tasks_limit: int = Field(default=10, ge=0)
    task_timeout: Duration = timedelta(hours=24)
    task_timeout_janitor_frequency: Duration = timedelta(minutes=5)
    task_recovery: TaskRecovery = TaskRecovery()
    require_scm_user_credentials: Boolean = False
    auditor: ScaffolderAuditor = ScaffolderAuditor()
