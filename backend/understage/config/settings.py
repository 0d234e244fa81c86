"""The typed tree of the whole configuration.

`app` and `cli` call `read_settings` after `load_configuration` and hand sections down. What is wrong is reported all
at once, each with its key, file and line, and what was expected.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationError
from pydantic_core import ErrorDetails

from understage.config.backend_settings import BackendSettings
from understage.config.catalog_settings import CatalogSettings
from understage.config.duration import Duration
from understage.config.events_settings import EventsSettings
from understage.config.integration_settings import IntegrationSettings
from understage.config.platform_settings import ArgocdSettings, GrafanaSettings, KubernetesSettings, UnderstageSettings
from understage.config.provider_settings import ONLY_ENTRY
from understage.config.scaffolder_settings import ScaffolderSettings
from understage.config.section import Boolean, Section, Text
from understage.config.sources import Configuration
from understage.errors import InputError


class AppSettings(Section):
    """The `app` section: the frontend. `extensions` and `packages` configure its plugins and are passed through."""

    title: Text = "Backstage"
    base_url: Text | None = None
    extensions: tuple[Any, ...] = ()
    packages: Any = None


class OrganizationSettings(Section):
    """The `organization` section."""

    name: Text | None = None


class GuestProvider(Section):
    """`auth.providers.guest`."""

    user_entity_ref: Text = "user:development/guest"
    ownership_entity_refs: tuple[Text, ...] | None = None
    dangerously_allow_outside_development: Boolean = False


class AuthProviders(Section):
    """`auth.providers`; providers other than guest are served by a stock auth backend."""

    guest: GuestProvider | None = None


def _clamp(value: timedelta) -> timedelta:
    return min(max(value, timedelta(minutes=10)), timedelta(hours=24))


class AuthSettings(Section):
    """The `auth` section. Tokens live between 10 minutes and a day."""

    environment: Text = "development"
    providers: AuthProviders = AuthProviders()
    keys: Any = None
    backstage_token_expiration: Duration = timedelta(hours=1)
    identity_token_algorithm: Text = "ES256"
    omit_identity_token_ownership_claim: Boolean = True

    @property
    def token_lifetime(self) -> timedelta:
        """How long a user token is valid."""
        return _clamp(self.backstage_token_expiration)


class PermissionSettings(Section):
    """The `permission` section."""

    enabled: Boolean = False


class DiscoveryTarget(Section):
    """Addresses of a plugin for other backends and for browsers; `{{pluginId}}` stands for its id."""

    internal: Text | None = None
    external: Text | None = None


def _read_target(value: Any) -> Any:
    return {"internal": value, "external": value} if isinstance(value, str) else value


class DiscoveryEndpoint(Section):
    """One entry of `discovery.endpoints`; plugin `*` means all others."""

    target: Annotated[DiscoveryTarget, BeforeValidator(_read_target)]
    plugins: tuple[Text, ...]


class DiscoverySettings(Section):
    """The `discovery` section."""

    endpoints: tuple[DiscoveryEndpoint, ...] = ()


class Settings(Section):
    """The whole configuration, typed; sections of other plugins are in `model_extra` as plain data."""

    app: AppSettings = AppSettings()
    organization: OrganizationSettings = OrganizationSettings()
    backend: BackendSettings = BackendSettings()
    integrations: IntegrationSettings = IntegrationSettings()
    catalog: CatalogSettings = CatalogSettings()
    scaffolder: ScaffolderSettings = ScaffolderSettings()
    auth: AuthSettings = AuthSettings()
    permission: PermissionSettings = PermissionSettings()
    discovery: DiscoverySettings = DiscoverySettings()
    events: EventsSettings = EventsSettings()
    kubernetes: KubernetesSettings = KubernetesSettings()
    argocd: ArgocdSettings = ArgocdSettings()
    grafana: GrafanaSettings = GrafanaSettings()
    understage: UnderstageSettings = UnderstageSettings()

    def data_directory(self, root: Path) -> Path:
        """Where the service keeps files; a relative one starts at `root`."""
        return (root / self.understage.data_directory).resolve()


def read_settings(configuration: Configuration) -> Settings:
    """The typed tree of a configuration.

    Raises InputError that names for every wrong key its path, the file and line that set it, and what was expected.
    Values are not shown, they may be secrets.
    """
    try:
        return Settings.model_validate(configuration.data)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=True)
        lines = [_describe(problem, configuration) for problem in problems]
        raise InputError("Invalid configuration: " + "; ".join(dict.fromkeys(lines))) from None


_EXPECTED = {
    "string_type": "a string",
    "string_too_short": "a non-empty string",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}


def _describe(problem: ErrorDetails, configuration: Configuration) -> str:
    path = _existing_path(problem["loc"], configuration.data)
    kind = problem["type"]
    if kind == "missing":
        path = (*path, problem["loc"][-1])
        wanted = "it is required and missing"
    elif kind in _EXPECTED:
        wanted = f"expected {_EXPECTED[kind]}, got {_type_name(problem['input'])}"
    elif kind == "value_error":
        wanted = problem["msg"].removeprefix("Value error, ")
    else:
        wanted = problem["msg"][:1].lower() + problem["msg"][1:]
    return f"'{_dotted(path)}' in {configuration.origin_of(path)}: {wanted}"


def _existing_path(location: tuple[str | int, ...], data: Any) -> tuple[str | int, ...]:
    """The part of pydantic's location that is a path in the data; the rest names alternatives of a union."""
    path: list[str | int] = []
    for part in location:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            if part == ONLY_ENTRY:
                continue
            break
        path.append(part)
    return tuple(path)


def _dotted(path: tuple[str | int, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string" if value else "empty string"
    return "array" if isinstance(value, list) else "object"
