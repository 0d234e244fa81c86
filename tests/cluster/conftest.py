"""Loads the bench's fixtures for the tests in this folder.

As a plugin, not by import: a fixture that two conftest files import is two fixtures, and would start two clusters.
"""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.cluster.fixtures")
