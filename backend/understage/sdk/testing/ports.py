"""All ports at once, each a fake that a test may replace."""

from understage.sdk.ports import (
    Adoption,
    ArgoCds,
    Backstage,
    Catalog,
    Clusters,
    ForgeApis,
    Forges,
    Git,
    Guardrails,
    Helm,
    Http,
    Notifications,
    Ports,
    Templating,
)
from understage.sdk.reader import UrlReader
from understage.sdk.testing.adoption import FakeAdoption
from understage.sdk.testing.argocd import FakeArgoCds
from understage.sdk.testing.catalog import FakeCatalog
from understage.sdk.testing.cluster import FakeClusters
from understage.sdk.testing.forge import FakeForges
from understage.sdk.testing.forge_api import FakeForgeApis, FakeNotifications
from understage.sdk.testing.git import FakeGit
from understage.sdk.testing.guardrails import FakeGuardrails
from understage.sdk.testing.helm import FakeHelm
from understage.sdk.testing.http import FakeHttp
from understage.sdk.testing.reader import FakeReader
from understage.sdk.testing.templating import FakeTemplating


def fake_ports(
    *,
    catalog: Catalog | None = None,
    reader: UrlReader | None = None,
    git: Git | None = None,
    forges: Forges | None = None,
    apis: ForgeApis | None = None,
    notifications: Notifications | None = None,
    clusters: Clusters | None = None,
    helm: Helm | None = None,
    guardrails: Guardrails | None = None,
    adoption: Adoption | None = None,
    argocd: ArgoCds | None = None,
    templating: Templating | None = None,
    http: Http | None = None,
    backstage: Backstage | None = None,
) -> Ports:
    """Ports for a test: the given ones, and empty fakes for the others (no forge, no cluster, no Argo CD, no helm).

    Without `git`, a FakeGit works on the repositories of `forges` when those are FakeForges.
    """
    known_forges = forges if forges is not None else FakeForges()
    known_git = git or FakeGit(known_forges if isinstance(known_forges, FakeForges) else FakeForges())
    return Ports(
        catalog=catalog or FakeCatalog(),
        reader=reader or FakeReader(),
        git=known_git,
        forges=known_forges,
        apis=apis or FakeForgeApis(),
        notifications=notifications or FakeNotifications(),
        clusters=clusters or FakeClusters(),
        helm=helm or FakeHelm(),
        guardrails=guardrails or FakeGuardrails(),
        adoption=adoption or FakeAdoption(),
        argocd=argocd or FakeArgoCds(),
        templating=templating or FakeTemplating(),
        http=http or FakeHttp(),
        backstage=backstage or FakeHttp(),
    )
