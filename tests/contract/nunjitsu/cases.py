"""The corpus as cases, and what Understage answers to one, in the words of the oracle."""

import functools
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from understage.templating import UNDEFINED, Environment, TemplateError

CORPUS = Path(__file__).with_name("corpus")


@dataclass(frozen=True)
class Case:
    """One template, how to render it and what it sees."""

    construct: str
    template: str
    text: bool = False
    trim: bool = False
    lstrip: bool = False
    cookiecutter: bool = False
    context: dict[str, Any] = field(default_factory=dict, compare=False, hash=False)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@functools.cache
def load_context() -> dict[str, Any]:
    return yaml.safe_load(CORPUS.joinpath("context.yaml").read_text("utf-8"))


@functools.cache
def load_cases() -> list[Case]:
    """Every snippet of the corpus, each once."""
    context, cases = load_context(), []
    for path in sorted(CORPUS.glob("*.yaml")):
        content = yaml.safe_load(path.read_text("utf-8"))
        if path.stem == "whitespace":
            for number, group in enumerate(content):
                construct = f"whitespace {number}"
                cases += [Case(construct, text, **group["options"], context=context) for text in group["templates"]]
        elif path.stem != "context":
            for construct, lines in content.items():
                cases += [Case(construct, line, context=context) for line in lines.splitlines()]
    return list(dict.fromkeys(cases))


def tag(value: Any) -> str:
    """JSON that tells undefined, NaN and the infinities apart from null, as oracle.mjs writes it."""
    if value is UNDEFINED:
        return "undefined"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return _tag_number(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return f"[{','.join(map(tag, value))}]"
    return f"{{{','.join(f'{tag(key)}:{tag(item)}' for key, item in value.items())}}}"


def _tag_number(value: float) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    mantissa, _, exponent = f"{value:.16e}".partition("e")
    return f"{mantissa}e{exponent[0]}{exponent[1:].lstrip('0') or '0'}"


def _boom(*arguments: Any) -> Any:
    raise ValueError("boom")


ENVIRONMENT = Environment(
    filters={"echo": lambda *arguments: " ".join(map(tag, arguments)), "boom": _boom},
    functions={
        "always": lambda: True,
        "failure": lambda: False,
        "total": lambda *numbers: sum(numbers),
        "boomed": _boom,
    },
    values={"host": {"name": "understage", "ports": [80, 443]}},
)


def answer(case: Case) -> str:
    """What Understage makes of `case`."""
    try:
        if case.text or case.cookiecutter:
            delimiters = ("{{", "}}") if case.cookiecutter else ("${{", "}}")
            return tag(
                ENVIRONMENT.render_text(
                    case.template,
                    case.context,
                    variable_delimiters=delimiters,
                    trim_blocks=case.trim,
                    lstrip_blocks=case.lstrip,
                )
            )
        return tag(ENVIRONMENT.render_string_value(case.template, case.context))
    except TemplateError as error:
        return f"error: {error.message}"
