"""The report of an adoption, in Markdown: what differs and why, what is kept as it is, what is not adopted, what to do.

Called last; the text goes beside the proposal and into the pull request. Texts from outside never break out of their cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from understage.adoption.explanation import Explained
from understage.adoption.inventory import Remark
from understage.adoption.normal import Amount
from understage.adoption.outline import Proposal
from understage.adoption.reading import Json

MOST_SHOWN = 90


@dataclass(frozen=True)
class ServiceReport:
    """What there is to say about one service. `violations` are pairs of object and message of the guardrails."""

    proposal: Proposal
    namespace: str
    release: str
    folder: str
    differences: list[Explained]
    objects: tuple[int, int]
    violations: list[tuple[str, str]] = field(default_factory=list)
    checked: bool = True
    remarks: list[Remark] = field(default_factory=list)

    @property
    def keeps_pods(self) -> bool:
        """Whether the pods go on running: their template is the same."""
        return not self.pod_differences

    @property
    def pod_differences(self) -> list[Explained]:
        """What makes new pods."""
        return [each for each in self.differences if each.difference.path.startswith("spec.template")]


def report_text(services: Sequence[ServiceReport], remarks: Sequence[Remark]) -> str:
    """All of it."""
    parts = ["# Adoption\n", _summary(services)]
    parts += [_service(service) for service in services]
    if remarks:
        parts.append("## Not adopted\n")
        parts.append("\n".join(f"- **{_cell(each.about)}** {_text(each.message)}" for each in remarks) + "\n")
    return "\n".join(parts)


def _summary(services: Sequence[ServiceReport]) -> str:
    if not services:
        return "Nothing here can be adopted by the chart; the way of each object is below.\n"
    lines = [
        "| Service | Objects before, after | Differences | To look at | Harmful | Guardrails | Pods |",
        "|---|---|---|---|---|---|---|",
    ]
    for service in services:
        count = {grade: sum(each.harmless == grade for each in service.differences) for grade in ("yes", "check", "no")}
        rules = (
            "not asked"
            if not service.checked
            else f"{len(service.violations)} broken"
            if service.violations
            else "kept"
        )
        pods = "stay" if service.keeps_pods else "are replaced once"
        lines.append(
            f"| {service.proposal.name} | {service.objects[0]}, {service.objects[1]} | {len(service.differences) or 'equal'} | "
            f"{count['check']} | {count['no']} | {rules} | {pods} |"
        )
    text = "\n".join(lines) + "\n"
    for service in services:
        if issued := service.proposal.issued:
            names = ", ".join(sorted({_cell(each.property) for each in issued}))
            text += f"\nPut into the team's store first, at `{service.proposal.secret_path}`: {names}.\n"
    return text


def _service(service: ServiceReport) -> str:
    proposal = service.proposal
    parts = [
        f"## {proposal.name}\n",
        f"Release `{service.release}` in namespace `{service.namespace}`, chart in `{service.folder}`.\n",
    ]
    parts.append(_pods(service))
    parts.append(_differences(service.differences))
    if proposal.issued:
        parts.append(_secrets(proposal))
    if proposal.kept:
        parts.append("### Kept as it is\n\nNo value says it, so `podOverrides`, `podSpec` or `extraManifests` do:\n")
        parts.append("\n".join(f"- **{_cell(what)}** {_text(why)}" for what, why in proposal.kept) + "\n")
    if proposal.untranslated:
        is_route = "HTTPRoute" in proposal.replaced.values()
        stays = "" if is_route else "The Ingress stays; `--gateway NAMESPACE/NAME` makes HTTPRoutes of it. "
        parts.append(f"### From Ingress to HTTPRoute\n\n{stays}What no HTTPRoute says, and where it goes:\n")
        parts.append(
            "\n".join(
                f"- **{_cell(about)}** `{_cell(what)}`: {advice}" for about, what, advice in proposal.untranslated
            )
            + "\n"
        )
    if service.violations:
        parts.append("### Guardrails\n\nThe cluster refuses these until they are mended, where the rules hold:\n")
        parts.append(
            "\n".join(f"- **{_cell(about)}** {_text(message)}" for about, message in service.violations) + "\n"
        )
    elif not service.checked:
        parts.append("### Guardrails\n\nNot asked: no rules are configured.\n")
    if remarks := [*service.remarks, *proposal.remarks]:
        parts.append("### To do\n")
        parts.append("\n".join(f"- **{_cell(each.about)}** {_text(each.message)}" for each in remarks) + "\n")
    return "\n".join(parts)


def _pods(service: ServiceReport) -> str:
    if service.keeps_pods:
        return "Name, selector and pod template stay the same: Argo CD takes the Deployment over, and its pods go on running.\n"
    if "podSpec" in service.proposal.values:
        return (
            "Name and selector stay the same, so Argo CD takes the Deployment over. Its pods are replaced once, by a rolling "
            "update: secrets in plain text are not left in them (below).\n"
        )
    return (
        "Name and selector stay the same, so Argo CD takes the Deployment over. Its pod template differs "
        f"({_count(len(service.pod_differences), 'line')} below that begin with spec.template), so its pods are replaced once, "
        "by a rolling update. To keep them, adopt as it is (`--as-is`), and move to values later.\n"
    )


def _secrets(proposal: Proposal) -> str:
    """What the team puts into its store; no value is known here."""
    lines = [
        "### Secrets\n",
        "Not carried over: values of secrets do not belong into Git. Put each into the team's store at "
        f"`{proposal.secret_path}`, under its property, **before** you merge; new pods wait for it. The namespace needs its "
        "SecretStore `vault`. Renew what was in Git. What is no secret, name as plain (`--plain NAME`).\n",
        "| Where it was | Name | Why | Property |",
        "|---|---|---|---|",
    ]
    for issued in proposal.issued:
        cells = (issued.about, issued.name, issued.reason, issued.property)
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _differences(differences: Sequence[Explained]) -> str:
    if not differences:
        return "The rendered objects equal those that were there.\n"
    lines = ["### Differences\n", "| Object | Path | Before | After | Why | Harmless |", "|---|---|---|---|---|---|"]
    for each in differences:
        found = each.difference
        cells = (
            found.about,
            found.path or "(the object)",
            _value(found.before),
            _value(found.after),
            each.why,
            each.harmless,
        )
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if value is None:
        return "–"
    text = _flow(value)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 1]}…"


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(each)}" for key, each in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(each) for each in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.text if isinstance(value, Amount) else str(value)


def _cell(text: str) -> str:
    """Text of a table's cell: on one line, and no markup of its own."""
    escaped = text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
    return " ".join(escaped.split())


def _text(text: str) -> str:
    return " ".join(text.replace("<", "&lt;").split())


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def summary_of(service: ServiceReport) -> Json:
    """The figures of one service, for programs."""
    return {
        "name": service.proposal.name,
        "namespace": service.namespace,
        "release": service.release,
        "folder": service.folder,
        "equal": not service.differences,
        "keepsPods": service.keeps_pods,
        "differences": [
            {
                "object": each.difference.about,
                "path": each.difference.path,
                "before": _as_written(each.difference.before),
                "after": _as_written(each.difference.after),
                "why": each.why,
                "harmless": each.harmless,
            }
            for each in service.differences
        ],
        "violations": [{"object": about, "message": message} for about, message in service.violations],
        "secrets": [
            {
                "object": issued.about,
                "name": issued.name,
                "reason": issued.reason,
                "key": service.proposal.secret_path,
                "property": issued.property,
            }
            for issued in service.proposal.issued
        ],
    }


def _as_written(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_written(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_as_written(each) for each in value]
    return value.text if isinstance(value, Amount) else value
