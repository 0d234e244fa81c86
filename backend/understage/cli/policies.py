"""What `understage policy` does."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from understage.cli.console import fail, say
from understage.cli.manifest_files import read_manifest_file
from understage.errors import InputError, UnderstageError
from understage.integrations.policies import (
    Policies,
    PolicyCheck,
    admission_policies,
    kyverno_policies,
    read_policies,
)
from understage.model.yaml import dump, parse_document
from understage.platform.json import dumps_text

HEADER = "Made of {rules} by `understage policy render --for {engine}`."


def check_manifests(paths: Sequence[Path], rules: Path, settings: Sequence[str], *, as_json: bool) -> int:
    """Print what is broken; returns the exit code."""
    try:
        policies = _read_rules(rules, settings)
        objects = [item for path in paths for item in read_manifest_file(path)]
        violations = PolicyCheck(policies).check(objects)
    except (UnderstageError, OSError) as error:
        fail(str(error))
        return 2
    if as_json:
        found = [
            {"rule": item.rule, "kind": item.kind, "name": item.name, "message": item.message} for item in violations
        ]
        print(dumps_text(found))
        return int(bool(violations))
    for item in violations:
        print(f"{item.kind} {item.name}: {item.message}")
    say(f"{len(objects)} objects, {len(violations)} broken rules")
    return int(bool(violations))


def render_policies(engine: str, rules: Path, settings: Sequence[str] = ()) -> str:
    """The policies as YAML documents. Raises SourceError or InputError for rules that cannot be read."""
    policies = _read_rules(rules, settings)
    made = admission_policies(policies) if engine == "admission" else kyverno_policies(policies)
    header = HEADER.format(rules=rules.name, engine=engine)
    return f"# {header}\n" + "".join(f"---\n{dump(manifest)}" for manifest in made)


def _read_rules(rules: Path, settings: Sequence[str]) -> Policies:
    given: dict[str, Any] = {}
    for setting in settings:
        name, is_given, text = setting.partition("=")
        if not is_given:
            raise InputError(f"--set {setting}: write it as name=value")
        given[name] = parse_document(text, f"--set {name}").value
    return read_policies(rules, given)
