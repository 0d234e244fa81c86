"""The placeholders `$openapi` and `$asyncapi`: a file, with all files that its `$ref`s name put into it, as YAML."""

from typing import Any

from understage.catalog.processors.bundling import Bundling, Source, external_references, split_reference
from understage.errors import InputError, SourceError
from understage.model.yaml import dump, parse_document
from understage.sdk.placeholder import Placeholder, PlaceholderFile

MIB = 1024 * 1024
MOST_FILES = 200
MOST_BYTES = 20 * MIB


async def resolve_bundle(placeholder: Placeholder) -> str:
    """The file and what it refers to, as one document; at most 200 files and 20 MiB.

    Relative references are those of the file they stand in. A file that is used twice stands where it is used first; the
    other places refer to it there, and so do circles.
    """
    root = await placeholder.read()
    try:
        sources = await _read_all(placeholder, root)
        return dump(Bundling(sources, root.place).run())
    except (InputError, SourceError) as error:
        raise InputError(
            f"Placeholder ${placeholder.name} unable to bundle the file at {placeholder.value}, {error}"
        ) from error


async def _read_all(placeholder: Placeholder, root: PlaceholderFile) -> dict[str, Source]:
    """All files that are referred to, directly or not, by their places."""
    sources: dict[str, Source] = {}
    size = 0
    waiting = [root]
    known: dict[tuple[str, str], PlaceholderFile] = {}
    while waiting:
        file = waiting.pop(0)
        if file.place in sources:
            continue
        size += len(file.content)
        if size > MOST_BYTES:
            raise InputError(f"its files hold more than {MOST_BYTES // MIB} MiB")
        value: Any = parse_document(file.content, file.place).value
        places: dict[str, str] = {}
        for reference in external_references(value):
            target = split_reference(reference)[0]
            # Files of one folder mean the same by the same name, where the folder can be told from the place.
            folder = file.place if "?" in file.place else file.place.rpartition("/")[0]
            key = (folder, target)
            if key not in known:
                if len(known) >= MOST_FILES:
                    raise InputError(f"it refers to more than {MOST_FILES} files")
                known[key] = await placeholder.read(target, base=file)
            places[target] = known[key].place
            waiting.append(known[key])
        sources[file.place] = Source(value, places)
    return sources
