"""The whole way of one adoption: read, propose, render by Helm, compare, ask the guardrails, report. Changes nothing."""

import asyncio
import re
import tempfile
from pathlib import Path
from typing import Any

from understage.adoption import (
    Group,
    Options,
    Proposal,
    Remark,
    ServiceReport,
    compare,
    explain,
    propose,
    proposed_files,
    report_text,
    take_stock,
)
from understage.adoption.files import LONGEST_ENVIRONMENT, REPORT, chart_folder, deployed, release_name
from understage.adoption.report import summary_of
from understage.errors import InputError, SourceError
from understage.integrations.adoption.sources import namespaces_of, parse_objects, read_objects
from understage.model.yaml import parse_document
from understage.sdk.ports import AdoptionProposal, AdoptionRequest, Guardrails, Helm

Json = dict[str, Any]
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
TARGET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")


class Adopter:
    """Proposes adoptions, with Helm and the guardrails."""

    def __init__(self, helm: Helm, guardrails: Guardrails) -> None:
        self._helm = helm
        self._guardrails = guardrails

    async def propose(self, request: AdoptionRequest) -> AdoptionProposal:
        """See the port."""
        _check(request)
        base = await asyncio.to_thread(_read_chart, request.base_chart)
        stock = take_stock(await read_objects(request, self._helm), request.plain)
        options = Options(
            request.owner,
            request.team,
            request.environment,
            request.system,
            request.namespace,
            request.gateway,
            request.as_is,
            request.argocd_url,
            request.grafana_url,
        )
        version = str(parse_document(base["Chart.yaml"], "base-service/Chart.yaml").value["version"])
        proposals = [(propose(group, options), _namespace(group, request)) for group in stock.groups]
        has_entity = (request.folder / "catalog-info.yaml").exists()
        files = proposed_files(
            proposals, options, target=request.target, chart_version=version, has_catalog_info=has_entity
        )
        reports = []
        for group, (proposal, namespace) in zip(stock.groups, proposals, strict=True):
            folder = chart_folder(request.target, proposal.name, several=len(proposals) > 1)
            files |= {f"{folder}/charts/base-service/{name}": text for name, text in base.items()}
            reports.append(await self._report(group, proposal, namespace, folder, request, files))
        remarks = [*stock.remarks, *_about_entity(proposals, has_entity, options)]
        report = report_text(reports, remarks)
        if proposals:
            files[f"{request.target}/{REPORT}"] = report
        return AdoptionProposal(
            files,
            report,
            [summary_of(each) for each in reports],
            [{"object": each.about, "message": each.message} for each in remarks],
        )

    async def _report(
        self,
        group: Group,
        proposal: Proposal,
        namespace: str,
        folder: str,
        request: AdoptionRequest,
        files: dict[str, str],
    ) -> ServiceReport:
        release = release_name(proposal.name, request.environment)
        after = await self._render(folder, release, namespace, request.environment, files)
        before = group.shown
        differences = compare(
            before,
            after,
            container=(proposal.container, proposal.name if _is_renamed(proposal) else proposal.container),
            renamed=proposal.renamed,
        )
        checked = self._guardrails.is_configured()
        violations = await asyncio.to_thread(self._guardrails.check, after) if checked else []
        return ServiceReport(
            proposal,
            namespace,
            release,
            folder,
            explain(differences, proposal),
            (len(before), len(after)),
            [(f"{each.kind}/{each.name}", each.message) for each in violations],
            checked,
            [*group.remarks, *_about_namespace(group, namespace, request)],
        )

    async def _render(
        self, folder: str, release: str, namespace: str, environment: str, files: dict[str, str]
    ) -> list[Json]:
        with tempfile.TemporaryDirectory(prefix="understage-adopt-") as temporary:
            root = Path(temporary)
            await asyncio.to_thread(
                _write, root, {name: text for name, text in files.items() if name.startswith(f"{folder}/")}
            )
            chart = root / folder
            try:
                text = await self._helm.template(
                    chart,
                    release=release,
                    namespace=namespace,
                    values=[chart / "values.yaml", chart / "environments" / f"{environment}.yaml"],
                )
            except InputError as error:
                raise InputError(
                    f"{release} cannot be said by base-service: {error.message}. Adopt it with --as-is"
                ) from error
        return parse_objects(text, "the rendered manifests", strict=True)


def _is_renamed(proposal: Proposal) -> bool:
    """Whether the chart's own container takes the place of the main one."""
    return "podSpec" not in proposal.values and "containers" not in proposal.values.get("podOverrides", {})


def _check(request: AdoptionRequest) -> None:
    for what, value in (("team", request.team), ("environment", request.environment), ("namespace", request.namespace)):
        if value is not None and not LABEL.fullmatch(value):
            raise InputError(f"{what} {value!r} must be a label: lower-case letters, digits and hyphens")
    if len(request.environment) > LONGEST_ENVIRONMENT:
        raise InputError(f"environment {request.environment[:80]!r} has more than {LONGEST_ENVIRONMENT} characters")
    if not TARGET.fullmatch(request.target) or ".." in request.target.split("/"):
        raise InputError(f"target {request.target!r} must be a folder of the repository, deploy for example")
    target = request.folder / request.target
    if not target.resolve().is_relative_to(request.folder.resolve()):
        raise InputError(f"target {request.target!r} is a link that leads out of the repository")
    if (target / REPORT).is_file():
        return
    for name in ("Chart.yaml", "templates"):
        if (target / name).exists():
            raise InputError(
                f"{request.target}/{name} is there already and would be overwritten: name another folder as target, "
                "deploy/understage for example"
            )


def _read_chart(folder: Path) -> dict[str, str]:
    if not (folder / "Chart.yaml").is_file():
        raise InputError(f"There is no chart base-service at {folder.name}: name the folder of the platform's chart")
    try:
        files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
        return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in files}
    except UnicodeDecodeError as error:
        raise SourceError("not UTF-8 text", file=folder.name) from error


def _namespace(group: Group, request: AdoptionRequest) -> str:
    if request.namespace is not None:
        return request.namespace
    return next(iter(sorted(namespaces_of([group.deployment]))), release_name(group.name, request.environment))


def _about_namespace(group: Group, namespace: str, request: AdoptionRequest) -> list[Remark]:
    named = namespaces_of(group.objects())
    if not named and request.namespace is None:
        return [
            Remark(
                f"namespace {namespace}",
                "is a guess, since the manifests name none: name the one where the service runs, or a second one is made",
            )
        ]
    if named - {namespace}:
        return [
            Remark(
                ", ".join(sorted(named - {namespace})),
                f"is the namespace of objects that are deployed to {namespace} now",
            )
        ]
    return []


def _about_entity(proposals: list[tuple[Proposal, str]], has_entity: bool, options: Options) -> list[Remark]:
    if not has_entity:
        return []
    return [
        Remark(
            "catalog-info.yaml",
            f"is there already and stays: annotate {proposal.name} with "
            + ", ".join(
                f"`{key}: {value}`" for key, value in deployed(proposal, options, namespace).annotations().items()
            ),
        )
        for proposal, namespace in proposals
    ]


def _write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
