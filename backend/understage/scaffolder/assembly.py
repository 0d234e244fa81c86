"""The interpreter half of the scaffolder, put together for the composition root: from templates to the outcome of steps.

`service` is the other half: it stores and runs tasks, and is given `Assembly.interpreter.run` and `Assembly.factory`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from understage.config.scaffolder_settings import ScaffolderSettings
from understage.identity.authorizer import Authorizer
from understage.scaffolder.access import Access
from understage.scaffolder.actions import ActionRegistry
from understage.scaffolder.autocomplete import Autocomplete, AutocompleteProvider
from understage.scaffolder.dry_run import DryRun
from understage.scaffolder.filters import DESCRIPTIONS, HostType, backstage_filters
from understage.scaffolder.remote_actions import Actions, Remote
from understage.scaffolder.steps.interpreter import Interpreter, PortsFactory, StepSettings
from understage.scaffolder.steps.rendering import TemplateExtensions
from understage.scaffolder.task_factory import CatalogToken, TemplateTaskFactory
from understage.scaffolder.templates import CatalogClient, Templates

Descriptions = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class PluginExtensions:
    """What plugins add to the template language: callables, values, and their descriptions by name for the page about them."""

    extensions: TemplateExtensions = field(default_factory=TemplateExtensions)
    filters: Descriptions = field(default_factory=dict)
    functions: Descriptions = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Assembly:
    """The parts that `api` and `service` call."""

    actions: Actions
    templates: Templates
    interpreter: Interpreter
    factory: TemplateTaskFactory
    dry_run: DryRun
    autocomplete: Autocomplete
    extensions: TemplateExtensions
    templating_extensions: dict[str, Any]
    """The answer of `GET /v2/templating-extensions`."""


def assemble(
    registry: ActionRegistry,
    settings: ScaffolderSettings,
    *,
    catalog: CatalogClient,
    authorizer: Authorizer,
    ports: PortsFactory,
    host_type: HostType,
    catalog_token: CatalogToken,
    data_directory: Path,
    defaults: Mapping[str, Any] | None = None,
    plugins: PluginExtensions | None = None,
    autocomplete: Mapping[str, AutocompleteProvider] | None = None,
    remote: Remote | None = None,
    log_level: str = "info",
) -> Assembly:
    """Put it together. `defaults` go to every action; `log_level` is the least level that task logs show.

    `remote` knows the actions of other plugins.
    """
    added = plugins or PluginExtensions()
    extensions = replace(added.extensions, filters={**backstage_filters(host_type), **added.extensions.filters})
    access = Access(authorizer)
    templates = Templates(catalog, access)
    actions = Actions(registry, remote)
    environment = settings.default_environment
    interpreter = Interpreter(
        actions,
        extensions,
        ports=ports,
        access=access,
        settings=StepSettings(environment.parameters, environment.secrets, defaults or {}, log_level),
    )
    return Assembly(
        actions=actions,
        templates=templates,
        interpreter=interpreter,
        factory=TemplateTaskFactory(templates, catalog_token, registry.origin),
        dry_run=DryRun(interpreter, access, templates, data_directory / "scaffolder" / "dry-runs"),
        autocomplete=Autocomplete(autocomplete or {}),
        extensions=extensions,
        templating_extensions=_describe(added),
    )


def _describe(added: PluginExtensions) -> dict[str, Any]:
    extensions = added.extensions
    values = {
        name: {"value": value, **({"description": added.values[name]} if name in added.values else {})}
        for name, value in extensions.values.items()
    }
    return {
        "filters": {**_describe_all(DESCRIPTIONS, DESCRIPTIONS), **_describe_all(extensions.filters, added.filters)},
        "globals": {"functions": _describe_all(extensions.functions, added.functions), "values": values},
    }


def _describe_all(named: Mapping[str, Any], descriptions: Descriptions) -> dict[str, dict[str, Any]]:
    return {name: dict(descriptions.get(name, {})) for name in named}
