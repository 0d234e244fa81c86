"""What the providers of forges share: the schedule of the configuration, and locations for the files they find."""

from collections.abc import Mapping
from typing import Any, Literal

from understage.catalog.location_entity import location_entity_ref, make_location_entity
from understage.config.integration_settings import IntegrationSettings
from understage.config.provider_settings import ScheduleSettings
from understage.model.members import member_at
from understage.model.ref import LocationRef
from understage.sdk.glob import compile_glob
from understage.sdk.provider import ProvidedEntity
from understage.sdk.schedule import Schedule

Change = Literal["added", "modified", "removed"]
CHANGES: tuple[Change, ...] = ("added", "modified", "removed")


def schedule_of(settings: ScheduleSettings) -> Schedule:
    """The schedule object of the configuration, for the scheduler."""
    return Schedule(settings.frequency, settings.timeout, settings.initial_delay, settings.scope)


def integrations_of(config: Mapping[str, Any]) -> IntegrationSettings:
    """The `integrations` section, which was checked as a whole before."""
    return IntegrationSettings.model_validate(config.get("integrations") or {})


def location_of(target: str, key: str, *, optional: bool | None = True) -> ProvidedEntity:
    """The Location entity of a found file; `optional` None leaves its presence to the default."""
    return ProvidedEntity(make_location_entity(LocationRef("url", target), optional=optional), key)


def location_refs(targets: list[str]) -> list[str]:
    """The references of the Location entities of some files."""
    return [location_entity_ref(LocationRef("url", target)) for target in targets]


def changed_files(commits: Any, pattern: str) -> dict[str, Change]:
    """What a push did in the end to the files that match the glob; `commits` name files as GitHub and GitLab do."""
    matches = compile_glob(pattern).fullmatch
    changed: dict[str, Change] = {}
    for commit in commits if isinstance(commits, list) else []:
        for change in CHANGES:
            files = member_at(commit, change)
            for file in files if isinstance(files, list) else []:
                if not isinstance(file, str) or not matches(file):
                    continue
                # What came with this push is new, whatever later commits of it did to it.
                is_new = changed.get(file) == "added" and change == "modified"
                changed[file] = "added" if is_new else change
    return changed
