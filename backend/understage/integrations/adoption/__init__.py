"""Adoption of services: their sources read (`sources`, `kustomize`), their proposal rendered and compared (`adopter`).

Implements the port `sdk.Adoption`; the action `service:adopt` calls it, and so does `understage adopt`.
"""

from understage.sdk.ports import AdoptionProposal, AdoptionRequest, Guardrails, Helm

__all__ = ["ServiceAdoption"]


class ServiceAdoption:
    """Implements `understage.sdk.Adoption` with Helm and the guardrails."""

    def __init__(self, helm: Helm, guardrails: Guardrails) -> None:
        self._helm = helm
        self._guardrails = guardrails

    async def propose(self, request: AdoptionRequest) -> AdoptionProposal:
        """As the port says."""
        # Most services never adopt anything, and need not keep what that takes in memory.
        from understage.integrations.adoption.adopter import Adopter

        return await Adopter(self._helm, self._guardrails).propose(request)
