"""The `catalog` section: what is ingested, how often, and what is allowed."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from understage.config.duration import Duration, parse_duration
from understage.config.provider_settings import ProviderSettings
from understage.config.section import Boolean, KeepOrDelete, Section, Text


def _read_allowed(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


class AllowedKind(Section):
    """A kind that a rule allows, optionally only with a `spec.type`; both regardless of case."""

    kind: Text
    spec_type: Text | None = Field(default=None, alias="spec.type")


class LocationMatcher(Section):
    """Locations that a rule is about: a type, and optionally an exact target or a glob."""

    type: Text
    exact: Text | None = None
    pattern: Text | None = None

    @model_validator(mode="after")
    def _check_target(self) -> "LocationMatcher":
        if self.exact and self.pattern:
            raise ValueError("a location rule may not have both an exact and a pattern field")
        return self


class CatalogRule(Section):
    """One entry of `catalog.rules`; without `locations` it holds for all."""

    allow: tuple[Annotated[AllowedKind, BeforeValidator(_read_allowed)], ...]
    locations: tuple[LocationMatcher, ...] | None = None


class ConfiguredLocation(Section):
    """One entry of `catalog.locations`."""

    type: Text
    target: Text
    rules: tuple[CatalogRule, ...] = ()


class StitchingStrategy(Section):
    """`catalog.stitchingStrategy`."""

    polling_interval: Duration | None = None
    stitch_timeout: Duration | None = None


class CatalogImport(Section):
    """`catalog.import`: used by the import page."""

    entity_filename: Text = "catalog-info.yaml"
    pull_request_branch_name: Text = "backstage-integration"


class ProcessorOptions(Section):
    """`catalog.processorOptions.<name>` and `catalog.providerOptions.<name>`."""

    disabled: Boolean = False
    priority: float | None = None


class ScmEvents(Section):
    """Which changes reported by forges are acted on."""

    refresh: Boolean = False
    unregister: Boolean = False
    move: Boolean = False


def _read_scm_events(value: Any) -> Any:
    """True and false mean all; in an object what is not named is on, as in Backstage."""
    if isinstance(value, bool):
        return dict.fromkeys(("refresh", "unregister", "move"), value)
    return {"refresh": True, "unregister": True, "move": True, **value} if isinstance(value, dict) else value


def _read_processing_interval(value: Any) -> Any:
    if value is False or value is None:
        return value
    if value is True:
        raise ValueError("expected a duration such as {minutes: 30}, or false to switch processing off")
    return parse_duration(value)


_DEFAULT_ALLOWED = tuple(AllowedKind(kind=kind) for kind in ("Component", "API", "Location"))


class CatalogSettings(Section):
    """The `catalog` section. `processing_interval` is None for the stock interval and False when processing is off.

    `most_children` is to how many entities one location may lead directly; the stock backend has no such limit.
    """

    locations: tuple[ConfiguredLocation, ...] = ()
    rules: tuple[CatalogRule, ...] = (CatalogRule(allow=_DEFAULT_ALLOWED),)
    orphan_strategy: KeepOrDelete = "delete"
    orphan_provider_strategy: KeepOrDelete = "delete"
    processing_interval: Annotated[timedelta | Literal[False] | None, BeforeValidator(_read_processing_interval)] = None
    readonly: Boolean = False
    import_: CatalogImport = Field(default=CatalogImport(), alias="import")
    stitching_strategy: StitchingStrategy = StitchingStrategy()
    default_location_conflict_strategy: Literal["reject", "refresh"] = "reject"
    disable_default_processors: Boolean = False
    processor_options: dict[str, ProcessorOptions] = Field(default_factory=dict)
    provider_options: dict[str, ProcessorOptions] = Field(default_factory=dict)
    scm_events: Annotated[ScmEvents, BeforeValidator(_read_scm_events)] = ScmEvents()
    providers: ProviderSettings = ProviderSettings()
    most_children: int = Field(default=100_000, ge=1)
