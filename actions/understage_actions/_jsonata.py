"""JSONata for the actions `utils:jsonata*`: evaluated by `_jsonata_process`, within limits of time and memory."""

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from understage.sdk import InputError

_PROGRAM = Path(__file__).with_name("_jsonata_process.py")
TIME_LIMIT = 20.0


async def evaluate(expression: str, data: Any) -> Any:
    """What the expression finds in `data` (any JSON); None for nothing.

    Raises InputError for an expression that fails, and for one that needs too much time or memory.
    """
    with tempfile.TemporaryDirectory(prefix="understage-jsonata-") as home:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-B", "-X", "utf8", str(_PROGRAM),
            cwd=home, env={"HOME": home}, start_new_session=True,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with asyncio.timeout(TIME_LIMIT):
                order = json.dumps({"expression": expression, "data": data}).encode()
                answer, _ = await process.communicate(order)
        except TimeoutError:
            raise _failed(f"it did not end within {TIME_LIMIT:g} seconds") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if process.returncode:
        raise _failed("it needs too much time or memory")
    found = json.loads(answer)
    if "error" in found:
        raise _failed(found["error"])
    return found.get("result")


def _failed(reason: str) -> InputError:
    return InputError(f"JSONata failed to evaluate the expression: {reason}")
