"""What an Application of Argo CD says, for extensions."""

from understage.model.argocd import sources_of

__all__ = ["sources_of"]
