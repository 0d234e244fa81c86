"""For tests of extensions: run an action without a service, against in-memory fakes of every port, and check a provider.

    ports = fake_ports(catalog=FakeCatalog([{"kind": "Component", "metadata": {"name": "web"}}]))
    result = await run_action(greet, {"name": "Ada"}, workspace=tmp_path, ports=ports)
    assert result.output == {"greeting": "Hello Ada"}

    connection = await check_provider(PeopleProvider(setup))
    assert sorted(connection.entities) == ["user:default/ada"]

The fakes keep their state in plain members that a test may fill and read, and refuse what the real part refuses
(a taken repository name, a field that another manager owns, a namespace that does not exist …).
"""

from understage.sdk.testing.adoption import FakeAdoption
from understage.sdk.testing.argocd import FakeArgoCd, FakeArgoCds
from understage.sdk.testing.catalog import FakeCatalog
from understage.sdk.testing.cluster import FakeCluster, FakeClusters
from understage.sdk.testing.forge import FakeForge, FakeForges, FakeRepository
from understage.sdk.testing.forge_api import FakeForgeApi, FakeForgeApis, FakeNotifications, SentCall
from understage.sdk.testing.git import FakeCommit, FakeGit
from understage.sdk.testing.guardrails import FakeGuardrails
from understage.sdk.testing.helm import FakeHelm
from understage.sdk.testing.http import FakeHttp
from understage.sdk.testing.ports import fake_ports
from understage.sdk.testing.provider import (
    FakeProviderConnection,
    FakeScheduler,
    check_entities,
    check_incremental_provider,
    check_provider,
)
from understage.sdk.testing.reader import FakeReader
from understage.sdk.testing.run import ActionResult, Checkpoints, LogLine, make_context, run_action
from understage.sdk.testing.templating import FakeTemplating

__all__ = [
    "ActionResult",
    "Checkpoints",
    "FakeAdoption",
    "FakeArgoCd",
    "FakeArgoCds",
    "FakeCatalog",
    "FakeCluster",
    "FakeClusters",
    "FakeCommit",
    "FakeForge",
    "FakeForgeApi",
    "FakeForgeApis",
    "FakeForges",
    "FakeGit",
    "FakeGuardrails",
    "FakeHelm",
    "FakeHttp",
    "FakeNotifications",
    "FakeProviderConnection",
    "FakeReader",
    "FakeRepository",
    "FakeScheduler",
    "FakeTemplating",
    "LogLine",
    "SentCall",
    "check_entities",
    "check_incremental_provider",
    "check_provider",
    "fake_ports",
    "make_context",
    "run_action",
]
