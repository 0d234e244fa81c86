"""Argo CD instances by their REST API: the port `sdk.ArgoCds`.

`app` builds `ArgoCdInstances` from the configuration; actions reach it as `ctx.ports.argocd`.
"""

from understage.integrations.argocd.instance import ArgoCdInstance
from understage.integrations.argocd.instances import ArgoCdInstances, argocd_from_config
from understage.integrations.argocd.settings import InstanceSettings, read_instance_settings

__all__ = [
    "ArgoCdInstance",
    "ArgoCdInstances",
    "InstanceSettings",
    "argocd_from_config",
    "read_instance_settings",
]
