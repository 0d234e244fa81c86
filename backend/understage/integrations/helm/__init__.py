"""The helm binary: the port `sdk.Helm`. `app` builds `HelmBinary`; actions reach it as `ctx.ports.helm`."""

from understage.integrations.helm.binary import HelmBinary, helm_from_config

__all__ = ["HelmBinary", "helm_from_config"]
