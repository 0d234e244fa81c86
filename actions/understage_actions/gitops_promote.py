"""`gitops:promote`: what runs in one environment of a service becomes a pull request for the next."""

from typing import Any

from pydantic import Field

from understage.sdk import ActionContext, ConflictError, Example, InputError, action
from understage.sdk.argocd import sources_of
from understage_actions._environment_change import (
    EnvironmentInput,
    EnvironmentOutput,
    Environments,
    check_state,
    describe_changes,
    list_changes,
    open_environments,
)
from understage_actions._environment_values import (
    Json,
    Path,
    changed_text,
    differences,
    images_in,
    laid_over,
    read_values,
    value_at,
)
from understage_actions._kubernetes_names import check_label


class PromoteInput(EnvironmentInput):
    """What to bring from where to where."""

    from_environment: str = Field(alias="from", description="The environment that has it")
    to_environment: str = Field(alias="to", description="The environment that shall get it")
    keys: list[str] = Field(
        default_factory=list,
        description="Values to bring along, as paths with dots; tag and digest of every image always are",
    )
    require_healthy: bool = Field(
        default=True, description="Refuse unless Argo CD says that the first environment is Synced and Healthy"
    )


@action(
    "gitops:promote",
    description="""
    Promotes a service from one environment to the next: brings the tag and digest of its images, and the values that are named,
    into the values file of the environment, as a pull request that says what changes. Refuses when what it would bring does not
    run, Synced and Healthy, in the first environment. Nothing changes: no pull request.
    """,
    examples=[
        Example(
            "What runs in staging, to production",
            {"service": "ledger", "team": "group:default/payments", "from": "staging", "to": "production"},
        ),
        Example(
            "With one more value, whatever Argo CD says",
            {
                "service": "ledger",
                "team": "payments",
                "from": "development",
                "to": "staging",
                "keys": ["base-service.env.FEATURES"],
                "requireHealthy": False,
            },
        ),
    ],
    supports_dry_run=True,
)
async def promote(ctx: ActionContext, input: PromoteInput) -> EnvironmentOutput:
    """Check, compare, open the pull request. ConflictError for an environment that is not well, or somebody else's."""
    source, target = check_label(input.from_environment, "from"), check_label(input.to_environment, "to")
    if source == target:
        raise InputError(f"from and to are both {source}: choose two environments")
    environments = await open_environments(ctx, input)
    base = read_values(environments.read(input.base_values), input.base_values)
    text = environments.need(target)
    wanted, known = (
        laid_over(base, read_values(environments.need(each), environments.file(each))) for each in (source, target)
    )
    images = images_in(wanted)
    state = await _state(environments, source, images) if input.require_healthy else ""
    changes = differences(images, images_in(known)) | _named(input.keys, wanted, known)
    told = {path: (value_at(known, path), value) for path, value in changes.items()}
    file = environments.file(target)
    if not changes:
        ctx.log.info(f"{target} has what {source} has already")
        return EnvironmentOutput(changes=[], file=file, commit_hash=None, branch=None, pull_request_url=None)
    for path, (before, after) in told.items():
        ctx.log.info(f"{'.'.join(path)}: {before} -> {after}")
    version = next((f" {value}" for path, value in changes.items() if path[-1] == "tag" and value), "")
    service = environments.service
    commit, branch, url = await environments.write(
        target,
        changed_text(text, changes),
        verb="promote",
        title=f"Promote {service}{version} from {source} to {target}",
        body=(
            f"{describe_changes(told, f'{target} now', f'from {source}')}\n\n{state}"
            f"Merged, Argo CD deploys it to {target}. To take it back, revert the merge or roll back."
        ),
    )
    return EnvironmentOutput(
        changes=list_changes(told), file=file, commit_hash=commit, branch=branch, pull_request_url=url
    )


async def _state(environments: Environments, source: str, images: dict[Path, Any]) -> str:
    """A sentence about the source, where what Git says is what runs well."""
    _, application = await environments.application(source)
    check_state(application)
    status = application["status"]
    for revision in _synced(application, environments.repository.clone_url) - {environments.commit}:
        deployed = await _images_at(environments, source, revision)
        if deployed != images:
            raise ConflictError(
                f"{source} runs the images of {revision[:8]}, and Git has others since: wait until Argo CD has deployed them, or "
                "set `requireHealthy: false`"
            )
    running = (status.get("summary") or {}).get("images") or []
    for path, version in images.items():
        if running and not any(str(image).endswith((f":{version}", f"@{version}")) for image in running):
            raise ConflictError(
                f"{'.'.join(path)} of {source} is {version} in Git, and runs nowhere yet ({', '.join(map(str, running))}): wait "
                "until Argo CD has deployed it, or set `requireHealthy: false`"
            )
    history = status.get("history") or [{}]
    since = f" since {history[-1]['deployedAt']}" if history[-1].get("deployedAt") else ""
    return f"In {source} it is Synced and Healthy{since}.\n\n"


def _synced(application: Json, repo_url: str) -> set[str]:
    """The commits of the repository that Argo CD says are synced."""
    sync = application["status"].get("sync") or {}
    revisions = sync.get("revisions") or [sync.get("revision")]
    pairs = zip(sources_of(application["spec"]), revisions, strict=False)
    return {revision for source, revision in pairs if source.get("repoURL") == repo_url and revision}


async def _images_at(environments: Environments, name: str, revision: str) -> dict[Path, Any]:
    file, shared = environments.file(name), environments.input.base_values
    files = await environments.ctx.ports.git.read_files(
        environments.repository.clone_url, revision, [file, shared], credentials=environments.forge.credentials
    )
    return images_in(laid_over(read_values(files.get(shared), shared), read_values(files.get(file), file)))


def _named(keys: list[str], wanted: Json, known: Json) -> dict[Path, Any]:
    found = {}
    for key in keys:
        path = tuple(key.split("."))
        value = value_at(wanted, path)
        if value is None:
            raise InputError(f"keys: the environment that is promoted has no value {key[:200]!r}")
        if value != value_at(known, path):
            found[path] = value
    return found
