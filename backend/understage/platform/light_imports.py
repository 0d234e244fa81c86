"""Imports libraries without the parts that a service never uses: a start costs a third less, and idle memory falls.

`cli.entry` calls `lighten` before it imports anything of them. Nothing is taken away: what a package's `__init__` would have
imported is imported when somebody asks the package for it. tests/unit/test_light_start.py says what stays out, and what brought
it in where it did not.
"""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

# Their `__init__` imports far more than the modules in them that are used here:
# a command line with click and multiprocessing, the object-relational mapper. None gives a module's name to something else.
# What everybody takes from them comes from one of their modules.
PACKAGES = {
    "uvicorn": ("config", "Config"),
    "sqlalchemy.ext.asyncio": ("engine", "AsyncConnection", "AsyncEngine", "create_async_engine"),
}
# What a library does without where it is not installed: httpx its command line, structlog its colourful tracebacks.
OPTIONAL = {"httpx": ("httpx._main",), "structlog": ("rich",)}

# Models of documents that FastAPI would make; they are built when somebody uses them.
UNBUILT = "fastapi.openapi.models"

# FastAPI looks whether a parameter of a route is a model of them. None of ours is.
OLD_MODELS = "pydantic.v1"


class _LaterPackage(ModuleType):
    """A package whose `__init__` runs when it is asked for something that is no module of it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in ("__all__", "__version__"):
            raise AttributeError(name)
        module = f"{self.__name__}.{name}"
        if importlib.util.find_spec(module) is not None:
            return importlib.import_module(module)
        self.__class__ = ModuleType  # type: ignore[assignment]
        assert self.__spec__ is not None
        assert self.__spec__.loader is not None
        self.__spec__.loader.exec_module(self)
        return getattr(self, name)


def lighten(*names: str) -> None:
    """Do it for these libraries and packages, by default for all, once per process. What is imported already stays as it is."""
    for library, parts in OPTIONAL.items():
        if (not names or library in names) and library not in sys.modules:
            with absent(*parts):
                importlib.import_module(library)
    for package, (module, *offered) in PACKAGES.items():
        if not names or package in names:
            _postpone(package)
            _offer(package, module, *offered)
    if not names:
        _import_unbuilt(UNBUILT)


def _import_unbuilt(name: str) -> None:
    from pydantic import BaseModel

    BaseModel.model_config["defer_build"] = True
    try:
        importlib.import_module(name)
    finally:
        del BaseModel.model_config["defer_build"]


def _postpone(name: str) -> None:
    if name in sys.modules:
        return
    spec = importlib.util.find_spec(name)  # imports what is above it
    if spec is None or name in sys.modules:
        return
    module = importlib.util.module_from_spec(spec)
    module.__class__ = _LaterPackage
    sys.modules[name] = module
    above, _, own = name.rpartition(".")
    if above:
        setattr(sys.modules[above], own, module)


def _offer(package: str, module: str, *names: str) -> None:
    found = importlib.import_module(f"{package}.{module}")
    vars(sys.modules[package]).update({name: getattr(found, name) for name in names})


@contextmanager
def absent(*modules: str) -> Iterator[None]:
    """Let the import of modules fail as if they were not installed, which None in place of them does. Also a decorator."""
    hidden = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
