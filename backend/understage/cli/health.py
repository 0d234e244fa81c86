"""`understage health`."""

import httpx
import typer

from understage.cli.console import fail, say


def check_health(url: str) -> None:
    """Print what readiness says; exit code 1 unless it is ok."""
    try:
        answer = httpx.get(f"{url.rstrip('/')}/.backstage/health/v1/readiness", timeout=5, trust_env=False)
        body = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        fail(f"{url} does not answer: {error}")
        raise typer.Exit(1) from error
    if answer.status_code != 200:
        fail(str(body.get("message", body)))
        raise typer.Exit(1)
    say("ok")
