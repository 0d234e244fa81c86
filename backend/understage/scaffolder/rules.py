"""The rules of conditions about templates, actions and tasks, applied to one of them.

Called by `access` and `api`; lists of tasks filter in the database, by `store.match_tasks`. As in Backstage
scaffolder-backend 4.2.0.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from understage.errors import UnderstageError
from understage.identity.permissions import (
    SCAFFOLDER_ACTION,
    SCAFFOLDER_TASK,
    SCAFFOLDER_TEMPLATE,
    Conditional,
    Criteria,
    Decision,
    Rule,
    holds,
    rules_of,
)
from understage.identity.rules import TEXT, TEXTS, Parameter, RuleDescription, refused, text_of, texts_of
from understage.templating import UNDEFINED
from understage.templating.picking import keys_of, pick

# Forges on which these names are the same in any case.
_FORGE = re.compile(r"gitlab|github|bitbucket(?:Cloud|Server)?")
_CASELESS = frozenset({"owner", "repoName", "projectId", "repoUrl"})
_PROPERTY_TYPES: Mapping[str, tuple[type, ...]] = {
    "HAS_BOOLEAN_PROPERTY": (bool,),
    "HAS_NUMBER_PROPERTY": (int, float),
    "HAS_STRING_PROPERTY": (str,),
}


def _property_rule(name: str, json_type: str) -> RuleDescription:
    return RuleDescription(
        name,
        "Allow actions with the specified property",
        SCAFFOLDER_ACTION,
        (
            Parameter("key", TEXT, "Property within the action parameters to match on"),
            Parameter("value", {"type": json_type}, "Value of the given property to match on", required=False),
        ),
    )


RULES = (
    RuleDescription(
        "HAS_TAG",
        "Match parameters or steps with the given tag",
        SCAFFOLDER_TEMPLATE,
        (Parameter("tag", TEXT, "Name of the tag to match on"),),
    ),
    RuleDescription(
        "HAS_ACTION_ID",
        "Match actions with the given actionId",
        SCAFFOLDER_ACTION,
        (Parameter("actionId", TEXT, "Name of the actionId to match on"),),
    ),
    _property_rule("HAS_BOOLEAN_PROPERTY", "boolean"),
    _property_rule("HAS_NUMBER_PROPERTY", "number"),
    _property_rule("HAS_STRING_PROPERTY", "string"),
    RuleDescription(
        "IS_TASK_OWNER",
        "Allows tasks created by certain users to be accessible",
        SCAFFOLDER_TASK,
        (
            Parameter(
                "createdBy",
                TEXTS,
                "List of creator entity refs; only tasks created by these users will be viewable",
            ),
        ),
    ),
)


def tag_matches(rule: Rule, tags: Sequence[str]) -> bool:
    """Whether a rule holds for a page or step with these tags."""
    if rule.rule != "HAS_TAG":
        raise unknown(rule)
    return text_of(rule.params, "tag") in tags


def action_permits(decision: Decision, action_id: str, input: Mapping[str, Any]) -> bool:
    """Whether an action may be executed with a rendered input.

    Groups of GitLab have a number besides their path: where the path is told by number, whatever paths the conditions name
    must be allowed too, else a rule about paths could be passed by.
    """
    if not isinstance(decision, Conditional):
        return decision == "ALLOW"

    def permits(checked: Mapping[str, Any]) -> bool:
        return holds(decision.conditions, lambda rule: _action_matches(rule, action_id, checked))

    if not permits(input):
        return False
    if "group" not in action_id.split(":") or not _is_group_number(input.get("path")):
        return True
    return all(permits({**input, "path": path}) for path in _paths_of(decision.conditions))


def is_owner(rule: Rule, created_by: str | None) -> bool:
    """Whether a rule holds for a task that somebody created; of a service's nobody is the owner."""
    if rule.rule != "IS_TASK_OWNER":
        raise unknown(rule)
    return created_by in texts_of(rule.params, "createdBy")


def unknown(rule: Rule) -> UnderstageError:
    """What to raise for a rule that is not about such a resource."""
    return UnderstageError(f"Unexpected permission rule: {rule.rule}")


def _action_matches(rule: Rule, action_id: str, input: Mapping[str, Any]) -> bool:
    if rule.rule == "HAS_ACTION_ID":
        return action_id == text_of(rule.params, "actionId")
    types = _PROPERTY_TYPES.get(rule.rule)
    if types is None:
        raise unknown(rule)
    key = text_of(rule.params, "key")
    found = pick(dict(input), key)
    is_of_type = _is_one_of(found, types)
    if "value" not in rule.params:
        return is_of_type
    value = rule.params["value"]
    if not _is_one_of(value, types):
        raise refused("value has another type than the rule")
    if not is_of_type:
        return False
    if isinstance(found, str) and _is_caseless(action_id, key):
        return str(value).lower() == found.lower()
    return bool(value == found)


def _is_one_of(value: Any, types: tuple[type, ...]) -> bool:
    """A boolean is no number, as in JavaScript."""
    return value is not UNDEFINED and isinstance(value, types) and (isinstance(value, bool) == (types == (bool,)))


def _is_caseless(action_id: str, key: str) -> bool:
    segments, name = action_id.split(":"), ".".join(keys_of(key))
    if not any(_FORGE.fullmatch(segment) for segment in segments):
        return False
    return name in _CASELESS or ("group" in segments and name == "path")


def _is_group_number(path: Any) -> bool:
    return _is_one_of(path, (int, float)) or (isinstance(path, str) and re.fullmatch(r"[0-9]+", path) is not None)


def _paths_of(criteria: Criteria) -> list[str]:
    found = [
        rule.params.get("value")
        for rule in rules_of(criteria)
        if rule.rule == "HAS_STRING_PROPERTY" and ".".join(keys_of(str(rule.params.get("key")))) == "path"
    ]
    return [path for path in found if isinstance(path, str)]
