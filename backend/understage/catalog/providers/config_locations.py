"""The provider of `catalog.locations`."""

import os
from collections.abc import Sequence
from pathlib import Path

from understage.catalog.location_entity import make_location_entity
from understage.config.catalog_settings import ConfiguredLocation
from understage.model.ref import LocationRef
from understage.sdk.provider import ProvidedEntity, ProviderConnection


def configured_ref(location: ConfiguredLocation, folder: Path) -> LocationRef:
    """Type and target of a configured location; a file's target becomes absolute, relative ones start at `folder`."""
    if location.type != "file":
        return LocationRef(location.type, location.target)
    # No symbolic links are resolved: the path shows on pages, and should be the one that was written.
    return LocationRef("file", os.path.normpath(folder.absolute() / location.target))


class ConfigLocationProvider:
    """Gives one Location entity for each configured location."""

    name = "ConfigLocationProvider"

    def __init__(self, locations: Sequence[ConfiguredLocation], folder: Path) -> None:
        self._locations = locations
        self._folder = folder

    async def connect(self, connection: ProviderConnection) -> None:
        """Give all."""
        refs = [configured_ref(location, self._folder) for location in self._locations]
        await connection.replace_all([ProvidedEntity(make_location_entity(ref), str(ref)) for ref in refs])
