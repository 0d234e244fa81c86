"""The files of a clone and its plan as text. Called by `environment:clone` when all was looked at."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from understage.sdk import ActionContext
from understage.sdk.yaml import dump
from understage_actions._clone_input import ClonedObject, CloneInput, CloneOutput
from understage_actions._clone_manifests import CloneSpec, application_name
from understage_actions._clone_plan import Plan
from understage_actions._gitops_layout import CLONE_ENVIRONMENT_FILE, clone_folder
from understage_actions._time_to_live import write_time
from understage_actions._tree import write_file

Json = dict[str, Any]


def write_clone(ctx: ActionContext, input: CloneInput, plan: Plan, services: Sequence[str]) -> CloneOutput:
    spec = plan.spec
    folder = Path(input.target_path, clone_folder(spec.team, spec.name))
    until = f"until {write_time(spec.expires_at)}"
    # The same files each time, so that a clone that is made again with less leaves nothing behind.
    contents = {
        CLONE_ENVIRONMENT_FILE: plan.environment,
        "applications.yaml": plan.applications,
        "secrets.yaml": plan.secrets,
        "databases.yaml": plan.databases,
    }
    files: list[str] = []
    for name, manifests in contents.items():
        file = (folder / name).as_posix()
        header = (
            f"Environment {spec.name} of {input.source} as in {input.from_}, {until}. Written by environment:clone."
        )
        write_file(ctx.workspace, file, _text(header, manifests))
        files.append(file)
    objects = plan.objects()
    everything = [item for _, item in objects]
    write_file(ctx.workspace, input.manifests_path, _text("Everything that will be made.", everything))
    listed = [
        ClonedObject(
            kind=str(item["kind"]),
            namespace=item["metadata"].get("namespace") or (spec.namespace if service else None),
            name=str(item["metadata"]["name"]),
            service=service,
        )
        for service, item in objects
    ]
    ctx.log.info(f"Environment {spec.namespace} {until}: {len(listed)} objects for {', '.join(services)}")
    for item in listed:
        ctx.log.info(f"  {item.kind} {f'{item.namespace}/' if item.namespace else ''}{item.name}")
    return CloneOutput(
        namespace=spec.namespace,
        services=list(services),
        applications=[application_name(spec, service) for service in services],
        expires_at=write_time(spec.expires_at),
        owner=spec.owner,
        objects=listed,
        plan=_describe(spec, input, services, listed),
        files=files,
        manifests_path=input.manifests_path,
    )


def _text(header: str, manifests: Sequence[Json]) -> str:
    if not manifests:
        return f"# {header} None.\n"
    first, *others = manifests
    return "---\n".join([dump(first, header=header), *(dump(manifest) for manifest in others)])


def _describe(spec: CloneSpec, input: CloneInput, services: Sequence[str], objects: Sequence[ClonedObject]) -> str:
    lines = [
        f"Namespace `{spec.namespace}` for {', '.join(services)} as in {input.from_}, owned by `{spec.owner}`, "
        f"until {write_time(spec.expires_at)}.",
        "",
        "| Object | Name | Of |",
        "|---|---|---|",
        *(f"| {item.kind} | {item.name} | {item.service or 'the environment'} |" for item in objects),
    ]
    return "\n".join(lines) + "\n"
