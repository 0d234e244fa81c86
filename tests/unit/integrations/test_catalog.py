"""The catalog port: what it sends, and what refusals become."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from understage.errors import ConflictError, ForeignError, InputError, NotAllowedError, UnderstageError
from understage.integrations.catalog import HttpCatalog


@dataclass
class Answering:
    status: int
    body: Any
    sent: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(
        self, url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, json: Any = None
    ) -> "Answering":
        self.sent.append({"url": url, "method": method, "headers": dict(headers or {}), "json": json})
        return self


def catalog(fetch: Answering, token: str | None = "t0ken") -> HttpCatalog:
    async def token_of() -> str | None:
        return token

    return HttpCatalog(fetch, "http://catalog/api/catalog", token_of)


async def test_entities_are_asked_by_reference() -> None:
    fetch = Answering(200, {"items": [{"kind": "Component"}, None]})
    port = catalog(fetch)
    assert await port.get_entities(["component:default/a", "component:default/b"]) == [{"kind": "Component"}, None]
    assert fetch.sent == [
        {
            "url": "http://catalog/api/catalog/entities/by-refs",
            "method": "POST",
            "headers": {"Authorization": "Bearer t0ken"},
            "json": {"entityRefs": ["component:default/a", "component:default/b"]},
        }
    ]
    with pytest.raises(ForeignError, match="another number of entities"):
        await port.get_entities(["component:default/a"])


async def test_a_location_is_registered_or_tried() -> None:
    fetch = Answering(201, {"location": {}, "entities": []})
    port = catalog(fetch, token=None)
    assert await port.add_location("https://x/y.yaml") == {"location": {}, "entities": []}
    await port.add_location("https://x/y.yaml", dry_run=True)
    assert [sent["url"] for sent in fetch.sent] == [
        "http://catalog/api/catalog/locations",
        "http://catalog/api/catalog/locations?dryRun=true",
    ]
    assert fetch.sent[0]["json"] == {"type": "url", "target": "https://x/y.yaml"}
    assert fetch.sent[0]["headers"] == {}


@pytest.mark.parametrize(
    ("status", "body", "error", "message"),
    [
        (409, {"error": {"message": "Location url:x already exists"}}, ConflictError, "Location url:x already exists"),
        (400, {"error": {"message": "NotFoundError: no file"}}, InputError, "NotFoundError: no file"),
        (403, {"error": {"message": "Unauthorized"}}, NotAllowedError, "Unauthorized"),
        (502, None, ForeignError, "status 502"),
        (500, {"oops": 1}, ForeignError, "status 500"),
    ],
)
async def test_refusals_keep_the_catalogs_words(
    status: int, body: object, error: type[UnderstageError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        await catalog(Answering(status, body)).add_location("https://x/y.yaml")
    assert "t0ken" not in str(caught.value)
