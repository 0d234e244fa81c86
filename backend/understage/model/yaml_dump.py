"""Writing YAML: deterministic, block style, readable by YAML 1.1 and 1.2 alike.

Called by whatever writes files for people and clusters: values files, catalog-info.yaml, manifests, `config:print`.
"""

import math
from typing import Any

import yaml

from understage.model.yaml_scalar import resolve_scalar

# Special to YAML 1.1 though PyYAML's resolver lets them pass; Helm and kubectl read y and n as booleans.
_OTHER_SPECIAL = frozenset({"=", "<<", "y", "Y", "n", "N"})


class _Dumper(yaml.CSafeDumper):
    """Dumps without aliases, keys in the order given."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def dump(value: Any, *, header: str | None = None, sort_keys: bool = False) -> str:
    """One YAML document for a JSON value, ending in a newline.

    Keys keep their order unless `sort_keys`. Text that YAML 1.1 or 1.2 would read as anything else is quoted, text of
    several lines is a literal block. `header` is put before it as comment lines. Raises TypeError for what is not JSON.
    """
    # Line width -1: libyaml folds no lines, so one changed word is one changed line.
    text: str = yaml.dump(
        value, Dumper=_Dumper, allow_unicode=True, default_flow_style=False, sort_keys=sort_keys, width=-1
    )
    # A document that is one plain scalar ends in "...", which is noise in a file.
    text = text.removesuffix("...\n")
    return _comment(header) + text if header else text


def _comment(header: str) -> str:
    return "".join(f"# {line}".rstrip() + "\n" for line in header.splitlines())


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None
    if _fits_literal_block(text):
        style = "|"
    elif "\n" in text:
        style = '"'
    elif not isinstance(resolve_scalar(text, True, None), str) or text in _OTHER_SPECIAL:
        style = "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _represent_subclass(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """A text of another type, such as the secrets of actions; libyaml takes none but ordinary ones."""
    return _represent_text(dumper, str.__str__(text))


def _fits_literal_block(text: str) -> bool:
    lines = text.split("\n")
    return (
        len(lines) > 1
        and text.strip("\n") != ""
        and not text[0].isspace()
        and all(line == line.rstrip() and _is_printable(line) for line in lines)
    )


def _is_printable(line: str) -> bool:
    return all(character.isprintable() or character == "\t" for character in line) and "\ufeff" not in line


def _represent_float(dumper: _Dumper, value: float) -> yaml.ScalarNode:
    if math.isnan(value):
        text = ".nan"
    elif math.isinf(value):
        text = ".inf" if value > 0 else "-.inf"
    else:
        text = repr(value)
        # YAML 1.1 takes an exponent only after a point.
        if "e" in text and "." not in text:
            text = text.replace("e", ".0e", 1)
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


def _represent_unknown(dumper: _Dumper, value: Any) -> yaml.Node:
    if isinstance(value, str):
        return _represent_text(dumper, str(value))
    raise TypeError(f"{type(value).__name__} is not a JSON value and cannot be written as YAML")


# The dumper knows only what JSON has; PyYAML's own knows sets, dates and more, which nobody could read back.
_Dumper.yaml_representers = {}
_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(float, _represent_float)
_Dumper.add_representer(int, _Dumper.represent_int)
_Dumper.add_representer(bool, _Dumper.represent_bool)
_Dumper.add_representer(type(None), _Dumper.represent_none)
_Dumper.add_representer(list, _Dumper.represent_list)
_Dumper.add_representer(tuple, _Dumper.represent_list)
_Dumper.add_representer(dict, _Dumper.represent_dict)
_Dumper.add_multi_representer(str, _represent_subclass)
_Dumper.add_multi_representer(object, _represent_unknown)
