"""The catalog's actions beside the stock ones: everything but the texts for people, and what the changing ones do."""

from typing import Any

from tests.contract.backend import Backend
from tests.contract.pair import Pair

ACTIONS = "/api/catalog/.backstage/actions/v1/actions"
IDS = [
    "catalog:get-catalog-model-description",
    "catalog:get-catalog-entity",
    "catalog:validate-entity",
    "catalog:register-entity",
    "catalog:unregister-entity",
    "catalog:query-catalog-entities",
    "catalog:refresh-catalog-entity",
]


def listed(pair: Pair, backend: Backend) -> list[dict[str, Any]]:
    answer = pair.send(backend, "GET", ACTIONS)
    assert answer.status_code == 200, answer.text
    actions: list[dict[str, Any]] = without_descriptions(answer.json()["actions"])
    return actions


def without_descriptions(value: Any) -> Any:
    if isinstance(value, list):
        return [without_descriptions(item) for item in value]
    if isinstance(value, dict):
        return {
            name: without_descriptions(item)
            for name, item in value.items()
            if not (name == "description" and isinstance(item, str))
        }
    return value


def invoke(pair: Pair, backend: Backend, name: str, input: Any) -> tuple[int, Any]:
    answer = pair.send(backend, "POST", f"{ACTIONS}/catalog:{name}/invoke", json=input)
    return answer.status_code, answer.json()


def test_actions_attributes_and_schemas_are_the_same(pair: Pair) -> None:
    stock, ours = listed(pair, pair.stock), listed(pair, pair.ours)
    assert [action["id"] for action in ours] == IDS
    assert ours == stock


def test_a_location_is_registered_and_unregistered_by_its_url_in_another_case(pair: Pair) -> None:
    url = "${HTTP}/one.yaml?by-action"

    def walk(backend: Backend) -> list[Any]:
        status, registered = invoke(pair, backend, "register-entity", {"locationUrl": url})
        [location_id] = registered["output"].values()
        pair.await_served(backend, "http-one")
        again, refused = invoke(pair, backend, "register-entity", {"locationUrl": url})
        upper = pair.files.url.upper() + "/ONE.YAML?BY-ACTION"
        gone = invoke(pair, backend, "unregister-entity", {"type": {"locationUrl": upper}})
        missing, error = invoke(pair, backend, "unregister-entity", {"type": {"locationUrl": upper}})
        return [status, len(location_id), again, "error" in refused, gone, missing, error["error"]["message"]]

    assert walk(pair.ours) == walk(pair.stock)
    pair.settle()


def test_broken_yaml_is_told_and_never_an_error(pair: Pair) -> None:
    for text in ("a: [", "a: 1\n---\nb: 2", "plain", ""):
        stock, ours = (
            invoke(pair, backend, "validate-entity", {"entity": text}) for backend in (pair.stock, pair.ours)
        )
        assert (ours[0], stock[0]) == (200, 200)
        for flag in ("isValid", "isValidYaml"):
            assert ours[1]["output"][flag] == stock[1]["output"][flag], text
        assert len(ours[1]["output"]["errors"]) == 1, "the stock list is empty for what is no object"
