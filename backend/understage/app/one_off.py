"""Runs steps once, on this machine, with the ports that the service would give them: for commands, which need no server.

The parts of the service are made and not started: nothing is ingested and no task of others is taken up. What steps ask of the
catalog is answered by the catalog of this configuration, from its database, or by the one that `discovery` places elsewhere,
which is asked with the token of `understage.commands`: it does not know the keys of a database that is here for one run.
"""

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from understage.app.service import Service, create_service
from understage.config.settings import Settings
from understage.config.sources import Configuration
from understage.identity.credentials import Credentials
from understage.model.entity import Entity
from understage.model.task import TaskSpec
from understage.scaffolder.authoring.trial import Follow, FollowedRun
from understage.scaffolder.steps.interpreter import complete_secrets
from understage.scaffolder.steps.redaction import Redactor
from understage.scaffolder.steps.run import Outcome

# Whoever may read the configuration may do what the service may.
OPERATOR = Credentials.service("plugin:scaffolder")


@dataclass(frozen=True)
class OneOff:
    """The parts of the service that run steps."""

    service: Service

    async def find_entity(self, ref: str) -> Entity | None:
        """An entity of the catalog."""
        return await self.service.assembly.templates.get_entity(ref, OPERATOR)

    async def run(
        self,
        spec: TaskSpec,
        secrets: Mapping[str, str],
        workspace: Path,
        *,
        is_dry_run: bool = False,
        follow: Follow | None = None,
    ) -> Outcome:
        """Run the steps in a folder; `follow` is told of each line. Its texts are safe to show."""
        run = FollowedRun(f"cli-{uuid.uuid4()}", spec, complete_secrets(secrets, OPERATOR, None), workspace)
        run.follow = follow
        return await self.service.assembly.interpreter.run(run, is_dry_run=is_dry_run, redactor=Redactor())


@asynccontextmanager
async def open_one_off(configuration: Configuration, settings: Settings, *, root: Path) -> AsyncIterator[OneOff]:
    """Make the parts; relative paths of the configuration start at `root`."""
    token = settings.understage.commands.token
    service = await create_service(configuration, settings, root=root, standalone=True, token_elsewhere=token)
    service.health.is_started = True
    try:
        yield OneOff(service)
    finally:
        await service.stop()
