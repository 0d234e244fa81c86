"""Options of commands that ask a running service. Light: read at every start of the command."""

from typing import Annotated

import typer

ADDRESS = "http://127.0.0.1:7007"
UrlOption = Annotated[str, typer.Option("--url", help="Address of the service.")]
TokenOption = Annotated[
    str | None, typer.Option("--token", envvar="UNDERSTAGE_TOKEN", help="A token for it; without one, a guest's.")
]
