"""An environment for a while: what the guardrails refuse of it, its life and its end."""

import re
from datetime import UTC, datetime

from tests.cluster.bench.process import wait_for
from tests.cluster.walk.names import (
    CLAIM,
    CLONE,
    CLONED,
    COMPONENT,
    FOLDER,
    GITOPS,
    HERE,
    OWNER,
    PRIVILEGED,
    SERVICE,
    TEAM,
    Json,
)
from tests.cluster.walk.walker import Walk
from tests.portal.service import run_template


def clone_values(what: str) -> Json:
    return {
        "source": COMPONENT,
        "from": "development",
        "team": OWNER,
        "name": CLONE,
        "ttl": "1h",
        "values": {},
        "storedSecrets": [],
        "sharedHosts": [],
        "what": what,
    }


def be_refused_by_the_guardrails(walk: Walk) -> None:
    """The same container, by the way out of the chart and by hand."""
    before = walk.gitea.tree(*GITOPS)
    ended = run_template(
        walk.url,
        "clone-environment",
        {**clone_values("commit"), "values": {SERVICE: {"extraContainers": [PRIVILEGED]}}},
    )
    assert ended.status == "failed"
    said = ended.error.removeprefix("InputError: ")
    assert said.startswith("The cluster would refuse this: ")
    messages = said.removeprefix(f"The cluster would refuse this: Deployment {SERVICE}: ").split(
        f"; Deployment {SERVICE}: "
    )
    assert any("limits" in message and "debug" in message for message in messages)
    assert walk.gitea.tree(*GITOPS) == before
    assert walk.cluster.get(f"/api/v1/namespaces/{CLONED}") is None

    path = f"/apis/apps/v1/namespaces/{HERE}/deployments/{SERVICE}"
    known = walk.deployment(HERE, SERVICE)
    change = {"spec": {"template": {"spec": {"containers": [PRIVILEGED]}}}}
    headers = {"Content-Type": "application/strategic-merge-patch+json"}
    refused = walk.cluster.request("PATCH", path, user="ada", groups=[TEAM], json=change, headers=headers)
    assert refused.status_code == 422, refused.text
    assert any(message in refused.json()["message"] for message in messages), (messages, refused.text)
    assert walk.deployment(HERE, SERVICE)["metadata"]["generation"] == known["metadata"]["generation"]
    walk.tell(f"refused twice in the same words: {messages[0]}")


def clone_and_expire(walk: Walk) -> None:
    """A clone is made, its owner ends it, and the service removes all of it and nothing else."""
    touched = [
        walk.cluster.get(f"/api/v1/namespaces/{HERE}"),
        walk.deployment(HERE, SERVICE),
        walk.see(CLAIM.format(HERE)),
    ]
    before = walk.gitea.tree(*GITOPS)
    ended = walk.run("clone-environment", **clone_values("commit"))
    assert "a month, for as long as it lives" in ended.text("What it costs")
    namespace = walk.see(f"/api/v1/namespaces/{CLONED}")
    assert namespace["metadata"]["annotations"]["understage.io/owner"] == "user:default/guest"
    assert datetime.fromisoformat(namespace["metadata"]["annotations"]["understage.io/expires-at"]) > datetime.now(UTC)
    walk.see(CLAIM.format(CLONED))
    assert wait_for("the clone's pod", lambda: len(walk.cluster.pods(CLONED)) == 1 or None, 120)
    made = walk.gitea.tree(*GITOPS) - before
    assert {path.rpartition("/")[0] for path in made} == {f"{FOLDER}/clones/{CLONE}"}
    walk.tell("the clone runs")

    file = f"{FOLDER}/clones/{CLONE}/environment.yaml"
    # The annotation; the label beside it has the basic form, without hyphens.
    text, count = re.subn(r"\d{4}-\d{2}-\d{2}T[0-9:]+Z", "2026-01-01T00:00:00Z", walk.of_git(file))
    assert count
    walk.gitea.commit(*GITOPS, {file: text}, "End it")
    wait_for("the end in Git", lambda: walk.gitea.tree(*GITOPS) == before or None, 60)
    argo = f"/apis/argoproj.io/v1alpha1/namespaces/{walk.argocd.namespace}"
    walk.miss(f"{argo}/applications/{SERVICE}-{CLONED}")
    walk.miss(f"/api/v1/namespaces/{CLONED}")
    walk.miss(f"{argo}/appprojects/{CLONED}")
    assert walk.cluster.get(CLAIM.format(CLONED)) is None
    assert walk.cluster.pods(CLONED) == []
    left = [
        walk.cluster.get(f"/api/v1/namespaces/{HERE}"),
        walk.deployment(HERE, SERVICE),
        walk.see(CLAIM.format(HERE)),
    ]
    assert [item and item["metadata"]["uid"] for item in left] == [item and item["metadata"]["uid"] for item in touched]
    walk.tell("nothing is left of the clone")
