"""Query plans as text: which kind of node reads which table by which index, without costs and rows.

Limit
  Nested Loop
    Index Only Scan of search by search_by_key_value
    Index Scan of final_entities by final_entities_pkey
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncConnection

Statement = tuple[str, Any]
EXPLAINED = ("SELECT", "WITH", "UPDATE", "INSERT", "DELETE")


@contextmanager
def recorded() -> Iterator[list[Statement]]:
    """The statements, with their parameters, that are sent to any database in the block."""
    statements: list[Statement] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if statement.lstrip().upper().startswith(EXPLAINED):
            statements.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def shape(connection: AsyncConnection, statement: Statement) -> str:
    """The shape of the plan that PostgreSQL has for the statement with these parameters."""
    # Workers come and go with the size of the machine.
    await connection.execute(text("SET LOCAL max_parallel_workers_per_gather = 0"))
    sql, parameters = statement
    found = (await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON, COSTS OFF) {sql}", parameters)).scalar_one()
    plans = json.loads(found) if isinstance(found, str) else found
    return "\n".join(line for plan in plans for line in _lines(plan["Plan"], 0))


def _lines(node: Mapping[str, Any], depth: int) -> Iterator[str]:
    name = node["Node Type"]
    if name == "Memoize":
        # A cache that comes and goes with the last digit of an estimate.
        yield from _lines(node["Plans"][0], depth)
        return
    if node.get("Join Type", "Inner") != "Inner":
        name += f" {node['Join Type']}"
    if node.get("Operation"):
        name += f" {node['Operation']}"
    if "Relation Name" in node:
        name += f" of {node['Relation Name']}"
    if "Index Name" in node:
        name += f" by {node['Index Name']}"
    if node.get("Subplan Name"):
        name = f"{node['Subplan Name'].partition(' ')[0]}: {name}"
    yield "  " * depth + name
    for child in node.get("Plans", ()):
        yield from _lines(child, depth + 1)
