"""`understage action`, as it is called, with the local git server of a folder: no forge, no server."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def understage(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return run_command(folder, "action", *arguments, **environment)


def run_command(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """The installed command, in a process of its own: it configures the log of its process."""
    command = [str(Path(sys.executable).with_name("understage")), *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app-config.yaml").write_text('backend: {baseUrl: "http://localhost:7007"}\n')
    return tmp_path


def test_actions_are_listed_and_shown(tmp_path: Path) -> None:
    listed = understage(tmp_path, "list", "gitops:", "--json")
    assert [each["id"] for each in json.loads(listed.stdout)] == ["gitops:commit", "gitops:promote", "gitops:rollback"]
    shown = understage(tmp_path, "show", "gitops:commit")
    assert shown.stdout.startswith("# gitops:commit\n")
    assert "| `sourcePath` | string | required |" in shown.stdout
    unknown = understage(tmp_path, "show", "gitops:comit")
    assert unknown.returncode == 2
    assert "There are gitops:commit" in unknown.stderr


def test_an_action_works_in_the_folder_that_is_named(folder: Path) -> None:
    (folder / "work").mkdir()
    (folder / "input.yaml").write_text("{owner: acme, name: shop, sourcePath: .}")
    (folder / "work" / "README.md").write_text("# Shop\n")
    command = ["run", "publish:repository", "--input", "input.yaml", "--workspace", "work"]
    dry = understage(folder, *command, "--dry-run")
    assert (dry.returncode, list(folder.rglob("shop.git"))) == (0, [])
    done = understage(folder, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("Starting up task with 1 steps\n[run] Beginning step publish:repository\n")
    assert "remoteUrl: http://localhost:7007/git/acme/shop.git" in done.stdout
    [repository] = folder.rglob("shop.git")
    readme = subprocess.run(
        ["git", "-C", repository, "show", "main:README.md"], capture_output=True, text=True, check=True
    )
    assert readme.stdout == "# Shop\n"


def test_secrets_come_by_environment_or_file_and_are_shown_nowhere(folder: Path) -> None:
    (folder / "secrets.yaml").write_text("two: from-a-file-0815")
    done = understage(
        folder, "run", "debug:log", "--set", "message=${{ secrets.one }} and ${{ secrets.two }}", "--json",
        "--secret", "one=ONE", "--secrets", "secrets.yaml", ONE="from-the-environment-4711",
    )  # fmt: skip
    assert done.returncode == 0
    told = done.stdout + done.stderr
    assert json.loads(done.stdout)["status"] == "completed"
    assert "***" in told
    assert not any(secret in told for secret in ("from-a-file-0815", "from-the-environment-4711"))
    given = understage(folder, "run", "debug:log", "--secret", "s3cret-itself")
    assert (given.returncode, "s3cret-itself" in given.stderr) == (2, False)


def test_exit_codes_tell_a_failure_from_what_could_not_be_run(folder: Path, tmp_path: Path) -> None:
    wrong = understage(folder, "run", "debug:log", "--set", "mesage=hi")
    assert wrong.returncode == 1
    assert "mesage" in wrong.stderr
    assert understage(folder, "run", "debug:logg").returncode == 2
    (tmp_path / "elsewhere").mkdir()
    nothing = understage(tmp_path / "elsewhere", "run", "debug:log")
    assert nothing.returncode == 2
    assert "There is no app-config.yaml" in nothing.stderr
