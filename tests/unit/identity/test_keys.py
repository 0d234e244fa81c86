import asyncio
import json
import stat
from pathlib import Path

import pytest
from joserfc.jwk import ECKey
from tests.unit.identity.conftest import Clock

from understage.config.backend_settings import PluginKeyStore
from understage.errors import InputError
from understage.identity.keys import (
    FileKeyStore,
    KeyFile,
    MemoryKeyStore,
    RotatingKeys,
    StaticKeys,
    generate_key,
    publish,
)

HOUR = 3600


def test_nothing_is_published_before_something_is_signed() -> None:
    keys = RotatingKeys(MemoryKeyStore())
    assert asyncio.run(keys.public_jwks()) == {"keys": []}


def test_one_key_signs_for_an_hour_and_is_published_for_three(clock: Clock) -> None:
    async def live() -> None:
        keys = RotatingKeys(MemoryKeyStore(), clock=clock)
        first = await keys.signing_key()
        clock.now += HOUR - 1
        assert await keys.signing_key() is first
        clock.now += 1
        second = await keys.signing_key()
        assert second.kid != first.kid
        assert [key["kid"] for key in (await keys.public_jwks())["keys"]] == [first.kid, second.kid]
        clock.now += 2 * HOUR
        assert [key["kid"] for key in (await keys.public_jwks())["keys"]] == [second.kid]

    asyncio.run(live())


def test_signers_at_the_same_time_share_one_key() -> None:
    async def live() -> None:
        keys = RotatingKeys(MemoryKeyStore())
        found = await asyncio.gather(*(keys.signing_key() for _ in range(20)))
        assert len({key.kid for key in found}) == 1
        assert len((await keys.public_jwks())["keys"]) == 1

    asyncio.run(live())


def test_published_key_is_public_and_has_the_members_backstage_publishes() -> None:
    published = publish(generate_key(), 1.0).jwk
    assert list(published) == ["kty", "crv", "x", "y", "kid", "alg"]
    assert (published["kty"], published["crv"], published["alg"]) == ("EC", "P-256", "ES256")


def test_file_is_for_its_owner_and_survives_a_restart_without_private_keys(tmp_path: Path, clock: Clock) -> None:
    async def live() -> None:
        path = tmp_path / "data" / "keys.json"
        key = await RotatingKeys(FileKeyStore(KeyFile(path, clock=clock)), clock=clock).signing_key()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert json.loads(path.read_text())[0]["jwk"].keys() == {"kty", "crv", "x", "y", "kid", "alg"}
        after = RotatingKeys(FileKeyStore(KeyFile(path, clock=clock)), clock=clock)
        assert [jwk["kid"] for jwk in (await after.public_jwks())["keys"]] == [key.kid]
        clock.now += 4 * HOUR
        fresh = await after.signing_key()
        assert [row["kid"] for row in json.loads(path.read_text())] == [fresh.kid]
        assert [file.name for file in path.parent.iterdir()] == ["keys.json"]

    asyncio.run(live())


def test_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text('[{"kid": 1}]')
    with pytest.raises(InputError, match=r"is damaged .* delete it"):
        KeyFile(path).read()


def test_static_keys_come_from_files(tmp_path: Path) -> None:
    signing, old = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
    (tmp_path / "private.pem").write_bytes(signing.as_pem(private=True))
    (tmp_path / "public.pem").write_bytes(signing.as_pem(private=False))
    (tmp_path / "old.pem").write_bytes(old.as_pem(private=False))
    settings = PluginKeyStore.model_validate(
        {
            "type": "static",
            "static": {
                "keys": [
                    {"publicKeyFile": "public.pem", "privateKeyFile": "private.pem", "keyId": "new"},
                    {"publicKeyFile": "old.pem", "keyId": "old"},
                ]
            },
        }
    )
    keys = StaticKeys.from_settings(settings, tmp_path)
    published = asyncio.run(keys.public_jwks())["keys"]
    assert [(key["kid"], key["alg"]) for key in published] == [("new", "ES256"), ("old", "ES256")]
    assert all("d" not in key for key in published)
    assert asyncio.run(keys.signing_key()).kid == "new"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([], "At least one key pair"),
        ([{"publicKeyFile": "a", "keyId": "a"}], "Private key for signing must be provided"),
        ([{"publicKeyFile": "a", "privateKeyFile": "b", "keyId": "a"}], "cannot read .*a: No such file"),
        ([{"publicKeyFile": "a", "privateKeyFile": "b", "keyId": "a", "algorithm": "RS256"}], "RS256 is not supported"),
    ],
)
def test_static_keys_that_cannot_work_are_named(tmp_path: Path, keys: list[dict[str, str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        StaticKeys.from_settings(PluginKeyStore.model_validate({"static": {"keys": keys}}), tmp_path)
