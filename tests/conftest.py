"""What all tiers share: the plugins with fixtures, and asyncio for tests and fixtures that are async functions."""

import importlib.util
import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

# Machines are shared: how long an example takes says nothing. CI tries the same examples each time, people try new ones.
settings.register_profile(
    "shared", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=bool(os.environ.get("CI"))
)
settings.load_profile("shared")

# A tier's fixtures are there when its folder is: an sdist may leave the bench out.
PLUGINS = ("tests.workers", "tests.databases", "tests.cluster.fixtures", "tests.engines", "tests.contract.tally")


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


pytest_plugins = [name for name in PLUGINS if _exists(name)]


def pytest_configure(config: pytest.Config) -> None:
    config.option.anyio_mode = "auto"


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """A command that a test runs sets the least level for its process; the next test's is another one."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
