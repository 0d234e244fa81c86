"""The bench proves that it is a platform: a commit becomes running pods, limits limit, strangers are refused."""

import os
import ssl
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import httpx
import pytest
import yaml
from tests.cluster import tools
from tests.cluster.bench import BenchError, Cluster, Gitea, Platform, data_folder
from tests.cluster.bench.process import running, wait_for

Manifest = dict[str, Any]

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
  labels: {greeting: {{ .Values.greeting | quote }}, base: {{ include "base.name" . }}}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec:
      containers:
        - name: main
          image: registry.example.com/shop:1
          resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {cpu: 100m, memory: 64Mi}}
"""


def chart_files(base: str = "") -> dict[str, str]:
    """A chart that takes its labels from a dependency beside it in the repository."""
    dependency = {"name": "base", "version": "1.0.0", "repository": f"file://../base{base}"}
    return {
        "charts/base/Chart.yaml": yaml.safe_dump(
            {"apiVersion": "v2", "name": "base", "version": "1.0.0", "type": "library"}
        ),
        "charts/base/templates/_name.tpl": '{{ define "base.name" }}from-base{{ end }}',
        "charts/shop/Chart.yaml": yaml.safe_dump(
            {"apiVersion": "v2", "name": "shop", "version": "1.0.0", "dependencies": [dependency]}
        ),
        "charts/shop/values.yaml": "replicas: 1\ngreeting: default\n",
        "charts/shop/templates/deployment.yaml": DEPLOYMENT,
    }


def namespace(cluster: Cluster, name: str, **quota: str) -> None:
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    if quota:
        manifest = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "limits", "namespace": name}}
        cluster.apply({**manifest, "spec": {"hard": quota}})
        path = f"/api/v1/namespaces/{name}/resourcequotas/limits"
        wait_for("quota in force", lambda: (cluster.get(path) or {}).get("status", {}).get("used"), 30)


def pod(name: str, cpu: str = "100m") -> Manifest:
    container = {"name": "main", "image": "registry.example.com/shop:1", "resources": {"requests": {"cpu": cpu}}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container]}}


def application(platform: Platform, name: str, chart_repository: str, values_repository: str) -> Manifest:
    values = {"repoURL": values_repository, "targetRevision": "main", "ref": "values"}
    chart = {
        "repoURL": chart_repository,
        "targetRevision": "main",
        "path": "charts/shop",
        "helm": {"valueFiles": ["$values/dev/values.yaml"]},
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": platform.argocd.namespace},
        "spec": {
            "project": "default",
            "sources": [chart, values],
            "destination": {"server": platform.argocd.destination, "namespace": name},
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True},
                "syncOptions": ["ServerSideApply=true", "CreateNamespace=false"],
            },
        },
    }


def test_a_commit_becomes_running_pods(platform: Platform) -> None:
    cluster, gitea, argocd = platform.cluster, platform.gitea, platform.argocd
    gitea.create_organization("acme")
    for repository in ("charts", "values"):
        gitea.create_repository("acme", repository, private=True)
    gitea.commit("acme", "charts", chart_files(), "Add the chart")
    gitea.commit("acme", "values", {"dev/values.yaml": "replicas: 2\ngreeting: hello\n"}, "Add values")
    namespace(cluster, "shop", pods="3")

    urls = [gitea.clone_url("acme", repository) for repository in ("charts", "values")]
    cluster.apply(application(platform, "shop", *urls))

    argocd.wait_for_application("shop")
    assert len(cluster.pods("shop")) == 2
    deployment = cluster.get("/apis/apps/v1/namespaces/shop/deployments/shop")
    assert deployment is not None
    assert deployment["metadata"]["labels"] == {"greeting": "hello", "base": "from-base"}

    gitea.commit("acme", "values", {"dev/values.yaml": "replicas: 3\ngreeting: hello\n"}, "Scale up")
    wait_for("the third pod", lambda: True if len(cluster.pods("shop")) == 3 else None, 90)

    listed = argocd.request("GET", "/api/v1/applications").json()["items"]
    assert "shop" in [item["metadata"]["name"] for item in listed]


def test_argocd_says_why_it_does_not_get_there(platform: Platform) -> None:
    namespace(platform.cluster, "lost")
    url = platform.gitea.clone_url("acme", "no-such-repository")
    platform.cluster.apply(application(platform, "lost", url, url))

    def complaints() -> Manifest | None:
        status: Manifest = (platform.argocd.application("lost") or {}).get("status", {})
        return status if "conditions" in status else None

    wait_for("a complaint", complaints, 60)
    with pytest.raises(BenchError, match=r"application lost is .*repository not found"):
        platform.argocd.wait_for_application("lost", seconds=0)


def test_argocd_takes_projects_and_applications_by_its_rest_api(platform: Platform) -> None:
    argocd, url = platform.argocd, platform.gitea.clone_url("acme", "of-team-b")
    destination = {"server": argocd.destination, "namespace": "team-b"}
    project = {"metadata": {"name": "team-b"}, "spec": {"sourceRepos": [url], "destinations": [destination]}}
    made = argocd.request("POST", "/api/v1/projects", json={"project": project})
    assert made.status_code == httpx.codes.OK, made.text

    manifest = application(platform, "team-b", url, url)
    manifest["spec"]["project"] = "team-b"
    made = argocd.request("POST", "/api/v1/applications", params={"validate": "false"}, json=manifest)
    assert made.status_code == httpx.codes.OK, made.text
    stored = argocd.application("team-b")
    assert stored is not None
    assert stored["spec"]["project"] == "team-b"

    manifest["metadata"]["name"] = "team-b-checked"
    refused = argocd.request("POST", "/api/v1/applications", params={"validate": "true"}, json=manifest)
    assert refused.status_code == httpx.codes.BAD_REQUEST
    assert "repository not accessible" in refused.json()["error"]


def test_argocd_refuses_a_stranger(platform: Platform) -> None:
    answer = platform.argocd.request("GET", "/api/v1/applications", headers={"Authorization": "Bearer no"})
    assert answer.status_code == httpx.codes.UNAUTHORIZED


def test_a_resource_quota_is_enforced(cluster: Cluster) -> None:
    namespace(cluster, "quota-probe", **{"pods": "1", "requests.cpu": "2"})
    pods = "/api/v1/namespaces/quota-probe/pods"
    too_big = cluster.request("POST", pods, json=pod("big", cpu="3"))
    assert too_big.status_code == httpx.codes.FORBIDDEN
    assert "exceeded quota: limits, requested: requests.cpu=3" in too_big.json()["message"]

    assert cluster.request("POST", pods, json=pod("first")).status_code == httpx.codes.CREATED
    second = cluster.request("POST", pods, json=pod("second"))
    assert second.status_code == httpx.codes.FORBIDDEN
    assert "exceeded quota: limits, requested: pods=1, used: pods=1, limited: pods=1" in second.json()["message"]
    wait_for("the first pod running", lambda: cluster.pods("quota-probe") or None, 30)


def test_rbac_binds_a_group_to_its_namespace(cluster: Cluster) -> None:
    for name in ("ours", "theirs"):
        namespace(cluster, name)
    paths = [f"/api/v1/namespaces/{name}/configmaps" for name in ("ours", "theirs")]

    def seen(**identity: Any) -> list[int]:
        return [cluster.request("GET", path, **identity).status_code for path in paths]

    assert seen(token="wrong") == [401, 401]
    assert seen(token=cluster.developer_token) == [403, 403]
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "developers", "namespace": "ours"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}
            for group in (cluster.developer_group, "team-a")
        ],
    }
    cluster.apply(binding)
    wait_for("the binding", lambda: True if seen(token=cluster.developer_token) == [200, 403] else None, 10)
    assert seen(user="ann", groups=["team-a"]) == [200, 403]
    assert seen(user="bob", groups=["team-b"]) == [403, 403]


def test_the_certificate_verifies_the_api_server(cluster: Cluster) -> None:
    context = ssl.create_default_context(cafile=cluster.certificate)
    headers = {"Authorization": f"Bearer {cluster.admin_token}"}
    answer = httpx.get(f"{cluster.url}/version", headers=headers, verify=context, trust_env=False)
    assert answer.json()["gitVersion"].startswith("v1.")


def test_a_private_repository_is_pushed_to_and_cloned_over_http(gitea: Gitea, tmp_path: Path) -> None:
    gitea.create_user("ann")
    gitea.create_repository("ann", "diary", private=True)
    gitea.commit("ann", "diary", {"day.txt": "sun\n"}, "First")

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_GLOBAL": "/dev/null"}
        command = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.com", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert "could not read Username" in git("clone", gitea.clone_url("ann", "diary")).stderr
    assert git("clone", gitea.clone_url("ann", "diary", with_credentials=True), ".").returncode == 0
    (tmp_path / "day.txt").write_text("rain\n")
    assert git("commit", "-am", "Second").returncode == 0
    assert git("push").returncode == 0
    assert gitea.read("ann", "diary", "day.txt") == "rain\n"
    assert gitea.read("ann", "diary", "night.txt") is None


def test_stopping_leaves_no_process(cluster: Cluster, gitea: Gitea) -> None:
    with data_folder() as folder:  # the session's own parts only show that the tools are there
        with Cluster.running(folder / "cluster") as short, Gitea.running(folder / "gitea") as forge:
            processes = [*short.processes, *forge.processes]
            assert [group for group in map(group_of, processes) if group] == [process.pid for process in processes]
        assert not [process.name for process in processes if group_of(process)]
    assert not folder.exists()


def group_of(process: Any) -> int | None:
    """The group's id while any process is in it."""
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return None
    return int(process.pid)


def test_a_killed_starter_takes_its_processes_along(tmp_path: Path) -> None:
    script = dedent(f"""\
        import time
        from pathlib import Path
        from tests.cluster.bench.process import running
        with running("server", ["sh", "-c", "trap '' TERM; sleep 600 & sleep 600"], Path({str(tmp_path)!r})) as server:
            print(server.pid, flush=True)
            time.sleep(600)
        """)
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", script], cwd=root, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        group = int(starter.stdout.readline())
        os.killpg(group, 0)
        starter.kill()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail(f"group {group} outlived its starter")


def test_a_part_that_does_not_come_up_shows_its_log(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo 'unknown flag: --colour'; exit 3"]
    with (
        pytest.raises(BenchError, match=r"(?s)broken ended with exit code 3.*unknown flag: --colour"),
        running("broken", command, tmp_path) as broken,
    ):
        broken.wait_until(lambda: False, 20)


def test_a_part_that_hangs_is_given_up(tmp_path: Path) -> None:
    with (
        pytest.raises(BenchError, match=r"(?s)slow was not ready after 1 s.*still thinking"),
        running("slow", ["sh", "-c", "echo still thinking; sleep 600"], tmp_path) as slow,
    ):
        slow.wait_until(lambda: False, 1)


def test_the_helm_of_the_bench_renders(helm_binary: Path, tmp_path: Path) -> None:
    for path, text in chart_files().items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    for command in (["dependency", "build"], ["template", "shop"]):
        ran = subprocess.run(
            [helm_binary, *command, "."],
            cwd=tmp_path / "charts/shop", env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
    assert yaml.safe_load(ran.stdout)["metadata"]["labels"] == {"greeting": "default", "base": "from-base"}


def test_a_missing_part_says_what_to_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UNDERSTAGE_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(tools.MissingToolError, match=r"python -m tests\.cluster\.tools build") as caught:
        tools.binary("gitea")
    assert "Go >= 1.26 is missing: install it with" in str(caught.value)
    assert "gcc is missing (gitea needs it): apt-get install gcc" in str(caught.value)
    assert tools.lacking((), ("redis-server",)) == ["redis-server is missing: apt-get install redis-server"]
