"""What the environment says."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Where messages come from, and how often they are tried."""

    redis_url: str
    username: str | None
    password: str | None
    queue: str
    group: str
    consumer: str
    retry_seconds: int
    max_attempts: int
    port: int

    @property
    def dead_letters(self) -> str:
        """Where messages go that cannot be handled."""
        return f"{self.queue}:dead"


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Raises ValueError that names the variable."""
    return Settings(
        redis_url=_text(environment, "REDIS_URL", "redis://localhost:6379/0"),
        username=environment.get("REDIS_USERNAME") or None,
        password=environment.get("REDIS_PASSWORD") or None,
        queue=_text(environment, "QUEUE", "${{ values.queue }}"),
        group="${{ values.name }}",
        # Each pod is a consumer of its own.
        consumer=environment.get("HOSTNAME") or socket.gethostname(),
        retry_seconds=_number(environment, "RETRY_SECONDS", 60),
        max_attempts=_number(environment, "MAX_ATTEMPTS", 5),
        port=_number(environment, "PORT", 8080),
    )


def _text(environment: Mapping[str, str], name: str, default: str) -> str:
    value = environment.get(name, default)
    if not value:
        raise ValueError(f"{name} is empty")
    return value


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    value = environment.get(name, str(default))
    if not value.isdecimal() or int(value) < 1:
        raise ValueError(f"{name} is no number above 0: {value}")
    return int(value)
