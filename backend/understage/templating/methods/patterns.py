"""Methods of regular expressions, and how strings are searched with them; positions are in UTF-16 code units."""

import re
from collections.abc import Iterator

from understage.templating.methods.method import Method, argument
from understage.templating.regexes import compile_regex, search
from understage.templating.scope import Run
from understage.templating.text import merge_units, units
from understage.templating.values import UNDEFINED, Regex, Value, to_string

_REFERENCE = re.compile(r"\$(?:([$&`'])|([0-9]{1,2})|<([^>]*)>)")


def test(run: Run, receiver: Regex, arguments: list[Value]) -> Value:
    """Whether the pattern occurs, from `last_index` on for the flags g and y."""
    return execute(run, receiver, units(to_string(argument(arguments, 0)))) is not None


def execute(run: Run, receiver: Regex, text: str) -> "re.Match[str] | None":
    """RegExp.prototype.exec: one match, moving `last_index` for the flags g and y."""
    keeps_state = "g" in receiver.flags or "y" in receiver.flags
    start = receiver.last_index if keeps_state else 0
    pattern = compile_regex(receiver.source, receiver.flags)
    match = None
    if start <= len(text):
        match = search(pattern, text, start, run.meter, sticky="y" in receiver.flags)
    if keeps_state:
        receiver.last_index = match.end() if match else 0
    return match


def replace(run: Run, text: str, receiver: Regex, replacement: str) -> str:
    """String.prototype.replace: the first match, or all with the flag g."""
    spelled, parts, end = units(text), list[str](), 0
    for match in _matches(run, spelled, receiver):
        inserted = expand(replacement, spelled, match.start(), match.group(0), list(match.groups()), match.groupdict())
        run.meter.grow(match.start() - end + len(inserted))
        parts += [spelled[end : match.start()], inserted]
        end = match.end()
    return merge_units("".join(parts) + spelled[end:])


def split(run: Run, text: str, receiver: Regex, limit: int) -> list[Value]:
    """String.prototype.split by a pattern, with its groups in between."""
    spelled, pieces, last, position = units(text), list[Value](), 0, 0
    pattern = compile_regex(receiver.source, receiver.flags)
    if limit == 0:
        return []
    if not spelled:
        return [] if search(pattern, spelled, 0, run.meter, sticky=True) else [text]
    while position < len(spelled):
        match = search(pattern, spelled, position, run.meter, sticky=False)
        if match is None or match.start() >= len(spelled):
            break
        if match.end() == last:  # an empty match where the last piece ended splits nothing
            position += 1
            continue
        run.meter.list_of(1 + len(match.groups()))
        for piece in (spelled[last : match.start()], *match.groups()):
            pieces.append(UNDEFINED if piece is None else piece)
            if len(pieces) >= limit:
                return pieces
        last = match.end()
        position = last
    pieces.append(spelled[last:])
    return [merge_units(piece) if isinstance(piece, str) else piece for piece in pieces]


def expand(
    replacement: str, text: str, start: int, matched: str, groups: list[str | None], names: dict[str, str | None]
) -> str:
    """The replacement with `$&`, `$1`, `$<name>` and their like filled in."""
    if "$" not in replacement:
        return replacement

    def fill(reference: "re.Match[str]") -> str:
        sign, number, name = reference.groups()
        if sign is not None:
            around = {"$": "$", "&": matched, "`": text[:start], "'": text[start + len(matched) :]}
            return around[sign]
        if name is not None:
            return (names.get(name) or "") if names else reference[0]
        if 1 <= int(number) <= len(groups):
            return groups[int(number) - 1] or ""
        if len(number) == 2 and 1 <= int(number[0]) <= len(groups):
            return (groups[int(number[0]) - 1] or "") + number[1]
        return reference[0]

    return _REFERENCE.sub(fill, replacement)


def _matches(run: Run, spelled: str, receiver: Regex) -> "Iterator[re.Match[str]]":
    if "g" not in receiver.flags:
        match = execute(run, receiver, spelled)
        if match is not None:
            yield match
        return
    receiver.last_index = 0
    while (match := execute(run, receiver, spelled)) is not None:
        if match.end() == match.start():
            receiver.last_index += 1
        yield match


METHODS = {"test": Method(test, 1, 1)}
