"""The actions of templates that scaffolders elsewhere call: listed as the protocol has it, run once, kept to the permissions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.store.scaffolder_bench import Permissions

from understage.app.offered_actions import OFFERED, TemplateActions
from understage.config.backend_settings import BackendActions
from understage.config.scaffolder_settings import ScaffolderSettings
from understage.errors import InputError, NotAllowedError, NotFoundError
from understage.identity.actions import ActionsRegistry
from understage.identity.audit import Auditor
from understage.identity.credentials import Credentials
from understage.scaffolder.actions import ActionRegistry
from understage.scaffolder.assembly import assemble
from understage.sdk.testing import fake_ports

CALLER = Credentials.service("plugin:scaffolder")


class NoCatalog:
    async def get_entities(self, refs: Sequence[str], _credentials: Credentials) -> list[None]:
        return [None] * len(refs)


@pytest.fixture
def offered(tmp_path: Path) -> TemplateActions:
    async def no_token(_credentials: Credentials) -> None:
        return None

    assembly = assemble(
        ActionRegistry.from_entry_points(),
        ScaffolderSettings(),
        catalog=NoCatalog(),
        authorizer=Permissions(),
        ports=lambda _credentials: fake_ports(),
        host_type=lambda _host: None,
        catalog_token=no_token,
        data_directory=tmp_path,
    )
    return TemplateActions(
        ActionsRegistry("understage", BackendActions(), Permissions()), lambda: assembly, Auditor("understage")
    )


async def test_each_is_listed_with_its_schemas(offered: TemplateActions) -> None:
    listed = {each["id"]: each for each in await offered.describe(CALLER)}
    assert listed.keys() == {f"understage:{name}" for name in OFFERED}
    for each in listed.values():
        assert each["schema"]["input"]["type"] == each["schema"]["output"]["type"] == "object"
        assert each["attributes"]["destructive"] is not each["attributes"]["readOnly"]


async def test_what_the_caller_rendered_is_not_rendered_again(offered: TemplateActions) -> None:
    input = {"data": {"text": "${{ secrets.USER_TOKEN }} ${{ parameters.input }}"}}
    made = await offered.invoke("understage:utils:serialize:json", input, None, CALLER)
    assert made == {"serialized": '{"text":"${{ secrets.USER_TOKEN }} ${{ parameters.input }}"}'}


@pytest.mark.parametrize(
    ("action", "input", "error", "message"),
    [
        ("utils:jsonata", {"data": {}, "expression": "$sum("}, InputError, "expression"),
        ("utils:jsonata", {"data": {}}, InputError, "Invalid input to action"),
        ("kubernetes:wait", {}, InputError, "Required"),
        ("debug:log", {"message": "x"}, NotFoundError, "not found"),
    ],
)
async def test_what_fails_says_why(
    offered: TemplateActions, action: str, input: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        await offered.invoke(f"understage:{action}", input, None, CALLER)


async def test_nobody_calls_them(offered: TemplateActions) -> None:
    with pytest.raises(NotAllowedError):
        await offered.invoke("understage:utils:serialize:json", {"data": 1}, None, Credentials.none())
