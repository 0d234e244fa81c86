"""Public keys of a plugin in the database: what one replica signed, every replica vouches for."""

import json
from collections.abc import Sequence

from sqlalchemy import BigInteger, Column, MetaData, Table, Text, delete, insert, select

from understage.identity.keys import PublicKey
from understage.platform.database import Database, now_ms

signing_keys = Table(
    "signing_keys",
    MetaData(),
    Column("kid", Text, primary_key=True),
    Column("issuer", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)


class DatabaseKeyStore:
    """The keys one plugin (`issuer`) publishes; those that expired are dropped when one is added."""

    def __init__(self, database: Database, issuer: str) -> None:
        self._database = database
        self._issuer = issuer

    async def add(self, key: PublicKey) -> None:
        """Publish a key."""
        async with self._database.write() as connection:
            await connection.execute(delete(signing_keys).where(signing_keys.c.expires_at < now_ms()))
            await connection.execute(
                insert(signing_keys).values(
                    kid=key.kid,
                    issuer=self._issuer,
                    key=json.dumps(key.jwk),
                    created_at=now_ms(),
                    expires_at=int(key.expires_at * 1000),
                )
            )

    async def list(self) -> Sequence[PublicKey]:
        """All keys of the plugin, of all replicas."""
        query = select(signing_keys.c.kid, signing_keys.c.key, signing_keys.c.expires_at)
        async with self._database.read() as connection:
            rows = await connection.execute(query.where(signing_keys.c.issuer == self._issuer))
            return [PublicKey(kid, json.loads(key), expires_at / 1000) for kid, key, expires_at in rows]
