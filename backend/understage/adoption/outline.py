"""What is asked of a proposal, and what one is. Shared by the modules that make it."""

from dataclasses import dataclass, field

from understage.adoption.inventory import Remark
from understage.adoption.reading import Json
from understage.adoption.withholding import Issued


@dataclass(frozen=True)
class Options:
    """How to adopt. `gateway` (namespace, name): say Ingresses as HTTPRoutes; `as_is`: leave the pods as they are.

    `argocd_url` and `grafana_url` are where the entity's links lead; without one there is no such link.
    """

    owner: str
    team: str
    environment: str
    system: str | None = None
    namespace: str | None = None
    gateway: tuple[str, str] | None = None
    as_is: bool = False
    argocd_url: str | None = None
    grafana_url: str | None = None


@dataclass
class Proposal:
    """Values of one service, and what there is to say about them.

    `renamed`: titles before and after of objects with another name; `dropped`: titles of objects that others replace. `issued`
    are secrets that were held back, to be put at `secret_path` of the team's store.
    """

    name: str
    values: Json
    container: str
    kept: list[tuple[str, str]] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    replaced: dict[str, str] = field(default_factory=dict)
    untranslated: list[tuple[str, str, str]] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    issued: list[Issued] = field(default_factory=list)
    secret_path: str = ""
