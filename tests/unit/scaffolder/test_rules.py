"""Which actions conditions allow: what the stock backend of the contract tests has no action for."""

from typing import Any

import pytest

from understage.errors import InputError, UnderstageError
from understage.identity.permissions import Conditional, Decision, parse_criteria
from understage.scaffolder.rules import action_permits


def having(key: str, value: str) -> dict[str, Any]:
    return {"rule": "HAS_STRING_PROPERTY", "resourceType": "scaffolder-action", "params": {"key": key, "value": value}}


def decision(conditions: dict[str, Any]) -> Decision:
    return Conditional("scaffolder", "scaffolder-action", parse_criteria(conditions))


@pytest.mark.parametrize(
    ("action", "key", "is_caseless"),
    [
        ("github:repo:create", "owner", True),
        ("publish:gitlab", "repoUrl", True),
        ("publish:bitbucketCloud", "projectId", True),
        ("publish:bitbucketServer:pull-request", "repoName", True),
        ("publish:github", "['owner']", True),
        ("publish:github", "title", False),
        ("publish:gitea", "owner", False),
        ("githubish:create", "owner", False),
        ("gitlab:group:ensureExists", "path", True),
        ("gitlab:project:create", "path", False),
    ],
)
def test_names_on_some_forges_are_the_same_in_any_case(action: str, key: str, is_caseless: bool) -> None:
    name = key.strip("[']")
    allowed = decision(having(key, "Acme"))
    assert action_permits(allowed, action, {name: "Acme"})
    assert action_permits(allowed, action, {name: "aCME"}) is is_caseless
    assert not action_permits(allowed, action, {name: "other"})


@pytest.mark.parametrize("number", [12, "12"])
def test_a_group_told_by_number_passes_by_no_rule_about_paths(number: Any) -> None:
    action = "gitlab:group:access"
    not_secret = decision({"not": having("path", "secret")})
    assert action_permits(not_secret, action, {"path": "open"})
    assert not action_permits(not_secret, action, {"path": "Secret"})
    assert not action_permits(not_secret, action, {"path": number}), "it may be the number of that group"
    assert action_permits(not_secret, "gitlab:project:create", {"path": number})
    elsewhere = decision({"anyOf": [having("path", "a"), having("owner", "me")]})
    assert action_permits(elsewhere, action, {"path": number, "owner": "me"})


def test_rules_that_are_not_understood_allow_nothing() -> None:
    unknown = {"rule": "HAS_NOTHING", "resourceType": "scaffolder-action"}
    with pytest.raises(UnderstageError, match="Unexpected permission rule: HAS_NOTHING"):
        action_permits(decision(unknown), "debug:log", {})
    with pytest.raises(InputError, match="Parameters to rule are invalid"):
        action_permits(decision({**having("key", "x"), "params": {}}), "debug:log", {})
