"""Types of columns that both roads' tables use (`store/tables.py` of each). Migrations keep their own: they say what was once."""

from sqlalchemy import BigInteger, Integer, Text

BinaryText = Text().with_variant(Text(collation="C"), "postgresql")
"""Text in the order of its bytes, whatever the locale of the database."""

RowId = BigInteger().with_variant(Integer(), "sqlite")
"""A rowid on SQLite, an identity on PostgreSQL."""
