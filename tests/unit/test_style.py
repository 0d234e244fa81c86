"""Rules of the code base that no linter knows: sizes, and where SQL is written."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE_BYTES = 30_000
FUNCTION_LINES = 80
MIGRATIONS = "backend/understage/platform/migrations/"

# Where statements are made. `store` folders hold one operation per file; the others have no road to be a stage of.
STATEMENTS = ("backend/understage/platform/", "backend/understage/identity/key_store.py")
# What the stages above a store know of the database: the transaction they hand down, and how it fails.
TRANSACTION_NAMES = {"AsyncConnection", "DBAPIError", "IntegrityError", "OperationalError", "exc"}
# The listener has to hold a connection of its own, beside the pool.
EXCEPTIONS = {("backend/understage/scaffolder/tasks/listener.py", "PoolProxiedConnection")}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources() -> Iterator[tuple[str, str]]:
    """Path and text of every module of the product, migrations apart."""
    for folder in ("backend", "actions"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith(MIGRATIONS):
                yield name, path.read_text("utf-8")


def own_lines(function: Function) -> int:
    """The lines of a function without those of the functions in it, as a router is a function full of functions."""
    inner = [node for node in ast.walk(function) if isinstance(node, Function) and node is not function]
    others = {line for node in inner for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    return len(set(range(function.lineno, (function.end_lineno or function.lineno) + 1)) - others)


def test_files_are_small() -> None:
    large = {name: len(text.encode()) for name, text in sources() if len(text.encode()) > FILE_BYTES}
    assert large == {}


def test_functions_are_small() -> None:
    large = {
        f"{name}:{node.lineno} {node.name}": own_lines(node)
        for name, text in sources()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, Function) and own_lines(node) > FUNCTION_LINES
    }
    assert large == {}


def test_sql_is_written_in_stores_only() -> None:
    strays = {
        f"{name}:{node.lineno} {alias.name}"
        for name, text in sources()
        if "/store/" not in name and not name.startswith(STATEMENTS)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if (getattr(node, "module", None) or alias.name).partition(".")[0] == "sqlalchemy"
        if alias.name not in TRANSACTION_NAMES and (name, alias.name) not in EXCEPTIONS
    }
    assert strays == set()
