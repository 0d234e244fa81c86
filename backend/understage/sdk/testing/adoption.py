"""Adoption of services, as a test says it."""

from dataclasses import dataclass, field

from understage.sdk.ports import AdoptionProposal, AdoptionRequest


@dataclass
class FakeAdoption:
    """Proposes `proposal`, an empty one by default, and keeps what it was asked."""

    proposal: AdoptionProposal = field(default_factory=lambda: AdoptionProposal({}, "# Adoption\n", [], []))
    asked: list[AdoptionRequest] = field(default_factory=list)

    async def propose(self, request: AdoptionRequest) -> AdoptionProposal:
        """The proposal that was prepared."""
        self.asked.append(request)
        return self.proposal
