"""`understage template …`: for authors of templates, without a server."""

from pathlib import Path
from typing import Annotated

import typer

from understage.cli.output_form import OutputForm

app = typer.Typer(
    help="Templates without a server: lint, test and plan them offline, and run them.", no_args_is_help=True
)

TemplateArgument = Annotated[Path, typer.Argument(help="The template's file.", metavar="TEMPLATE")]
ValuesOption = Annotated[Path | None, typer.Option("--values", help="A YAML or JSON file with the values of the form.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="A value, as name=value (read as YAML); wins over the file.")
]
SecretsOption = Annotated[Path | None, typer.Option("--secrets", help="A YAML or JSON file with secrets.")]
WorldOption = Annotated[
    Path | None,
    typer.Option("--world", help="A YAML file that says what there is beside the template, as `world` of cases."),
]
RootOption = Annotated[
    list[Path] | None, typer.Option("--root", help="A folder the template may fetch from as a whole; may be repeated.")
]


@app.command()
def lint(
    paths: Annotated[
        list[Path], typer.Argument(help="Files, or folders whose templates are all looked at.", metavar="PATH...")
    ],
    form: Annotated[
        OutputForm,
        typer.Option("--format", help="For people, or for tools: json, sarif (2.1.0), github (annotations)."),
    ] = OutputForm.text,
    strict: Annotated[bool, typer.Option("--strict", help="Take warnings for errors.")] = False,
) -> None:
    """Say what is wrong with templates and with the files that they render, at file:line:column.

    Templates: their schema; expressions, filters and functions; ids and inputs of actions; names that are not there, such as
    the output of a step that does not come before. Files that fetch:template renders: what would vanish without a word, such as
    secrets of GitHub's workflows, and what would fail. Exit codes: 0 nothing is wrong, 1 something is, 2 it could not be found
    out.

    Examples:
      understage template lint .
      understage template lint skeletons/new-service/template.yaml --strict
      understage template lint templates --format github
    """
    from understage.cli.template_lint import run_lint

    raise typer.Exit(run_lint(paths, form, strict=strict))


@app.command("test")
def run_cases(
    paths: Annotated[list[Path], typer.Argument(help="Folders, or files named *.test.yaml.", metavar="PATH...")],
    junit: Annotated[Path | None, typer.Option("--junit", help="Write the results as JUnit XML here.")] = None,
    only: Annotated[str | None, typer.Option("-k", help="Only cases with this text in their name.")] = None,
    update: Annotated[bool, typer.Option("--update", help="Make expected trees what the templates leave.")] = False,
    coverage: Annotated[
        int, typer.Option("--fail-under", min=0, max=100, help="Least coverage of branches, in percent.")
    ] = 0,
) -> None:
    """Run the cases beside templates: values in; files, plan, output and errors as expected, or what is different.

    Everything runs in memory: no forge, cluster or network is needed, and nothing outside is changed. Branch coverage counts each
    `if` taken and not taken, each `each` with and without items. Exit codes: 0 all as expected, 1 not, 2 it could not be run.

    Examples:
      understage template test skeletons
      understage template test templates/service -k "in Go" --update
      understage template test . --junit report.xml --fail-under 80
    """
    from understage.cli.template_tests import TestCommand, run_tests

    raise typer.Exit(run_tests(TestCommand(paths, junit, only, update=update, least=coverage)))


@app.command()
def plan(
    template: TemplateArgument,
    values: ValuesOption = None,
    set_: SetOption = None,
    secrets: SecretsOption = None,
    world: WorldOption = None,
    root: RootOption = None,
    short: Annotated[bool, typer.Option("--short", help="One line an effect: no diffs, manifests and bodies.")] = False,
) -> None:
    """Show what a template would do: repositories with their files as a diff, Kubernetes objects, Argo CD, requests, catalog.

    The steps run by the interpreter and the actions of the service, in a world of memory. Exit code 1 when the template fails.

    Examples:
      understage template plan template.yaml --values values.yaml
      understage template plan skeletons/new-service/template.yaml --root skeletons --set name=shop --set owner=group:default/a
    """
    from understage.cli.template_trials import TrialCommand, show_plan

    raise typer.Exit(show_plan(TrialCommand(template, values, set_ or [], secrets, world, root or []), short=short))


@app.command()
def run(
    template: TemplateArgument,
    values: ValuesOption = None,
    set_: SetOption = None,
    secrets: SecretsOption = None,
    world: WorldOption = None,
    root: RootOption = None,
    target: Annotated[
        Path | None,
        typer.Option("--target", help="Write the task's workspace into this folder, which must be empty or new."),
    ] = None,
    dry: Annotated[bool, typer.Option("--dry-run", help="As the dry run of the template editor.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Forges, clusters, Argo CD and catalog are in memory; --world fills them.")
    ] = False,
    config: Annotated[
        list[Path] | None, typer.Option("--config", help="A configuration file; may be repeated, later ones win.")
    ] = None,
    secret: Annotated[
        list[str] | None, typer.Option("--secret", help="A secret, as name=VARIABLE of the environment.")
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", help="Who runs it, as the template's `user`; an entity of the catalog.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON value instead of lines.")] = False,
) -> None:
    """Run a template and follow its log, with the forges, clusters, Argo CD and catalog of the configuration.

    No server is needed: the steps run here, by the interpreter and the actions of the service. With --offline they run in memory,
    and nothing is made. Exit codes: 0 it ran, 1 it failed, 2 it could not be run, 130 it was interrupted.

    Examples:
      understage template run skeletons/new-service/template.yaml --root skeletons --values values.yaml
      understage template run template.yaml --values values.yaml --config app-config.production.yaml --secret token=FORGE_TOKEN
      understage template run template.yaml --set name=shop --dry-run --json
      understage template run template.yaml --set name=shop --offline --target /tmp/made
    """
    from understage.cli.template_trials import TrialCommand, follow_run

    command = TrialCommand(template, values, set_ or [], secrets, world, root or [], secret or [])
    if offline or world is not None:
        raise typer.Exit(follow_run(command, target, is_dry_run=dry))
    from understage.cli.template_runs import run_template

    raise typer.Exit(run_template(command, config or [], target, user, is_dry_run=dry, as_json=json))
