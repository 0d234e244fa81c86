"""Evaluates one JSONata expression, as a program of its own. Started by `_jsonata`, one process per expression.

A process, because an expression may never end or eat all memory, which only shows from the outside: the library's own limits
are not asked in a tail recursion, nor within a regular expression. It reads {"expression", "data"} from its standard input and
writes {"result"} (absent: nothing was found) or {"error"} to its standard output. It is started by path, isolated from the
service's environment, and imports nothing of Understage.
"""

import json
import resource
import sys
from typing import Any

MEMORY_BYTES = 512 * 1024 * 1024
PROCESSOR_SECONDS = 10
RESULT_BYTES = 8 * 1024 * 1024
MESSAGE_LENGTH = 500


def main() -> None:
    """Answer one order."""
    order = json.load(sys.stdin)
    from jsonata import Jsonata

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    sys.addaudithook(_refuse)
    try:
        expression = Jsonata(order["expression"])
        found = expression.evaluate(order["data"])
        answer = {} if found is None else {"result": _plain(found)}
        text = json.dumps(answer, allow_nan=False)
        if len(text) > RESULT_BYTES:
            text = json.dumps({"error": f"the result is larger than {RESULT_BYTES} bytes"})
    except MemoryError:
        text = json.dumps({"error": "it needs too much memory"})
    except RecursionError:
        text = json.dumps({"error": "it calls itself too often"})
    except Exception as error:  # whatever the library raises is about the expression
        text = json.dumps({"error": (str(error) or type(error).__name__)[:MESSAGE_LENGTH]})
    sys.stdout.write(text)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event.startswith(("subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.system", "socket.", "ctypes.")):
        raise PermissionError(f"{event} is not for expressions")


def _plain(value: Any) -> Any:
    """As JSON, whole numbers without a fraction, as JavaScript writes them; functions are nothing."""
    if isinstance(value, dict):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple | range):
        return [_plain(member) for member in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value if isinstance(value, str | int | float | bool) else None


if __name__ == "__main__":
    main()
