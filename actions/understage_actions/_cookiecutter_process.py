"""Rendering with the cookiecutter library, as a program of its own. Started by `fetch:cookiecutter`, one process per step.

A process, because the library changes the working directory of the process it runs in, and because a template that never ends,
or eats all memory, can only be stopped from the outside. It reads one JSON object (`Order`) from its standard input and writes
one to its standard output: {} when all went well, else {"kind": "source" | "forbidden" | "limit" | "input", "message", "file"?,
"line"?}. It is started by path, isolated from the service's environment, and imports nothing of Understage.

Template code is confined three times: jinja2's sandbox keeps it from Python's objects, the audit hook keeps this process from
programs, sockets and files outside of the output folder, and limits of the operating system keep it small.
"""

import json
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

MIB = 1024 * 1024
MEMORY_LIMIT = 1024 * MIB
FILE_LIMIT = 32 * MIB
OUTPUT_LIMIT = 256 * MIB
MESSAGE_LIMIT = 2000

# cookiecutter loads its own five into every template; of jinja2's only those that add syntax, not access.
OWN_EXTENSIONS = frozenset(
    f"cookiecutter.extensions.{name}Extension" for name in ("Jsonify", "RandomString", "Slugify", "Time", "UUID")
)
EXTENSIONS = OWN_EXTENSIONS | {"jinja2.ext.do", "jinja2.ext.loopcontrols"}
ENVIRONMENT_OPTIONS = frozenset(
    {
        "autoescape", "block_end_string", "block_start_string", "comment_end_string", "comment_start_string",
        "line_comment_prefix", "line_statement_prefix", "lstrip_blocks", "newline_sequence", "trim_blocks",
        "variable_end_string", "variable_start_string",
    }
)  # fmt: skip

_PROGRAMS = (
    "subprocess.",
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "pty.",
    "socket.",
    "ctypes.",
)
# Audit events that change the file system, with the positions of their paths and of the folders they are relative to.
_CHANGES: Mapping[str, tuple[tuple[int, int | None], ...]] = {
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.link": ((0, 2), (1, 3)),
    "os.mkdir": ((0, 2),),
    "os.remove": ((0, 1),),
    "os.rename": ((0, 2), (1, 3)),
    "os.rmdir": ((0, 1),),
    "os.symlink": ((1, 2),),
    "os.truncate": ((0, None),),
    "os.utime": ((0, 3),),
    "shutil.rmtree": ((0, None),),
}


class Order(TypedDict):
    """What to render: the fetched folder, where to, the form's values, and what the step's input says about the template."""

    url: str
    contents: str
    output: str
    values: dict[str, Any]
    copy_without_render: list[str] | None
    extensions: list[str] | None


class RefusedError(Exception):
    """The template is at fault; `answer` says how."""

    def __init__(self, kind: str, message: str, file: str | None = None, line: int | None = None) -> None:
        super().__init__(message)
        self.answer: dict[str, Any] = {"kind": kind, "message": message[:MESSAGE_LIMIT], "file": file, "line": line}


class ForbiddenError(PermissionError):
    """The template reached for a program, the network or a file outside of the output folder."""


class OutgrownError(OSError):
    """The output is larger than the limit."""


def main() -> None:
    """Render the order on standard input; the process ends well whatever the template did."""
    order: Order = json.load(sys.stdin)
    try:
        _limit_process()
        render(order)
        answer: dict[str, Any] = {}
    except Exception as error:
        answer = explain(error).answer
        answer["message"] = answer["message"].replace(f"{order['output']}{os.sep}contents{os.sep}", "")
    json.dump(answer, sys.stdout)


def render(order: Order) -> None:
    """Render `contents` into `<output>/contents`, as a project folder of that name."""
    from cookiecutter import generate, prompt

    contents = Path(order["contents"])
    variables = read_variables(contents, order)
    environment = _sandbox(variables)
    # The library has no parameter for either: how templates are evaluated, and which folder is the project's.
    generate.create_env_with_context = prompt.create_env_with_context = lambda _context: environment
    generate.find_template = lambda _folder, _environment: contents
    _confine(Path(order["output"], contents.name))
    context: dict[str, Any] = {"cookiecutter": variables}
    context["_cookiecutter"] = {name: value for name, value in variables.items() if not name.startswith("_")}
    context["cookiecutter"] = {
        **prompt.prompt_for_config(context, no_input=True),
        "_template": order["url"],
        "_output_dir": ".",
        "_repo_dir": ".",
        "_checkout": None,
    }
    generate.generate_files(
        contents.parent, context, output_dir=order["output"], accept_hooks=False, keep_project_on_failure=True
    )


def read_variables(contents: Path, order: Order) -> dict[str, Any]:
    """The template's `cookiecutter.json` with the form's values over it, as Backstage's action merges them."""
    file = contents / "cookiecutter.json"
    try:
        variables = json.loads(file.read_bytes()) if file.is_file() else {}
    except json.JSONDecodeError as error:
        raise RefusedError("source", f"this is no JSON: {error.msg}", file.name, error.lineno) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise RefusedError("source", f"this is no JSON: {error}", file.name) from error
    if not isinstance(variables, dict):
        raise RefusedError("source", "the file must hold an object: variable to default value", file.name)
    if isinstance(variables.get("templates"), dict):
        folders = ", ".join(
            str(entry.get("path")) for entry in variables["templates"].values() if isinstance(entry, dict)
        )
        raise RefusedError("source", f"this is a collection of templates; let url lead to one of: {folders}", file.name)
    variables |= order["values"]
    if order["copy_without_render"] is not None:
        variables["_copy_without_render"] = order["copy_without_render"]
    if order["extensions"] is not None:
        variables["_extensions"] = order["extensions"]
    return variables


def _sandbox(variables: dict[str, Any]) -> Any:
    """cookiecutter's environment (its extensions, unknown variables are errors), evaluated in jinja2's sandbox."""
    from cookiecutter.environment import ExtensionLoaderMixin
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Sandbox(ExtensionLoaderMixin, ImmutableSandboxedEnvironment):  # type: ignore[misc] # cookiecutter is untyped here
        """What templates of this step are evaluated in."""

    options = _allowed_options(variables.pop("_jinja2_env_vars", {}))
    _check_extensions(variables.setdefault("_extensions", []))
    context = {"cookiecutter": variables}
    return Sandbox(context=context, undefined=StrictUndefined, keep_trailing_newline=True, **options)


def _check_extensions(extensions: Any) -> None:
    if not isinstance(extensions, list):
        raise RefusedError("input", "extensions (_extensions in cookiecutter.json) must be a list")
    refused = sorted(str(name) for name in extensions if name not in EXTENSIONS)
    if refused:
        raise RefusedError(
            "forbidden",
            f"extensions {', '.join(refused)} are not allowed, as an extension is code: use {', '.join(sorted(EXTENSIONS))}",
        )


def _allowed_options(options: Any) -> dict[str, Any]:
    if not isinstance(options, dict):
        raise RefusedError("source", "_jinja2_env_vars must be an object", "cookiecutter.json")
    if refused := sorted(set(options) - ENVIRONMENT_OPTIONS):
        raise RefusedError("forbidden", f"_jinja2_env_vars must not set {', '.join(refused)}", "cookiecutter.json")
    return options


def _limit_process() -> None:
    if sys.platform != "win32":  # where there are no such limits; the time limit of the caller holds everywhere
        import resource

        for limit, value in ((resource.RLIMIT_AS, MEMORY_LIMIT), (resource.RLIMIT_FSIZE, FILE_LIMIT)):
            resource.setrlimit(limit, (value, value))


def _confine(output: Path) -> None:
    """From here on this process starts no program, opens no socket and changes nothing outside of `output`."""
    root = os.path.realpath(output)
    last: Path | None = None
    written = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal last, written
        if event.startswith(_PROGRAMS):
            raise ForbiddenError(f"the template must not use {event}")
        for path, folder in _CHANGES.get(event, ()):
            _check_inside(arguments[path], root, -1 if folder is None else arguments[folder])
        if event == "open" and _writes(arguments) and isinstance(arguments[0], str | bytes):
            _check_inside(arguments[0], root)
            written += last.stat().st_size if last and last.exists() else 0
            last = Path(os.fsdecode(arguments[0]))
            if written > OUTPUT_LIMIT:
                raise OutgrownError(f"the output is larger than {OUTPUT_LIMIT // MIB} MiB")

    sys.addaudithook(watch)


def _writes(arguments: tuple[Any, ...]) -> bool:
    return bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND))


def _check_inside(path: str | bytes | int, root: str, folder: int | None = -1) -> None:
    """Raise ForbiddenError unless `path` (or open file), relative to the open `folder` if there is one, is below `root`."""
    if isinstance(path, int):
        name = str(_opened(path))
    else:
        name = str(Path("" if folder in (-1, None) else _opened(folder), os.fsdecode(path)))
    real = os.path.realpath(name)
    if real != root and not real.startswith(root + os.sep):
        raise ForbiddenError(f"a name leads out of the target folder: {os.path.relpath(name, root)}")


def _opened(descriptor: int | None) -> Path:
    return Path(
        f"/proc/self/fd/{descriptor}"
    ).readlink()  # where there is no /proc the call fails, which refuses as well


def explain(error: Exception) -> RefusedError:
    """What went wrong in words for the template's author, with the file and line of the template where they are known."""
    from cookiecutter.exceptions import UndefinedVariableInTemplate
    from jinja2.exceptions import SecurityError, TemplateError, TemplateSyntaxError

    if isinstance(error, RefusedError):
        return error
    if isinstance(error, UndefinedVariableInTemplate):
        file, line = _place(error.error)
        return RefusedError("source", f"{error.message}: {error.error.message}", file, line)
    file, line = _place(error)
    if isinstance(error, TemplateSyntaxError):
        return RefusedError("source", error.message or "syntax error", file or error.name, error.lineno)
    if isinstance(error, SecurityError | ForbiddenError):
        return RefusedError("forbidden", str(error), file, line)
    if isinstance(error, MemoryError | OutgrownError) or (
        isinstance(error, OSError) and error.strerror == "File too large"
    ):
        return RefusedError("limit", str(error) or "out of memory", file, line)
    message = str(error) if isinstance(error, TemplateError | ValueError) else f"{type(error).__name__}: {error}"
    return RefusedError("source", message, file, line)


def _place(error: BaseException) -> tuple[str | None, int | None]:
    """The innermost file of the template, relative to it; jinja2 puts templates into tracebacks as if they were modules."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(("<", os.sep))
    ]
    return (os.path.normpath(frames[-1].filename), frames[-1].lineno) if frames else (None, None)


if __name__ == "__main__":
    main()
