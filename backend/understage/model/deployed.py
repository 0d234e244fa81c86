"""What a catalog entity says of where its service is deployed: annotations that the stock plugins read, and links. Pure.

The one place for it: `service:describe` writes it into new repositories, adoption into those that it adopts, and clones ask here
whether an entity says so. Everything is told by labels, which all environments of a service have, so that the entity is right
for the first environment and for those that come later.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, urlsplit

NAME_LABEL = "app.kubernetes.io/name"
TEAM_LABEL = "team"

APP_NAME = "argocd/app-name"
APP_SELECTOR = "argocd/app-selector"
KUBERNETES_ID = "backstage.io/kubernetes-id"
KUBERNETES_NAMESPACE = "backstage.io/kubernetes-namespace"
KUBERNETES_SELECTOR = "backstage.io/kubernetes-label-selector"
DASHBOARD_SELECTOR = "grafana/dashboard-selector"

LONGEST_UID = 40
"""What Grafana takes for the id of a dashboard."""


@dataclass(frozen=True)
class Deployed:
    """A service of a team. `pods` are the labels of its objects where they are not those of `base-service`.

    `argocd_url` and `grafana_url` are the addresses for people, None where none is known: no link then.
    """

    service: str
    team: str
    pods: Mapping[str, str] | None = None
    namespace: str | None = None
    argocd_url: str | None = None
    grafana_url: str | None = None

    @property
    def selector(self) -> str:
        """Labels of all its Applications and, made by `base-service`, of all its objects."""
        return f"{NAME_LABEL}={self.service},{TEAM_LABEL}={self.team}"

    def annotations(self) -> dict[str, str]:
        """In the order in which they are written.

        `argocd/app-name` is not among them: it can only be of one environment, and the plugins refuse an entity with both.
        """
        pods = ",".join(f"{key}={value}" for key, value in self.pods.items()) if self.pods else self.selector
        told = {KUBERNETES_ID: self.service, KUBERNETES_SELECTOR: pods}
        if self.namespace is not None:
            told[KUBERNETES_NAMESPACE] = self.namespace
        return {
            **told,
            APP_SELECTOR: self.selector,
            DASHBOARD_SELECTOR: f"tags @> '{dashboard_tag('service', self.service)}'",
        }

    def links(self) -> list[dict[str, str]]:
        """To its Applications, all of them, and to its dashboard."""
        links = []
        if _is_web(self.argocd_url):
            query = f"proj={quote(self.team, safe='')}&labels={quote(f'{NAME_LABEL}={self.service}', safe='')}"
            url = f"{str(self.argocd_url).rstrip('/')}/applications?{query}"
            links.append({"title": "Deployments in Argo CD", "icon": "cloud", "url": url})
        dashboard = dashboard_url(self.grafana_url, dashboard_uid("service", self.service))
        if dashboard is not None:
            links.append({"title": "Dashboard", "icon": "dashboard", "url": dashboard})
        return links


def is_deployed(entity: Mapping[str, Any]) -> bool:
    """Whether an entity says that Argo CD deploys it."""
    annotations = entity["metadata"].get("annotations") or {}
    return APP_NAME in annotations or APP_SELECTOR in annotations


def dashboard_tag(scope: Literal["service", "team"], name: str) -> str:
    """The tag that an entity's page finds a dashboard by."""
    return f"{scope}:{name}"


def dashboard_uid(scope: Literal["service", "team"], name: str) -> str:
    """The id of a dashboard in Grafana: the same for ever, and no longer than Grafana takes."""
    whole = f"{scope}-{name}"
    if len(whole) <= LONGEST_UID:
        return whole
    return f"{whole[: LONGEST_UID - 9]}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def dashboard_url(base: str | None, uid: str) -> str | None:
    """The address of a dashboard under Grafana's, if that is a web address."""
    return f"{str(base).rstrip('/')}/d/{uid}" if _is_web(base) else None


def _is_web(url: str | None) -> bool:
    return isinstance(url, str) and urlsplit(url).scheme in ("http", "https")
