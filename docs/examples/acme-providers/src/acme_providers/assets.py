"""The assets of the inventory: too many to be read at once."""

import json
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

from understage.sdk import Entity, ForeignError, IncrementalOptions, Page, ProvidedEntity, ProviderSetup


class AssetsProvider:
    """Reads page after page, for twenty seconds at a time; configured as `catalog.providers.acmeAssets.url`."""

    name = "acme-assets"
    options = IncrementalOptions(
        burst_interval=timedelta(seconds=30),
        burst_length=timedelta(seconds=20),
        rest_length=timedelta(hours=1),
        reject_empty_source_collections=True,
    )

    def __init__(self, setup: ProviderSetup) -> None:
        self.http = setup.http
        self.url = setup.config["catalog"]["providers"]["acmeAssets"]["url"]

    async def pages(self, cursor: Any) -> AsyncGenerator[Page, None]:
        """The pages after a cursor, which is what the inventory calls `next`."""
        while True:
            answer = await self.http.request("GET", f"{self.url}?after={cursor or ''}")
            if answer.status != 200:
                raise ForeignError(f"the inventory answered {answer.status}")
            found = json.loads(answer.body)
            cursor = found["next"]
            assets = [resource_of(asset, self.url) for asset in found["assets"]]
            yield Page([ProvidedEntity(asset, self.name) for asset in assets], cursor, is_last=cursor is None)
            if cursor is None:
                return


def resource_of(asset: dict[str, Any], url: str) -> Entity:
    """The Resource entity of an asset."""
    place = f"url:{url}"
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Resource",
        "metadata": {
            "name": asset["id"],
            "annotations": {
                "backstage.io/managed-by-location": place,
                "backstage.io/managed-by-origin-location": place,
            },
        },
        "spec": {"type": asset["type"], "owner": asset["team"]},
    }
