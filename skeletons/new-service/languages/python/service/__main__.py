"""Serve on the port that the environment names: `python -m service`."""

import os

import uvicorn

from service.app import app
from service.logs import LOGGING


def main() -> None:
    """Serve until stopped; running requests are finished first."""
    uvicorn.run(
        app,
        host="0.0.0.0",
        port=int(os.environ.get("PORT", "8080")),
        log_config=LOGGING,
        log_level=os.environ.get("LOG_LEVEL", "info"),
        timeout_graceful_shutdown=20,
    )


if __name__ == "__main__":
    main()
