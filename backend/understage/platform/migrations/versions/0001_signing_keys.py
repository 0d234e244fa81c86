"""Signing keys of the service's own tokens, shared by all replicas. Times are milliseconds since the epoch."""

import sqlalchemy as sa
from alembic import op

revision = "0001_signing_keys"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.Text, primary_key=True),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("signing_keys_by_issuer", "signing_keys", ["issuer", "expires_at"])


def downgrade() -> None:
    op.drop_table("signing_keys")
