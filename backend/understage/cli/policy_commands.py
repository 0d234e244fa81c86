"""`understage policy …`: the guardrails asked of files, and made into policies of a cluster. Offline."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Guardrails: rules for what teams deploy, said once. Offline.", no_args_is_help=True)

RulesOption = Annotated[
    Path, typer.Option("--rules", help="The file of the rules.", exists=True, dir_okay=False, readable=True)
]
DEFAULT_RULES = Path("skeletons/policies/rules.yaml")
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="A setting, as name=value (read as YAML); wins over the file.")
]


class Engine(StrEnum):
    """Who enforces."""

    ADMISSION = "admission"
    KYVERNO = "kyverno"


@app.command("check")
def check(
    paths: Annotated[list[Path], typer.Argument(help="Manifests: files, folders, or - for the standard input.")],
    rules: RulesOption = DEFAULT_RULES,
    set_: SetOption = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON array instead of lines.")] = False,
) -> None:
    """Ask the rules of manifests: what the cluster would refuse, with the same words.

    Exit codes: 0 nothing is broken, 1 something is, 2 it could not be read.

    Examples:
      helm template ledger deploy | understage policy check -
      understage policy check deploy/manifests --set 'registries=[registry.example.com/, ghcr.io/acme/]'
    """
    from understage.cli.policies import check_manifests

    raise typer.Exit(check_manifests(paths, rules, set_ or [], as_json=json))


@app.command("render")
def render(
    engine: Annotated[
        Engine,
        typer.Option("--for", help="The API server itself, from Kubernetes 1.30 on, or Kyverno, from 1.16 on."),
    ] = Engine.ADMISSION,
    rules: RulesOption = DEFAULT_RULES,
    set_: SetOption = None,
) -> None:
    """Write the rules as policies, to be deployed by Git like everything else. They hold in namespaces with the label `team`.

    Examples:
      understage policy render >infrastructure/policies.yaml
      understage policy render --for kyverno --set page=https://docs.example.com/guardrails >infrastructure/policies.yaml
    """
    from understage.cli.policies import render_policies

    typer.echo(render_policies(engine.value, rules, set_ or []), nl=False)
