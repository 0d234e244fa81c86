"""What to do about a finding, where a sentence helps more than the message alone."""

import re

from understage.catalog.validation.finding import Finding
from understage.model.kinds import NAMES

_BY_REASON: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"missingProperty: (?P<name>.+)$"), "Add the field {name}."),
    (re.compile(r"must have required property '(?P<name>[^']+)'"), "Add the field {name}."),
    (
        re.compile(r"must NOT have additional properties - additionalProperty: (?P<name>.+)$"),
        "Remove {name}, or correct its name.",
    ),
    (
        re.compile(r"^Malformed envelope, <root> must NOT have additional properties"),
        "An entity has apiVersion, kind, metadata and spec: move the field below one of them, or correct its name.",
    ),
    (re.compile(r"^Unknown field (?P<name>\w+)"), "Remove {name}: the catalog computes it."),
    (
        re.compile(r"must be string - type: string"),
        "Write a text; what YAML takes for a number or a list needs quotes.",
    ),
    (re.compile(r"must NOT have fewer than 1 characters"), "Write a value, or remove the field if it is optional."),
    (re.compile(r"had missing or empty kind"), "Write the reference as kind:namespace/name, or kind:name."),
    (re.compile(r"was not on the form \["), "Write the reference as kind:namespace/name."),
    (re.compile(r"map keys must be unique"), "Delete one of the two."),
    (
        re.compile(r"cannot start any token"),
        "YAML is indented by spaces, not by tabs; texts that begin with @ or ` need quotes.",
    ),
    (re.compile(r"^not UTF-8 text"), "Save the file as UTF-8."),
    (re.compile(r"U\+0000 is not allowed"), "The file is binary, or UTF-16: save it as UTF-8."),
    (
        re.compile(r"^Expected object at root"),
        "A document is one entity: apiVersion, kind, metadata and spec; several are divided by lines of ---.",
    ),
    (re.compile(r"metadata\.name"), "Letters and digits, with - _ or . between them; titles go into metadata.title."),
)
_BY_RULE = {
    "kind": f"Check kind and apiVersion. Kinds of the catalog are {', '.join(NAMES)}.",
    "allowed-kind": "Ask the platform team to allow the kind in catalog.rules, or move the entity to a place that may hold it.",
    "placeholder": "Check the path: it starts at the folder of this file.",
    "location": "Check the target: relative ones start at the folder of this file.",
    "reference": "Correct the reference, or register what it names first.",
    "duplicate-name": "Rename or remove one of the two.",
}


def advice_for(finding: Finding) -> str | None:
    """A sentence, or None where the message says it all."""
    for pattern, advice in _BY_REASON:
        if match := pattern.search(finding.reason):
            return advice.format(**match.groupdict())
    return _BY_RULE.get(finding.rule)
