"""What `understage template run` and `action run` share: a run with the forges and clusters of the configuration."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understage.app.one_off import OneOff, open_one_off
from understage.cli.configuration import read_configuration
from understage.cli.console import console, fail, json_text
from understage.cli.task_log import plain, print_line
from understage.config.settings import Settings, read_settings
from understage.config.sources import Configuration
from understage.errors import NotFoundError, UnderstageError
from understage.platform.logging import configure_logging
from understage.scaffolder.steps.run import Outcome
from understage.sdk.yaml import dump

FINE, WRONG, FAILED, INTERRUPTED = 0, 1, 2, 130
CONFIGURATION = "app-config.yaml"
Job = Callable[[OneOff, Path], Awaitable[Outcome]]


@dataclass(frozen=True)
class Surroundings:
    """Where a run gets what it works with: files of the configuration, folders to fetch from, secrets, the workspace.

    `workspace` None is a folder that is gone afterwards. `secret_variables` are `name=VARIABLE` of the environment.
    """

    config: Sequence[Path] = ()
    roots: Sequence[Path] = ()
    secrets: Path | None = None
    secret_variables: Sequence[str] = ()
    workspace: Path | None = None
    is_dry_run: bool = False
    as_json: bool = False
    lines: list[Mapping[str, Any]] = field(default_factory=list)


def run_for_real(surroundings: Surroundings, job: Job) -> int:
    """Do `job` with the parts of the service; print its log while it runs, then its output. Returns the exit code."""
    configure_logging(json=False, level="error")
    try:
        with _workspace(surroundings.workspace) as workspace:
            outcome = asyncio.run(_run(surroundings, workspace, job))
    except KeyboardInterrupt:
        fail("interrupted; what was made so far is there, and running it again goes on from it")
        return INTERRUPTED
    except UnderstageError as error:
        return _refuse(surroundings, error)
    return _tell(surroundings, outcome)


def teller(surroundings: Surroundings) -> Callable[[Mapping[str, Any]], None]:
    """Prints each line of the log when it comes; keeps it where JSON is wanted."""

    def follow(line: Mapping[str, Any]) -> None:
        if surroundings.as_json:
            surroundings.lines.append(plain(line))
            return
        print_line(line)

    return follow


def _configure(surroundings: Surroundings) -> tuple[Configuration, Settings]:
    """The configuration, with the folders of the command line to fetch from. Raises NotFoundError where there is none."""
    if not surroundings.config and not Path(CONFIGURATION).is_file():
        raise NotFoundError(
            f"There is no {CONFIGURATION} here, which names the forge and the cluster: name one with --config"
        )
    configuration = read_configuration(surroundings.config)
    settings = read_settings(configuration)
    roots = [root.resolve() for root in surroundings.roots]
    if not roots:
        return configuration, settings
    own: dict[str, Any] = {"templateRoots": [*settings.understage.template_roots, *map(str, roots)]}
    charts = next((root / "charts" for root in roots if (root / "charts").is_dir()), None)
    if settings.understage.helm.charts is None and charts is not None:
        own["helm"] = {"charts": str(charts)}
    configuration = read_configuration(surroundings.config, {"understage": own})
    return configuration, read_settings(configuration)


@contextmanager
def _workspace(folder: Path | None) -> Iterator[Path]:
    """The folder, made where it is not there; without one, a folder that is gone afterwards."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="understage-run-", ignore_cleanup_errors=True) as made:
        yield Path(made).resolve()


async def _run(surroundings: Surroundings, workspace: Path, job: Job) -> Outcome:
    configuration, settings = _configure(surroundings)
    async with open_one_off(configuration, settings, root=Path.cwd()) as one_off:
        return await job(one_off, workspace)


def _refuse(surroundings: Surroundings, error: UnderstageError) -> int:
    if surroundings.as_json:
        told = {"status": "refused", "error": {"name": error.name, "message": error.message}, "log": []}
        console().file.write(json_text(told) + "\n")
    fail(error.message)
    return FAILED


def _tell(surroundings: Surroundings, outcome: Outcome) -> int:
    error = outcome.error
    if surroundings.as_json:
        told: dict[str, Any] = {"status": "completed" if error is None else "failed", "dryRun": surroundings.is_dry_run}
        told |= {"output": outcome.output} if error is None else {"error": dict(error)}
        console().file.write(json_text({**told, "log": surroundings.lines}) + "\n")
    if error is not None:
        fail(f"{error['name']}: {error['message']}")
        return WRONG
    if outcome.output and not surroundings.as_json:
        console().print(dump(dict(outcome.output)).rstrip(), markup=False, highlight=False, soft_wrap=True)
    return FINE
