"""Guardrails: rules said once (`rules`), asked of manifests here (`check`), and made into policies of the cluster (`manifests`).

`skeletons/policies/rules.yaml` is the source of the platform's own. Called by the action `policy:check` through its port and by
`understage policy`.
"""

from understage.integrations.policies.check import PolicyCheck
from understage.integrations.policies.configured import PolicyFile
from understage.integrations.policies.manifests import admission_policies, kyverno_policies
from understage.integrations.policies.rules import Policies, read_policies

__all__ = ["Policies", "PolicyCheck", "PolicyFile", "admission_policies", "kyverno_policies", "read_policies"]
