"""Which clusters a configuration names."""

from pathlib import Path
from typing import Any

import pytest

from understage.errors import InputError
from understage.integrations.kubernetes import clusters_from_config, read_cluster_settings


def stock(*clusters: dict[str, Any]) -> dict[str, Any]:
    return {"kubernetes": {"clusterLocatorMethods": [{"type": "config", "clusters": list(clusters)}]}}


def own(*clusters: dict[str, Any]) -> dict[str, Any]:
    return {"understage": {"kubernetes": {"clusters": list(clusters)}}}


PROD = {
    "name": "prod",
    "url": "https://prod.example.com/",
    "authProvider": "serviceAccount",
    "serviceAccountToken": "t0k",
}


def test_nothing_configured_is_no_cluster() -> None:
    assert clusters_from_config({}).names() == []
    assert clusters_from_config({}).get() is None
    with pytest.raises(InputError, match=r"No cluster named 'prod' \(no cluster is configured\)"):
        clusters_from_config({}).get("prod")


def test_both_keys_are_read_in_order() -> None:
    config = {**stock(PROD, {**PROD, "name": "dr"}), **own({"name": "here", "inCluster": True})}
    clusters = clusters_from_config(config)
    assert clusters.names() == ["here", "prod", "dr"]
    first = clusters.get()
    assert first is not None
    assert (first.name, first.server) == ("here", "https://kubernetes.default.svc")
    prod = clusters.get("prod")
    assert prod is not None
    assert prod.server == "https://prod.example.com"
    with pytest.raises(InputError, match=r"there are here, prod, dr"):
        clusters.get("test")


def test_other_locator_methods_are_left_to_the_stock_plugin() -> None:
    config = {"kubernetes": {"clusterLocatorMethods": [{"type": "catalog"}, {"type": "gke", "projectId": "x"}]}}
    assert read_cluster_settings(config) == []


def test_relative_paths_start_at_the_configuration(tmp_path: Path) -> None:
    config = {**stock({**PROD, "caFile": "ca.pem"}), **own({"name": "laptop", "kubeconfig": "kubeconfig"})}
    laptop, prod = read_cluster_settings(config, tmp_path)
    assert (laptop.kubeconfig, prod.ca_file) == (tmp_path / "kubeconfig", tmp_path / "ca.pem")


def test_a_cluster_that_only_browsers_sign_in_to_is_refused_when_it_is_named() -> None:
    browser = {"name": "gke", "url": "https://gke.example.com", "authProvider": "google"}
    clusters = clusters_from_config(stock(browser, PROD))
    assert clusters.names() == ["prod"]
    first = clusters.get()
    assert first is not None
    assert first.name == "prod"
    with pytest.raises(InputError, match=r"'gke' cannot be used by tasks: .*clusters\[0\]"):
        clusters.get("gke")
    both = {**stock(browser), **own({"name": "gke", "kubeconfig": "/etc/gke"})}
    assert clusters_from_config(both).names() == ["gke"]


def test_a_token_does_not_show_in_a_representation() -> None:
    assert "t0k" not in repr(read_cluster_settings(stock(PROD)))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (stock({**PROD, "url": ""}), r"kubernetes.clusterLocatorMethods\[0\].clusters\[0\].url is missing"),
        (stock({"url": "https://x", "serviceAccountToken": "t"}), r"name is missing"),
        (stock(PROD, PROD), r"stands there twice"),
        ({**stock(PROD), **own({"name": "prod", "inCluster": True})}, r"stands there twice"),
        (own({"name": "x"}), r"needs `kubeconfig`"),
        ({"understage": {"kubernetes": {"clusters": {"name": "x"}}}}, r"understage.kubernetes.clusters must be a list"),
    ],
)
def test_an_incomplete_cluster_names_its_key(config: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_cluster_settings(config)
