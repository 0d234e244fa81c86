"""What `understage adopt` does: the proposal for files of this machine, or for a repository as a pull request."""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from understage.cli.console import console, fail, json_text, say, take_any_text
from understage.errors import InputError, UnderstageError
from understage.integrations.adoption import ServiceAdoption
from understage.integrations.helm import HelmBinary
from understage.integrations.policies import PolicyFile
from understage.sdk.ports import AdoptionProposal, AdoptionRequest

FINE, WRONG, FAILED = 0, 1, 2


@dataclass(frozen=True)
class AdoptCommand:
    """The command line."""

    source: str
    owner: str
    environment: str
    path: str
    namespace: str | None
    system: str | None
    release: str | None
    value_files: Sequence[str]
    gateway: str | None
    as_is: bool
    target: str
    plain: Sequence[str]
    chart: Path
    rules: Path
    write: bool
    pull_request: bool
    as_json: bool
    config: Sequence[Path]


def run_adoption(command: AdoptCommand) -> int:
    """Print the report; write or propose the files if asked. Returns the exit code."""
    take_any_text()
    try:
        if command.pull_request or "://" in command.source:
            return _adopt_repository(command)
        return _adopt_here(command)
    except (UnderstageError, OSError) as error:
        fail(error.message if isinstance(error, UnderstageError) else str(error))
        return FAILED


def _adopt_here(command: AdoptCommand) -> int:
    if command.source != "-":
        return _show(command, _propose(command, Path(command.source), command.path))
    if command.write:
        raise InputError("--write needs a folder to write to: give it as PATH, and the manifests by --path")
    with tempfile.TemporaryDirectory(prefix="understage-adopt-") as folder:
        Path(folder, "manifests.yaml").write_bytes(sys.stdin.buffer.read())
        return _show(command, _propose(command, Path(folder), "manifests.yaml"))


def _propose(command: AdoptCommand, folder: Path, path: str) -> AdoptionProposal:
    if folder.is_file():
        folder, path = folder.parent, folder.name
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}")
    adoption = ServiceAdoption(HelmBinary(), PolicyFile(command.rules if command.rules.is_file() else None))
    request = AdoptionRequest(
        folder=folder.resolve(),
        base_chart=command.chart.resolve(),
        owner=command.owner,
        team=_team(command.owner),
        environment=command.environment,
        path=path,
        system=command.system,
        namespace=command.namespace,
        target=command.target,
        release=command.release,
        value_files=command.value_files,
        gateway=_gateway(command.gateway),
        as_is=command.as_is,
        plain=command.plain,
    )
    return asyncio.run(adoption.propose(request))


def _show(command: AdoptCommand, proposal: AdoptionProposal) -> int:
    if command.as_json:
        told = {
            "services": list(proposal.services),
            "notAdopted": list(proposal.not_adopted),
            "files": dict(proposal.files),
        }
        console().file.write(json_text(told) + "\n")
    else:
        console().file.write(proposal.report)
    if command.write and proposal.services:
        place = Path(command.source)
        folder = place.parent if place.is_file() else place
        for name, text in proposal.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, "utf-8")
        if not command.as_json:
            say(f"Wrote {len(proposal.files)} files to {folder}: look at them, and commit them")
    is_fine = proposal.services and all(_is_fine(service) for service in proposal.services)
    return FINE if is_fine else WRONG


def _is_fine(service: dict[str, Any]) -> bool:
    harmful = any(difference["harmless"] == "no" for difference in service["differences"])
    return not harmful and not service["violations"]


def _adopt_repository(command: AdoptCommand) -> int:
    """As two steps of a task, with the forges of the configuration."""
    from understage.app.one_off import OneOff
    from understage.cli.real_runs import Surroundings, run_for_real, teller
    from understage.scaffolder.steps.run import Outcome

    repository = _repository(command.source)
    if command.write:
        raise InputError("--write is for folders of this machine: a repository gets a pull request (--pull-request)")
    surroundings = Surroundings(command.config, as_json=command.as_json)

    async def job(one_off: OneOff, workspace: Path) -> Outcome:
        return await one_off.run(_task(command, repository), {}, workspace, follow=teller(surroundings))

    return run_for_real(surroundings, job)


def _task(command: AdoptCommand, repository: dict[str, str]) -> dict[str, Any]:
    input: dict[str, Any] = {
        "repository": repository,
        "path": command.path,
        "owner": command.owner,
        "environment": command.environment,
        "namespace": command.namespace,
        "system": command.system,
        "releaseName": command.release,
        "valueFiles": list(command.value_files),
        "gateway": command.gateway,
        "pods": "as-is" if command.as_is else "values",
        "plain": list(command.plain),
        "target": command.target,
        "targetPath": "adoption",
    }
    steps = [
        {
            "id": "adopt",
            "name": "Propose",
            "action": "service:adopt",
            "input": {name: value for name, value in input.items() if value is not None},
        }
    ]
    output: dict[str, Any] = {"report": "${{ steps.adopt.output.report }}"}
    if command.pull_request:
        commit = {
            "sourcePath": "adoption",
            "message": f"Adopt {repository['name']}\n\n${{{{ steps.adopt.output.summary }}}}",
            "repository": repository,
            "pullRequest": True,
            "branch": "understage/adopt",
        }
        steps.append({"id": "commit", "name": "Open a pull request", "action": "gitops:commit", "input": commit})
        output["pullRequest"] = "${{ steps.commit.output.pullRequestUrl }}"
    return {
        "apiVersion": "scaffolder.backstage.io/v1beta3",
        "steps": steps,
        "output": output,
        "parameters": {},
        "user": {},
    }


def _repository(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    owner, _, name = parts.path.strip("/").removesuffix(".git").rpartition("/")
    if parts.scheme not in ("https", "http") or not parts.hostname or not owner or not name or "@" in parts.netloc:
        shown = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
        raise InputError(f"{shown} is no address of a repository: write https://HOST/OWNER/NAME, without credentials")
    return {"host": parts.netloc, "owner": owner, "name": name}


def _team(owner: str) -> str:
    kind, separator, rest = owner.rpartition(":")
    if separator and kind.lower() != "group":
        raise InputError(f"--owner {owner} is no group: write group:default/NAME")
    return rest.rpartition("/")[2].lower()


def _gateway(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    namespace, slash, name = text.partition("/")
    if not slash or not namespace or not name:
        raise InputError(f"--gateway {text}: write NAMESPACE/NAME")
    return namespace, name
