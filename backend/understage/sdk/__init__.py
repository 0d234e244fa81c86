"""What extensions may import: the contracts of actions, processors, providers, integrations and filters.

Nothing here performs I/O. `understage.integrations` implements the ports, `understage.scaffolder` and `understage.catalog`
call the extensions, `understage.sdk.testing` fakes the ports for tests of extensions. Extensions register by entry points:
`understage.actions`, `understage.processors`, `understage.placeholders`, `understage.analyzers`, `understage.providers`,
`understage.integrations`, `understage.filters`.
"""

from understage.errors import (
    ConflictError,
    ForeignError,
    InputError,
    NotAllowedError,
    NotFoundError,
    SourceError,
    UnderstageError,
)
from understage.model.entity import Entity
from understage.model.ref import EntityRef, LocationRef
from understage.sdk.action import Action, ActionModel, Example, action
from understage.sdk.analyzer import AnalyzerSetup, ExistingFile, LocationAnalyzer, Trial
from understage.sdk.context import ActionContext, StepInfo, StepLog, TaskInfo, TemplateInfo, UserInfo, Workspace
from understage.sdk.events import EventSubscriber
from understage.sdk.glob import compile_glob, glob_root, is_glob
from understage.sdk.incremental import IncrementalEntityProvider, IncrementalOptions, Page
from understage.sdk.placeholder import Placeholder, PlaceholderFile, PlaceholderResolver
from understage.sdk.plugins import NoPlugins, Plugins
from understage.sdk.ports import (
    ApiAnswer,
    Application,
    ArgoCd,
    ArgoCds,
    Backstage,
    Catalog,
    Cluster,
    Clusters,
    Forge,
    ForgeApi,
    ForgeApis,
    Forges,
    ForgeType,
    Git,
    GitAuthor,
    GitCredentials,
    Guardrails,
    Helm,
    Http,
    HttpResponse,
    Notifications,
    PackedChart,
    Ports,
    PullRequest,
    Query,
    Repository,
    Templating,
    Violation,
)
from understage.sdk.processor import Cache, Emit, ProcessingContext, Processor, ProcessorSetup
from understage.sdk.provider import EntityProvider, ProvidedEntity, ProviderConnection, ProviderSetup
from understage.sdk.reader import ReadFile, ReadTree, SearchResult, UrlReader
from understage.sdk.repo_url import RepoUrl, parse_repo_url
from understage.sdk.schedule import Job, Schedule, Scheduler
from understage.sdk.secret import Secret

__all__ = [
    "Action",
    "ActionContext",
    "ActionModel",
    "AnalyzerSetup",
    "ApiAnswer",
    "Application",
    "ArgoCd",
    "ArgoCds",
    "Backstage",
    "Cache",
    "Catalog",
    "Cluster",
    "Clusters",
    "ConflictError",
    "Emit",
    "Entity",
    "EntityProvider",
    "EntityRef",
    "EventSubscriber",
    "Example",
    "ExistingFile",
    "ForeignError",
    "Forge",
    "ForgeApi",
    "ForgeApis",
    "ForgeType",
    "Forges",
    "Git",
    "GitAuthor",
    "GitCredentials",
    "Guardrails",
    "Helm",
    "Http",
    "HttpResponse",
    "IncrementalEntityProvider",
    "IncrementalOptions",
    "InputError",
    "Job",
    "LocationAnalyzer",
    "LocationRef",
    "NoPlugins",
    "NotAllowedError",
    "NotFoundError",
    "Notifications",
    "PackedChart",
    "Page",
    "Placeholder",
    "PlaceholderFile",
    "PlaceholderResolver",
    "Plugins",
    "Ports",
    "ProcessingContext",
    "Processor",
    "ProcessorSetup",
    "ProvidedEntity",
    "ProviderConnection",
    "ProviderSetup",
    "PullRequest",
    "Query",
    "ReadFile",
    "ReadTree",
    "RepoUrl",
    "Repository",
    "Schedule",
    "Scheduler",
    "SearchResult",
    "Secret",
    "SourceError",
    "StepInfo",
    "StepLog",
    "TaskInfo",
    "TemplateInfo",
    "Templating",
    "Trial",
    "UnderstageError",
    "UrlReader",
    "UserInfo",
    "Violation",
    "Workspace",
    "action",
    "compile_glob",
    "glob_root",
    "is_glob",
    "parse_repo_url",
]
