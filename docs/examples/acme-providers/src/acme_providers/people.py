"""The people of the directory: few enough to be read at once."""

import json
from datetime import timedelta
from typing import Any

from understage.sdk import Entity, ForeignError, ProvidedEntity, ProviderConnection, ProviderSetup, Schedule


class PeopleProvider:
    """Reads everybody each half hour; configured as `catalog.providers.acmePeople.url`."""

    name = "acme-people"
    connection: ProviderConnection

    def __init__(self, setup: ProviderSetup) -> None:
        self.http = setup.http
        self.url = setup.config["catalog"]["providers"]["acmePeople"]["url"]
        setup.scheduler.schedule(self.name, Schedule(timedelta(minutes=30), timedelta(minutes=5)), self.read)

    async def connect(self, connection: ProviderConnection) -> None:
        """Keep the connection; the schedule does the rest."""
        self.connection = connection

    async def read(self) -> None:
        """Read everybody. When this fails, everybody stays."""
        answer = await self.http.request("GET", self.url)
        if answer.status != 200:
            raise ForeignError(f"the directory answered {answer.status}")
        people = [user_of(person, self.url) for person in json.loads(answer.body)]
        await self.connection.replace_all([ProvidedEntity(user, self.name) for user in people])


def user_of(person: dict[str, Any], url: str) -> Entity:
    """The User entity of somebody."""
    place = f"url:{url}"
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "User",
        "metadata": {
            "name": person["login"],
            "annotations": {
                "backstage.io/managed-by-location": place,
                "backstage.io/managed-by-origin-location": place,
            },
        },
        "spec": {"memberOf": person["teams"], "profile": {"displayName": person["name"]}},
    }
