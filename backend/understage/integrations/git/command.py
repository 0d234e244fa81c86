"""One run of the git binary in a clean environment. Called by everything here that needs git.

What comes from outside (urls, branches, paths, repositories) must not make git do more than it was asked for: hooks, credential
helpers, prompts, user and system configuration are off, protocols are named per call, redirects are not followed, and
credentials travel in the environment only, bound to one origin. Errors repeat git's own words without the credentials.
"""

import asyncio
import base64
import os
import re
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from understage.errors import (
    ConflictError,
    ForeignError,
    InputError,
    NotAllowedError,
    NotFoundError,
    ServiceUnavailableError,
    UnderstageError,
)
from understage.sdk.ports import GitCredentials

KIB = 1024
DEFAULT_TIMEOUT = 300.0
OUTPUT_LIMIT = 64 * KIB * KIB

# What git itself needs of the service's environment: where programs are, and which certificates and proxies to use.
_PASSED_ON = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "TMPDIR", "SYSTEMROOT")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")

_ALWAYS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.autocrlf": "false",
    "core.symlinks": "false",
    "credential.helper": "",
    "http.followRedirects": "false",
    "submodule.recurse": "false",
    "commit.gpgSign": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "advice.detachedHead": "false",
}

_BRANCH = re.compile(r"(?!-)(?!.*(?:\.\.|@\{|//|/\.|\.lock(?:/|$)))(?![./])[^\x00-\x20~^:?*\[\\\x7f]{1,200}(?<![/.])")
_REFUSALS: tuple[tuple[str, type[UnderstageError]], ...] = (
    (r"authentication failed|could not read username|terminal prompts disabled|error: 40[13]\b", NotAllowedError),
    (r"remote branch .* not found|couldn't find remote ref|not a valid object name|invalid object name", NotFoundError),
    (r"repository .* not found|does not appear to be a git repository|error: 404\b|does not exist in", NotFoundError),
    (
        r"\[rejected\]|non-fast-forward|fetch first|\[remote rejected\]|failed to update ref|cannot lock ref",
        ConflictError,
    ),
)


@dataclass(frozen=True)
class Access:
    """Which remotes a run may reach: by these protocols, with `credentials` sent to the origin of `url` only."""

    protocols: tuple[str, ...] = ()
    url: str = ""
    credentials: GitCredentials | None = None


NO_ACCESS = Access()


@dataclass(frozen=True)
class GitCommand:
    """How git is run. `proxies` hands on the proxies of the service's environment; `config` is configuration for each run.

    `run` returns the standard output; it kills git when the time is over or the caller is cancelled.
    """

    timeout: float = DEFAULT_TIMEOUT
    proxies: bool = False
    config: Mapping[str, str] = field(default_factory=dict)

    async def run(
        self,
        *arguments: str,
        cwd: Path | None = None,
        git_dir: Path | None = None,
        work_tree: Path | None = None,
        access: Access = NO_ACCESS,
        environment: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        output_limit: int = OUTPUT_LIMIT,
    ) -> bytes:
        """Run `git <arguments>`; without `access` it reaches no remote.

        Raises NotAllowedError, NotFoundError, ConflictError for what git's words say so, ForeignError otherwise (also when
        the time is over or the output is above `output_limit` bytes), ServiceUnavailableError without a git binary.
        """
        binary = shutil.which("git")
        if binary is None:
            raise ServiceUnavailableError(
                "git is not installed where the service runs: install it (e.g. apt install git)"
            )
        full_environment = {
            **self.environment(access),
            **(environment or {}),
        }
        if git_dir is not None:
            full_environment["GIT_DIR"] = str(git_dir)
        if work_tree is not None:
            full_environment["GIT_WORK_TREE"] = str(work_tree)
        process = await asyncio.create_subprocess_exec(
            binary,
            *arguments,
            cwd=cwd,
            env=full_environment,
            stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        verb = arguments[0]
        try:
            async with asyncio.timeout(self.timeout):
                output, errors, _ = await asyncio.gather(
                    _read(process.stdout, output_limit),
                    _read(process.stderr, 64 * KIB, keep=True),
                    _write(process, stdin),
                )
                await process.wait()
        except TimeoutError as error:
            raise ForeignError(f"git {verb} took longer than {self.timeout:g} seconds and was stopped") from error
        finally:
            await end_process(process)
        if process.returncode != 0:
            raise explain(verb, _mask(errors.decode("utf-8", "replace"), access.credentials), process.returncode)
        return output

    def environment(self, access: Access = NO_ACCESS) -> dict[str, str]:
        """The whole environment of a run: nothing of the service's own but where programs and certificates are."""
        names = (*_PASSED_ON, *(_PROXIES if self.proxies else ()))
        environment = {name: os.environ[name] for name in names if name in os.environ}
        config = {**_ALWAYS, **self.config}
        if access.credentials is not None:
            config[f"http.{_origin(access.url)}/.extraHeader"] = f"Authorization: Basic {_basic(access.credentials)}"
        environment.update(
            {
                "HOME": "/nonexistent",
                "LC_ALL": "C",
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_CONFIG_GLOBAL": "/dev/null",
                "GIT_ATTR_NOSYSTEM": "1",
                "GIT_TERMINAL_PROMPT": "0",
                "GIT_ASKPASS": "",
                "SSH_ASKPASS": "",
                "GIT_OPTIONAL_LOCKS": "0",
                # An empty list would mean git's defaults; no protocol is called "none".
                "GIT_ALLOW_PROTOCOL": ":".join(access.protocols) or "none",
                "GIT_CONFIG_COUNT": str(len(config)),
            }
        )
        for index, (key, value) in enumerate(config.items()):
            environment[f"GIT_CONFIG_KEY_{index}"] = key
            environment[f"GIT_CONFIG_VALUE_{index}"] = value
        return environment


def find_git() -> str:
    """The git binary. Raises ServiceUnavailableError when there is none."""
    binary = shutil.which("git")
    if binary is None:
        raise ServiceUnavailableError("git is not installed where the service runs: install it (e.g. apt install git)")
    return binary


def check_branch(branch: str) -> str:
    """`branch`, when it is a name git takes and that cannot be read as an option. Raises InputError."""
    if not _BRANCH.fullmatch(branch) or branch == "HEAD" or branch == "@":
        raise InputError(f"{branch!r} is no valid branch name")
    return branch


def explain(verb: str, errors: str, status: int | None) -> UnderstageError:
    """The error of a failed git run: git's words on one line, classed by them."""
    lines = [line.strip() for line in errors.splitlines() if line.strip() and not line.startswith(("hint:", "To "))]
    text = " | ".join(lines)[:2000] or f"exit status {status}"
    message = f"git {verb} failed: {text}"
    for pattern, error_class in _REFUSALS:
        if re.search(pattern, text, re.IGNORECASE):
            hint = ". The credentials for it are missing or were refused" if error_class is NotAllowedError else ""
            return error_class(message + hint)
    return ForeignError(message)


async def _read(stream: asyncio.StreamReader | None, limit: int, *, keep: bool = False) -> bytes:
    """All of a stream; above `limit` bytes it fails, or with `keep` the rest is dropped."""
    assert stream is not None
    kept = bytearray()
    while chunk := await stream.read(64 * KIB):
        if len(kept) + len(chunk) > limit and not keep:
            raise ForeignError(f"git gave more than {limit} bytes")
        kept += chunk[: max(0, limit - len(kept))]
    return bytes(kept)


async def _write(process: asyncio.subprocess.Process, data: bytes | None) -> None:
    if process.stdin is None or data is None:
        return
    with suppress(BrokenPipeError, ConnectionResetError):
        if not process.stdin.is_closing():
            process.stdin.write(data)
            await process.stdin.drain()
    process.stdin.close()


async def end_process(process: asyncio.subprocess.Process) -> None:
    """Kill what is left of git and the programs it started; reaps it even when the caller is cancelled."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.shield(process.wait())


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _basic(credentials: GitCredentials) -> str:
    return base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()


def _mask(text: str, credentials: GitCredentials | None) -> str:
    text = re.sub(r"(?<=://)[^/@\s]+@", "***@", text)
    if credentials is not None:
        for secret in (_basic(credentials), credentials.password):
            if len(secret) > 1:
                text = text.replace(secret, "***")
    return text
