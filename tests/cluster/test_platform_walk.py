"""Platform in the box, in one go: what a team meets from its first day to its figures, with everything real.

A service process with sign-in runs the shipped templates, started over HTTP as the page does. Merges in Gitea are all that
happens beside it; Argo CD applies, the cluster has the guardrails as policies. What came of it is asked of the API server.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.bench import Platform
from tests.cluster.bench.definitions import claim_definition, install
from tests.cluster.bench.teams import root_application
from tests.cluster.walk.adoption import adopt, live_namespace, start_what_ran_before
from tests.cluster.walk.cloning import be_refused_by_the_guardrails, clone_and_expire
from tests.cluster.walk.delivery import go_to_production, make_database, make_service, make_team, nobody_gets_in
from tests.cluster.walk.figures import be_measured
from tests.cluster.walk.names import GITOPS, ROOT, TEAM
from tests.cluster.walk.outset import leave, write_config
from tests.cluster.walk.walker import Walk
from tests.portal.service import run_understage

from understage.integrations.policies import admission_policies, read_policies

SKELETONS = Path(__file__).parents[2] / "skeletons"


@pytest.fixture
def walk(platform: Platform, external_secrets: None, tmp_path: Path) -> Iterator[Walk]:
    """Argo CD over the folder of teams, policies in the cluster, a service that runs already, and `understage up`."""
    gitea, cluster = platform.gitea, platform.cluster
    for organization in (TEAM, GITOPS[0]):
        gitea.create_organization(organization)
    gitea.create_repository(*GITOPS)
    gitea.commit(*GITOPS, {"infrastructure/README.md": "# What runs where\n"}, "Begin")
    gitea.settle()
    start_what_ran_before(platform)
    claims = claim_definition()
    knew_claims = cluster.get(cluster.path_of(claims)) is not None
    install(cluster, claims)
    policies = admission_policies(read_policies(SKELETONS / "policies" / "rules.yaml"))
    for manifest in policies:
        cluster.apply(manifest)
    cluster.apply(live_namespace(team=TEAM))
    cluster.apply(root_application(platform, GITOPS, name=ROOT))
    try:
        with run_understage(tmp_path, write_config(platform, tmp_path)) as url:
            yield Walk(platform, url, GITOPS, ROOT)
    finally:
        for manifest in reversed(policies):
            cluster.delete(cluster.path_of(manifest))
        leave(platform)
        if not knew_claims:
            cluster.delete(cluster.path_of(claims))


@pytest.mark.timeout(600)
def test_from_a_new_team_to_its_measures(walk: Walk) -> None:
    nobody_gets_in(walk)
    make_team(walk)
    started = make_service(walk)
    be_refused_by_the_guardrails(walk)
    make_database(walk)
    clone_and_expire(walk)
    go_to_production(walk)
    adopt(walk)
    be_measured(walk, started)
