"""All processors in the order in which they run: built-in and third-party ones register by the same entry points."""

from collections.abc import Mapping

import structlog

from understage.config.catalog_settings import ProcessorOptions
from understage.errors import InputError
from understage.platform.extensions import installed
from understage.sdk.processor import Processor, ProcessorSetup

log = structlog.get_logger(__name__)

GROUP = "understage.processors"
STOCK_ORDER = (
    "PlaceholderProcessor",
    "BuiltinKindsEntityProcessor",
    "FileReaderProcessor",
    "url-reader",
    "AnnotateLocationEntityProcessor",
)
# What `catalog.disableDefaultProcessors` removes, as in the stock backend.
DEFAULTS = frozenset(("FileReaderProcessor", "url-reader", "AnnotateLocationEntityProcessor"))


def installed_processors() -> list[type[Processor]]:
    """The classes that entry points name. One that cannot be loaded stops the start, naming the package to repair."""
    found = []
    for entry in installed(GROUP):
        try:
            loaded = entry.load()
        except Exception as error:
            package = entry.dist.name if entry.dist else "unknown"
            raise InputError(
                f"the processor {entry.value} of package {package} cannot be loaded: {error}; repair or remove the package"
            ) from error
        if not (isinstance(loaded, type) and issubclass(loaded, Processor)):
            raise InputError(
                f"the entry point {entry.value} of group {GROUP} is no subclass of understage.sdk.Processor"
            )
        found.append(loaded)
    return found


def create_processors(
    classes: list[type[Processor]],
    setup: ProcessorSetup,
    *,
    options: Mapping[str, ProcessorOptions] | None = None,
    disable_defaults: bool = False,
) -> list[Processor]:
    """Make the enabled processors, by priority; equal ones in the stock order, others after them by name."""
    options = options or {}
    ordered: list[tuple[float, int, str, type[Processor]]] = []
    for cls in classes:
        name = cls.registered_name()
        if not cls.on_by_default and name not in options:
            continue
        chosen = options.get(name, ProcessorOptions())
        if chosen.disabled or (disable_defaults and name in DEFAULTS):
            log.info("processor disabled by configuration", processor=name)
            continue
        priority = cls.priority if chosen.priority is None else chosen.priority
        rank = STOCK_ORDER.index(name) if name in STOCK_ORDER else len(STOCK_ORDER)
        ordered.append((priority, rank, name, cls))
    ordered.sort(key=lambda item: item[:3])
    return [cls(setup) for *_, cls in ordered]
