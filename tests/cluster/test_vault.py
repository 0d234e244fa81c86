"""Secrets against a real store and a real API server: who reads what, by the policies and roles that `vault:access` says.

The operator of External Secrets is not here. `Reader` does what it does with the objects that Understage writes: a token of the
store's service account, a login by the store's role, a read of the key.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.cluster.bench import Cluster, Vault
from tests.cluster.bench.vault import account_token
from tests.unit.actions.cloning import DEFAULTS, INPUT, world
from tests.unit.actions.test_environment_clone import SECRET

from understage.sdk.testing import fake_ports, run_action
from understage.sdk.yaml import dump, parse_documents
from understage_actions.environment_clone import clone_environment
from understage_actions.kubernetes_create_namespace import create_namespace
from understage_actions.team_render import render
from understage_actions.vault_access import render_access

Json = dict[str, Any]
SERVICES = {"ledger": "payments", "wallet": "payments", "shop": "sellers"}
MADE = {"refunds": "payments", "trial": "payments", "fair": "sellers"}
PRODUCTION = "teams/payments/production/ledger"
FORBIDDEN = httpx.codes.FORBIDDEN
STORES = "/apis/external-secrets.io/v1/namespaces/{}/secretstores/vault"


@dataclass(frozen=True)
class Reader:
    """A namespace's way to its secrets."""

    cluster: Cluster
    vault: Vault
    namespace: str

    def log_in(self, *, role: str | None = None, account: str | None = None) -> httpx.Response:
        """As the store of the namespace says, or by another role or account."""
        store = self.cluster.get(STORES.format(self.namespace))
        assert store is not None
        provider = store["spec"]["provider"]["vault"]
        login = provider["auth"]["kubernetes"]
        assert (provider["server"], provider["version"]) == (self.vault.url, "v2")
        jwt = account_token(self.cluster, self.namespace, account or login["serviceAccountRef"]["name"])
        path = f"auth/{login['mountPath']}/login"
        return self.vault.http.post(f"{self.vault.url}/v1/{path}", json={"role": role or login["role"], "jwt": jwt})

    def read(self, path: str, **login: str) -> Json | int:
        """The values at a key of Vault, or the status that refuses them."""
        token = self.log_in(**login).raise_for_status().json()["auth"]["client_token"]
        answer = self.vault.request("GET", f"secret/data/{path}", token=token)
        return dict(answer.json()["data"]["data"]) if answer.is_success else answer.status_code


@pytest.fixture
async def gitops(vault: Vault, helm_binary: Path, tmp_path: Path) -> Path:
    """A GitOps repository with two teams, three services in production and three clones, as the actions write it."""
    root = tmp_path / "gitops"
    root.mkdir()
    defaults = {**DEFAULTS, "vault": {"server": vault.url}}
    for team in ("payments", "sellers"):
        input = {"name": team, "members": ["ada"], "repoUrl": "https://git.example.com/platform/gitops.git"}
        await run_action(render, input, workspace=root, defaults=defaults, ports=fake_ports())
    for service, team in SERVICES.items():
        place = {"namespace": f"{service}-production", "team": team, "environment": "production", "mode": "files"}
        await run_action(create_namespace, place, workspace=root, defaults=defaults)
    ports, _ = world(helm_binary, {"ledger": SECRET})
    for name in ("refunds", "trial"):
        asked = {**INPUT, "name": name, "targetPath": ".", "storedSecrets": ["PARTNER_TOKEN"]}
        await run_action(clone_environment, asked, workspace=root, ports=ports, defaults=defaults)
    # A clone of the other team, by its label alone: what its services are does not matter here.
    file = root / "infrastructure/teams/payments/clones/trial/environment.yaml"
    other = root / "infrastructure/teams/sellers/clones/fair/environment.yaml"
    other.parent.mkdir(parents=True)
    other.write_text(file.read_text().replace("trial", "fair").replace("payments", "sellers"))
    return root


@pytest.fixture
def deployed(cluster: Cluster, gitops: Path, external_secrets: None) -> Iterator[list[str]]:
    """What Argo CD would make of it: namespaces, accounts, stores and ExternalSecrets are in the cluster, and taken by it."""
    namespaces = []
    kinds = ("Namespace", "ServiceAccount", "SecretStore", "ExternalSecret")
    found = [
        document.value
        for file in sorted(gitops.glob("infrastructure/**/*.yaml"))
        for document in parse_documents(file.read_bytes(), file.name)
        if isinstance(document.value, dict) and document.value.get("kind") in kinds
    ]
    for item in sorted(found, key=lambda item: kinds.index(item["kind"])):
        cluster.apply(item)
        if item["kind"] == "Namespace":
            namespaces.append(item["metadata"]["name"])
    yield namespaces
    for namespace in namespaces:
        cluster.request("DELETE", f"/api/v1/namespaces/{namespace}")
    for namespace in namespaces:
        cluster.delete(f"/api/v1/namespaces/{namespace}")


@pytest.fixture
async def granted(vault: Vault, gitops: Path) -> None:
    """The platform team has run the script, twice; values are where the guide says that they are put."""
    asked = await run_action(render_access, {}, workspace=gitops, defaults={"vault": {"server": vault.url}})
    for _ in range(2):
        vault.run_script(asked.output["script"])
    places = [f"teams/{team}/production/{service}" for service, team in SERVICES.items()]
    places += ["teams/payments/development/shared", "teams/sellers/development/shared"]
    places += [f"teams/{team}/clones/clone-{name}/ledger" for name, team in MADE.items()]
    for place in places:
        vault.put(place, {"PARTNER_TOKEN": f"value of {place}"})


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("granted")
async def test_a_namespace_reads_its_own_secrets_and_nobody_elses(
    cluster: Cluster, vault: Vault, deployed: list[str]
) -> None:
    own = {
        "ledger-production": PRODUCTION,
        "wallet-production": "teams/payments/production/wallet",
        "shop-production": "teams/sellers/production/shop",
        "payments": "teams/payments/development/shared",
        "sellers": "teams/sellers/development/shared",
        **{f"clone-{name}": f"teams/{team}/clones/clone-{name}/ledger" for name, team in MADE.items()},
    }
    assert sorted(deployed) == sorted(own)
    for namespace, place in own.items():
        reader = Reader(cluster, vault, namespace)
        assert reader.read(place) == {"PARTNER_TOKEN": f"value of {place}"}
        for other in set(own.values()) - {place}:
            assert reader.read(other) == FORBIDDEN, f"{namespace} reads {other}"
        token = reader.log_in().json()["auth"]["client_token"]
        for method, path in (
            ("LIST", "secret/metadata/teams"),
            ("LIST", f"secret/metadata/{place.rpartition('/')[0]}"),
            ("POST", f"secret/data/{place}"),
            ("DELETE", f"secret/data/{place}"),
            ("GET", "sys/policies/acl/payments.clones"),
        ):
            assert vault.request(method, path, token=token, json={"data": {}}).status_code == FORBIDDEN


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("granted", "deployed")
async def test_a_role_is_for_its_namespaces_and_their_account(cluster: Cluster, vault: Vault) -> None:
    clone, shop, ledger = (
        Reader(cluster, vault, name) for name in ("clone-refunds", "shop-production", "ledger-production")
    )
    for reader, role in (
        (clone, "ledger-production"),
        (clone, "wallet-production"),
        (clone, "sellers.clones"),
        (clone, "payments"),
        (shop, "ledger-production"),
        (shop, "payments.clones"),
        (ledger, "wallet-production"),
    ):
        assert reader.log_in(role=role).status_code == FORBIDDEN, f"{reader.namespace} logs in as {role}"
    # Of the team, but no clone: its folder below `clones` has nothing, and the others are closed to it.
    assert ledger.read("teams/payments/clones/clone-refunds/ledger", role="payments.clones") == FORBIDDEN
    assert ledger.read(PRODUCTION, role="payments.clones") == FORBIDDEN
    for reader in (clone, ledger):
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "app", "namespace": reader.namespace},
        }
        cluster.apply(account)
        assert reader.log_in(account="app").status_code == FORBIDDEN


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("granted", "deployed")
async def test_the_external_secret_of_a_clone_names_what_its_store_may_read(cluster: Cluster, vault: Vault) -> None:
    external = cluster.get("/apis/external-secrets.io/v1/namespaces/clone-refunds/externalsecrets/ledger-clone")
    assert external is not None
    assert external["spec"]["secretStoreRef"] == {"kind": "SecretStore", "name": "vault"}
    (entry,) = external["spec"]["data"]
    found = Reader(cluster, vault, "clone-refunds").read(entry["remoteRef"]["key"])
    assert isinstance(found, dict)
    assert found[entry["remoteRef"]["property"]] == "value of teams/payments/clones/clone-refunds/ledger"
    # SIGNING_KEY is made up in the clone; nothing leads to the original's.
    assert [made["rewrite"][0]["regexp"]["target"] for made in external["spec"]["dataFrom"]] == ["SIGNING_KEY"]
    assert "staging" not in dump(external["spec"])


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("granted", "deployed")
async def test_when_a_clone_has_gone_its_name_leads_to_nothing(cluster: Cluster, vault: Vault) -> None:
    reader = Reader(cluster, vault, "clone-fair")
    jwt = account_token(cluster, "clone-fair", "vault")
    login = {"role": "sellers.clones", "jwt": jwt}
    assert vault.http.post(f"{vault.url}/v1/auth/kubernetes/login", json=login).is_success
    store = cluster.get(STORES.format("clone-fair"))
    assert store is not None
    cluster.delete("/api/v1/namespaces/clone-fair")
    assert vault.http.post(f"{vault.url}/v1/auth/kubernetes/login", json=login).status_code == FORBIDDEN
    # Another team takes the name.
    labels = {"team": "payments"}
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "clone-fair", "labels": labels}})
    account = {"name": "vault", "namespace": "clone-fair"}
    cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    store["metadata"] = {"name": "vault", "namespace": "clone-fair", "labels": labels}
    store["spec"]["provider"]["vault"]["auth"]["kubernetes"]["role"] = "payments.clones"
    cluster.apply(store)
    assert reader.read("teams/sellers/clones/clone-fair/ledger") == FORBIDDEN
    assert reader.log_in(role="sellers.clones").status_code == FORBIDDEN
