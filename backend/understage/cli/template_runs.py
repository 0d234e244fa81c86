"""`understage template run`: a template of a file, run with what the configuration names."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from understage.app.one_off import OneOff
from understage.cli.console import fail
from understage.cli.inputs import assignment, read_values, secrets_of
from understage.cli.real_runs import FAILED, Surroundings, run_for_real, teller
from understage.cli.template_trials import TrialCommand
from understage.errors import NotFoundError
from understage.model.entity import Entity
from understage.model.task import build_task_spec
from understage.model.template import Template
from understage.scaffolder.authoring.trial import load_template, with_defaults
from understage.scaffolder.parameters import check_secrets, check_values
from understage.scaffolder.steps.run import Outcome


def run_template(
    command: TrialCommand,
    config: Sequence[Path],
    target: Path | None,
    user: str | None,
    *,
    is_dry_run: bool,
    as_json: bool,
) -> int:
    """Check the values as the form would, run the steps; returns the exit code."""
    if target is not None and target.exists() and any(target.iterdir()):
        fail(f"{target} is not empty: choose a new folder")
        return FAILED
    surroundings = Surroundings(config, command.roots, workspace=target, is_dry_run=is_dry_run, as_json=as_json)

    async def job(one_off: OneOff, workspace: Path) -> Outcome:
        template = load_template(command.template)
        secrets = secrets_of(command.secrets, command.secret_variables)
        values = with_defaults(template, {**read_values(command.values), **dict(map(assignment, command.set_))})
        check_values(values, template.pages)
        check_secrets(secrets, template.secrets_schema)
        spec = _spec(template, values, command.template, user, await _find_user(one_off, user))
        return await one_off.run(spec, secrets, workspace, is_dry_run=is_dry_run, follow=teller(surroundings))

    return run_for_real(surroundings, job)


async def _find_user(one_off: OneOff, user: str | None) -> Entity | None:
    if user is None:
        return None
    entity = await one_off.find_entity(user)
    if entity is None:
        raise NotFoundError(f"--user {user}: the catalog has no such entity; write it as user:default/name")
    return entity


def _spec(
    template: Template, values: Mapping[str, Any], file: Path, user: str | None, entity: Entity | None
) -> dict[str, Any]:
    base_url = file.resolve().as_uri()
    return build_task_spec(template, values, user_ref=user, user_entity=entity, base_url=base_url)
