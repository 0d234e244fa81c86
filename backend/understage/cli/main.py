"""The commands, their options and their help."""

from pathlib import Path
from typing import Annotated

import typer

from understage import __version__
from understage.cli.action_commands import app as action_commands
from understage.cli.console import say
from understage.cli.cost_commands import app as cost_commands
from understage.cli.environment_commands import app as environment_commands
from understage.cli.output_form import OutputForm
from understage.cli.policy_commands import app as policy_commands
from understage.cli.service_commands import app as service_commands
from understage.cli.service_options import ADDRESS, TokenOption, UrlOption
from understage.cli.status_form import StatusForm
from understage.cli.success_commands import app as measure_commands
from understage.cli.task_commands import app as task_commands
from understage.cli.template_commands import app as template_commands
from understage.cli.vault_commands import app as vault_commands

app = typer.Typer(
    name="understage",
    help="Catalog and scaffolder backends for Backstage, in Python.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
portal_commands = typer.Typer(help="The stock Backstage page that `understage up` serves.", no_args_is_help=True)
config_commands = typer.Typer(help="The configuration as it is read.", no_args_is_help=True)
app.add_typer(portal_commands, name="portal")
app.add_typer(config_commands, name="config")
catalog_commands = typer.Typer(
    help="Catalog files before they are in the catalog, and what became of them.", no_args_is_help=True
)
app.add_typer(catalog_commands, name="catalog")
app.add_typer(template_commands, name="template")
app.add_typer(action_commands, name="action")
app.add_typer(task_commands, name="task")
app.add_typer(policy_commands, name="policy")
app.add_typer(environment_commands, name="environment")
app.add_typer(vault_commands, name="vault")
app.add_typer(cost_commands, name="cost")
app.add_typer(service_commands, name="service")
docs_commands = typer.Typer(help="Reference pages, made of what is installed.", no_args_is_help=True)
app.add_typer(docs_commands, name="docs")
app.add_typer(measure_commands, name="measures")

ConfigOption = Annotated[
    list[Path] | None,
    typer.Option("--config", help="A configuration file; may be repeated, later ones win. Default: app-config.yaml."),
]
PortOption = Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Listen here; wins over the files.")]


@app.command()
def up(config: ConfigOption = None, port: PortOption = None) -> None:
    """Run everything on this machine: API, stock Backstage page, guest sign-in.

    The first start builds the page from its npm packages (Node 20 or newer, about two minutes); without Node the API starts
    all the same.

    Examples:
      understage up
      understage up --port 8080
      understage up --config app-config.yaml --config my-forge.yaml
    """
    from understage.cli.server import run_up

    run_up(config or [], port)


@app.command()
def serve(config: ConfigOption = None, port: PortOption = None) -> None:
    """Run the API for an existing Backstage: the production form.

    User tokens are checked by the keys of the auth backend that `discovery.endpoints` names.

    Examples:
      understage serve --config app-config.yaml --config app-config.production.yaml
      APP_CONFIG_backend_database_client=pg understage serve
    """
    from understage.cli.server import run_serve

    run_serve(config or [], port)


@app.command()
def migrate(config: ConfigOption = None) -> None:
    """Bring the database to this release's schema; `up` and `serve` do it at every start."""
    from understage.cli.server import run_migrate

    run_migrate(config or [])


@app.command()
def health(
    url: UrlOption = ADDRESS,
) -> None:
    """Ask a running service whether it is ready; exit code 1 when it is not (for container health checks)."""
    from understage.cli.health import check_health

    check_health(url)


@portal_commands.command("build")
def portal_build(
    force: Annotated[bool, typer.Option("--force", help="Build anew even if it is built already.")] = False,
) -> None:
    """Build the page from its npm packages into the cache; `up` does it on first start."""
    from understage.portal.build import build_portal

    say(f"Built: {build_portal(say, force=force)}")


@config_commands.command("print")
def config_print(config: ConfigOption = None) -> None:
    """Print the merged configuration as YAML, secrets masked."""
    from understage.cli.configuration import print_configuration

    print_configuration(config or [])


@catalog_commands.command("validate")
def catalog_validate(
    paths: Annotated[
        list[str], typer.Argument(help="Files, folders, globs, URLs, or - for standard input.", metavar="PATH|URL...")
    ],
    config: ConfigOption = None,
    form: Annotated[
        OutputForm,
        typer.Option("--format", help="For people, or for tools: json, sarif (2.1.0), github (annotations)."),
    ] = OutputForm.text,
    strict: Annotated[bool, typer.Option("--strict", help="Take warnings for errors.")] = False,
    references: Annotated[
        bool, typer.Option("--references", help="References must lead into the given files.")
    ] = False,
    against: Annotated[
        str | None, typer.Option("--against", help="References may lead into this live catalog too, e.g. its base URL.")
    ] = None,
    token: Annotated[
        str | None, typer.Option("--token", envvar="UNDERSTAGE_TOKEN", help="A token for the live catalog.")
    ] = None,
) -> None:
    """Say what is wrong with catalog files, by the very code that would ingest them; no server is needed.

    In a folder every catalog-info.yaml is read, and from there all that Locations lead to. The configuration (app-config.yaml
    where there is one) says which kinds its rules allow and how to read URLs; without one every kind is allowed. Exit codes:
    0 nothing is wrong, 1 something is, 2 it could not be found out.

    Examples:
      understage catalog validate .
      understage catalog validate catalog-info.yaml 'teams/*.yaml' --references
      understage catalog validate https://github.com/acme/shop/blob/main/catalog-info.yaml
      understage catalog validate . --against https://backstage.example.com --format github --strict
      git show HEAD:catalog-info.yaml | understage catalog validate -
    """
    from understage.cli.validation import Command, run_validation

    command = Command(paths, config or [], form, strict=strict, references=references, against=against, token=token)
    raise typer.Exit(run_validation(command))


@catalog_commands.command("status")
def catalog_status(
    url: UrlOption = ADDRESS,
    token: TokenOption = None,
    location: Annotated[str | None, typer.Option(help="Only what was read from here, e.g. `url:https://…`.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only what this group or user owns.")] = None,
    below: Annotated[str | None, typer.Option(help="Only this entity (a Location) and all that it leads to.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="What is well, too.")] = False,
    form: Annotated[StatusForm, typer.Option("--format", help="For people or for programs.")] = StatusForm.table,
) -> None:
    """Say what is wrong with the files and entities of a running catalog: errors, names that are lost, what never got in.

    Exit code 1 when something is wrong, 2 when the catalog does not answer.

    Examples:
      understage catalog status
      understage catalog status --owner group:default/payments --format json
      understage catalog status --url https://understage.example.com --location url:https://example.com/catalog-info.yaml
    """
    from understage.cli.catalog_status import show_status

    filters = {"location": location, "owner": owner, "below": below}
    given = {name: value for name, value in filters.items() if value is not None}
    show_status(url, token, given, everything=everything, form=form)


@app.command()
def adopt(
    source: Annotated[
        str,
        typer.Argument(
            help="A folder or file, the URL of a repository, or - for manifests on standard input.", metavar="REPO|PATH"
        ),
    ],
    owner: Annotated[str, typer.Option("--owner", help="The group that owns it, such as group:default/payments.")],
    environment: Annotated[str, typer.Option("--environment", help="Where it runs.")] = "production",
    path: Annotated[
        str, typer.Option("--path", help="Manifests, kustomization or chart in it; usual folders are found.")
    ] = ".",
    namespace: Annotated[
        str | None, typer.Option("--namespace", help="Where it runs; default: what the manifests say.")
    ] = None,
    system: Annotated[str | None, typer.Option("--system", help="The system it is a part of.")] = None,
    release: Annotated[str | None, typer.Option("--release", help="For a chart: its Helm release.")] = None,
    values: Annotated[
        list[str] | None, typer.Option("--values", help="For a chart: a values file of it; may be repeated.")
    ] = None,
    gateway: Annotated[
        str | None, typer.Option("--gateway", help="NAMESPACE/NAME: make HTTPRoutes of Ingresses; default: keep them.")
    ] = None,
    as_is: Annotated[
        bool, typer.Option("--as-is", help="Leave the pods as they are, so that none is replaced.")
    ] = False,
    target: Annotated[str, typer.Option("--target", help="Folder of the repository for the chart.")] = "deploy",
    plain: Annotated[
        list[str] | None,
        typer.Option("--plain", help="A variable or key that looks like a secret and is none; may be repeated."),
    ] = None,
    chart: Annotated[Path, typer.Option("--chart", help="The platform's base-service.")] = Path(
        "skeletons/charts/base-service"
    ),
    rules: Annotated[
        Path, typer.Option("--rules", help="The guardrails to ask; none where the file is missing.")
    ] = Path("skeletons/policies/rules.yaml"),
    write: Annotated[bool, typer.Option("--write", help="Write the files into the folder.")] = False,
    pull_request: Annotated[
        bool, typer.Option("--pull-request", help="Propose the files to the repository as a pull request.")
    ] = False,
    config: ConfigOption = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON value in place of the report.")] = False,
) -> None:
    """Propose how a service that runs goes on under base-service and Argo CD, and report every difference with its reason.

    Reads plain manifests, a kustomization (needs kustomize) or a Helm chart (needs helm), or what `helm get manifest` prints.
    Nothing is changed without --write or --pull-request, and nothing that runs is ever touched. For a repository the
    configuration names forge, chart and rules. Values that look like secrets are never carried over: the report says where to put
    them.

    Exit codes: 0 adopted without harm, 1 something is harmful, breaks a guardrail or cannot be adopted, 2 it could not be read.

    Examples:
      understage adopt ../ledger --path k8s/production --owner group:default/payments --namespace ledger
      helm get manifest ledger -n ledger | understage adopt - --owner group:default/payments --namespace ledger --as-is
      understage adopt https://gitea.example.com/payments/ledger --owner group:default/payments --pull-request
    """
    from understage.cli.adoption import AdoptCommand, run_adoption

    command = AdoptCommand(
        source, owner, environment, path, namespace, system, release, values or [], gateway, as_is, target,
        plain or [], chart, rules, write, pull_request, json, config or [],
    )  # fmt: skip
    raise typer.Exit(run_adoption(command))


@docs_commands.command("actions")
def docs_actions() -> None:
    """Print a Markdown page of all registered actions: description, input, output, examples."""
    from understage.cli.reference import describe_actions
    from understage.scaffolder.actions import ActionRegistry

    typer.echo(describe_actions(ActionRegistry.from_entry_points().all()), nl=False)


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Catalog and scaffolder backends for Backstage, in Python."""
    if show:
        say(f"understage {__version__}")
        raise typer.Exit
