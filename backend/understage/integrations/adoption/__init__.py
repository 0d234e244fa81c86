"""Adoption of services: their sources read (`sources`, `kustomize`), their proposal rendered and compared (`adopter`).

Implements the port `sdk.Adoption`; the action `service:adopt` calls it, and so does `understage adopt`.
"""

from understage.integrations.adoption.adopter import ServiceAdoption

__all__ = ["ServiceAdoption"]
