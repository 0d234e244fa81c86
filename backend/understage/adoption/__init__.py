"""Adoption of existing services: from the objects that run to values of `base-service`, and what differs afterwards.

    objects -> inventory -> proposal -> (rendered by Helm) -> comparison -> report

Pure: takes objects, gives values, differences and text. `integrations/adoption` reads the sources, runs kustomize and Helm and
asks the guardrails; the command `understage adopt` and the action `service:adopt` go through it.
"""

from understage.adoption.comparison import Difference, compare
from understage.adoption.explanation import Explained, explain
from understage.adoption.files import proposed_files
from understage.adoption.inventory import Group, Inventory, Remark, take_stock
from understage.adoption.outline import Options, Proposal
from understage.adoption.proposal import propose
from understage.adoption.report import ServiceReport, report_text

__all__ = [
    "Difference",
    "Explained",
    "Group",
    "Inventory",
    "Options",
    "Proposal",
    "Remark",
    "ServiceReport",
    "compare",
    "explain",
    "propose",
    "proposed_files",
    "report_text",
    "take_stock",
]
