"""The `backend` section: address, database, cross-origin rules, authentication of callers, what may be read."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from understage.config.duration import Duration
from understage.config.section import Boolean, Section, Text, TextList, one_or_many


def _read_listen(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return {"port": value}
    if not isinstance(value, str):
        return value
    host, _, port = value.rpartition(":")
    if ":" in host or not port.isdigit():
        raise ValueError(f"unable to parse listen address {value}, expected <port> or <host>:<port>")
    return {"host": host, "port": int(port)}


class Listen(Section):
    """Where the service listens; an empty host is every address."""

    host: str = ""
    port: int = Field(default=7007, ge=0, le=65535)


def _read_connection(value: Any) -> Any:
    return {"connectionString": value} if isinstance(value, str) else value


class Connection(Section):
    """How to reach the database; `connection_string` is a URL, or `:memory:` or a file for SQLite.

    `directory` is where SQLite keeps its files.
    """

    connection_string: str | None = None
    directory: str | None = None
    filename: str | None = None
    host: str | None = None
    port: int | None = None
    user: str | None = None
    password: str | None = None
    database: str | None = None
    ssl: bool | dict[str, Any] | None = None
    schema_: str | None = Field(default=None, alias="schema")


class DatabaseSettings(Section):
    """`backend.database`. Parts that only divide plugins among databases are accepted, Understage has one database."""

    client: Literal["better-sqlite3", "sqlite3", "pg", "embedded-postgres"] = "better-sqlite3"
    connection: Annotated[Connection, BeforeValidator(_read_connection)] = Connection()
    prefix: str = "backstage_plugin_"
    plugin_division_mode: Literal["database", "schema"] = "database"
    ensure_exists: Boolean = True
    ensure_schema_exists: Boolean = False
    skip_migrations: Boolean = False
    role: str | None = None
    knex_config: dict[str, Any] = Field(default_factory=dict)
    plugin: dict[str, Any] = Field(default_factory=dict)


class PermissionAttribute(Section):
    """Which permission attributes a restricted token may use."""

    action: TextList = ()


class AccessRestriction(Section):
    """What an external token may do in one plugin."""

    plugin: Text
    permission: TextList = ()
    permission_attribute: PermissionAttribute = PermissionAttribute()


class ExternalAccessOptions(Section):
    """Options of an external access entry; which ones count depends on its type."""

    token: Text | None = None
    secret: Text | None = None
    subject: Text | None = None
    url: Text | None = None
    algorithm: TextList = ()
    issuer: TextList = ()
    audience: TextList = ()
    subject_prefix: Text | None = None


class ExternalAccess(Section):
    """One entry of `backend.auth.externalAccess`."""

    type: Literal["static", "legacy", "jwks"]
    options: ExternalAccessOptions
    access_restrictions: tuple[AccessRestriction, ...] = ()


class LegacyKey(Section):
    """One entry of the old `backend.auth.keys`."""

    secret: Text


class StaticKey(Section):
    """One pair of PEM files of a static key store; the first pair signs."""

    public_key_file: Text
    private_key_file: Text | None = None
    key_id: Text
    algorithm: Text = "ES256"


class StaticKeys(Section):
    """The pairs of a static key store."""

    keys: tuple[StaticKey, ...] = ()


class PluginKeyStore(Section):
    """Where the keys of plugin tokens come from."""

    type: Literal["database", "static"] = "database"
    static: StaticKeys = StaticKeys()


class BackendAuth(Section):
    """`backend.auth`: who may call, and how plugin tokens are signed."""

    external_access: tuple[ExternalAccess, ...] = ()
    keys: tuple[LegacyKey, ...] = ()
    plugin_key_store: PluginKeyStore = PluginKeyStore()
    dangerously_disable_default_auth_policy: Boolean = False


class ReadingAllow(Section):
    """A host (`name`, `name:port`, `*.name`) and optionally path prefixes that may be read without an integration."""

    host: Text
    paths: tuple[Text, ...] | None = None


class Reading(Section):
    """`backend.reading`."""

    allow: tuple[ReadingAllow, ...] = ()


class Cors(Section):
    """`backend.cors`; absent means no cross-origin headers at all."""

    origin: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] | bool | None = None
    methods: TextList | None = None
    allowed_headers: TextList | None = None
    exposed_headers: TextList | None = None
    credentials: Boolean = False
    max_age: int | None = None
    preflight_continue: Boolean = False
    options_success_status: int = 204


class ActionAttributes(Section):
    """Attributes that an action filter asks for."""

    destructive: Boolean | None = None
    read_only: Boolean | None = None
    idempotent: Boolean | None = None


class ActionMatcher(Section):
    """An action id glob, attributes, or both."""

    id: Text | None = None
    attributes: ActionAttributes = ActionAttributes()


class ActionFilter(Section):
    """Which registered actions are offered; `exclude` wins, no `include` means all."""

    include: tuple[ActionMatcher, ...] = ()
    exclude: tuple[ActionMatcher, ...] = ()


class BackendActions(Section):
    """`backend.actions`: the plugins whose registered actions are used; where it is set, no other plugin offers any."""

    plugin_sources: tuple[Text, ...] | None = None
    filter: ActionFilter = ActionFilter()


class Lifecycle(Section):
    """`backend.lifecycle`."""

    startup_request_pause_timeout: Duration | None = None
    server_shutdown_delay: Duration | None = None


class Logger(Section):
    """`backend.logger`."""

    level: Literal["debug", "info", "warn", "error"] = "info"


LogLevel = Literal["debug", "info", "warn", "error"]


class SeverityLogLevels(Section):
    """At which level audit events of a severity are logged."""

    low: LogLevel = "debug"
    medium: LogLevel = "info"
    high: LogLevel = "info"
    critical: LogLevel = "info"


class Auditor(Section):
    """`backend.auditor`."""

    severity_log_level_mappings: SeverityLogLevels = SeverityLogLevels()


class BackendSettings(Section):
    """The `backend` section. `base_url` is the address that browsers and other services use."""

    base_url: Text = "http://localhost:7007"
    listen: Annotated[Listen, BeforeValidator(_read_listen)] = Listen()
    https: bool | dict[str, Any] | None = None
    database: DatabaseSettings = DatabaseSettings()
    auth: BackendAuth = BackendAuth()
    reading: Reading = Reading()
    cors: Cors | None = None
    actions: BackendActions = BackendActions()
    lifecycle: Lifecycle = Lifecycle()
    logger: Logger = Logger()
    auditor: Auditor = Auditor()
    working_directory: Text | None = None
