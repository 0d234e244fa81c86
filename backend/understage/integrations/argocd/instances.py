"""The configured Argo CD instances by name: `ctx.ports.argocd` of every action."""

from collections.abc import Mapping, Sequence
from typing import Any

from understage.errors import InputError
from understage.integrations.argocd.instance import ArgoCdInstance
from understage.integrations.argocd.settings import InstanceSettings, read_instance_settings


class ArgoCdInstances:
    """Implements the port `sdk.ArgoCds`. Nothing is connected before the first request."""

    def __init__(self, settings: Sequence[InstanceSettings] = (), *, timeout: float = 30.0) -> None:
        usable = [instance for instance in settings if instance.unusable is None]
        self._instances = {instance.name: ArgoCdInstance(instance, timeout=timeout) for instance in usable}
        self._unusable = {instance.name: instance.unusable for instance in settings if instance.unusable is not None}

    def names(self) -> list[str]:
        """Names, in configuration order."""
        return list(self._instances)

    def get(self, name: str | None = None) -> ArgoCdInstance | None:
        """An instance by name, or the first one; None when none is configured and none was named."""
        if name is None:
            return next(iter(self._instances.values()), None)
        if name in self._instances:
            return self._instances[name]
        if name in self._unusable:
            raise InputError(f"Argo CD instance {name!r} cannot be used by tasks: {self._unusable[name]}")
        known = f"there are {', '.join(self._instances)}" if self._instances else "no instance is configured"
        raise InputError(
            f"No Argo CD instance named {name!r} ({known}); instances are named in argocd.appLocatorMethods"
        )


def argocd_from_config(config: Mapping[str, Any]) -> ArgoCdInstances:
    """The instances of the merged app-config; InputError as `read_instance_settings`."""
    return ArgoCdInstances(read_instance_settings(config))
