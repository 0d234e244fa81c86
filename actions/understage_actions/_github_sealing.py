"""Secrets for GitHub: sealed for the public key of a repository or environment (libsodium's sealed boxes), then stored."""

import base64
import binascii
from collections.abc import Mapping

from understage.sdk import ForeignError
from understage_actions._calls import Calls, segment

PLANNED_KEY = {"key": "", "key_id": ""}
SEALED = ("encrypted_value", "key_id")


async def store_secrets(calls: Calls, secrets_path: str, secrets: Mapping[str, str], *, key: str) -> None:
    """Store each secret below `secrets_path` (`…/actions/secrets` of a repository, `…/secrets` of an environment)."""
    if not secrets:
        return
    public = await calls.find(f"{secrets_path}/public-key")
    if public is None:
        # In a dry run the repository may be one that is only about to be made.
        public = PLANNED_KEY if calls.ctx.is_dry_run else await calls.read(f"{secrets_path}/public-key")
    for name, value in secrets.items():
        sealed = "" if calls.ctx.is_dry_run else seal(public["key"], value)
        await calls.write(
            "PUT",
            f"{secrets_path}/{segment(name)}",
            {"encrypted_value": sealed, "key_id": public["key_id"]},
            key=f"{key}.{name}",
            hide=SEALED,
        )


def seal(public_key: str, value: str) -> str:
    """`value` sealed for a public key, both in base64. Raises ForeignError for a key that is none."""
    from nacl.exceptions import CryptoError
    from nacl.public import PublicKey, SealedBox

    try:
        box = SealedBox(PublicKey(base64.b64decode(public_key, validate=True)))
    except (CryptoError, ValueError, TypeError, binascii.Error) as error:
        raise ForeignError("GitHub gave a public key for secrets that is none: try again later") from error
    return base64.b64encode(box.encrypt(value.encode())).decode()
