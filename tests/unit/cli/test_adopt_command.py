"""`understage adopt`, as it is called, on files of this machine."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
Adopt = Callable[..., "subprocess.CompletedProcess[str]"]
SAMPLES = ROOT / "tests" / "unit" / "adoption" / "samples"


@pytest.fixture
def adopt(helm_binary: Path, tmp_path: Path) -> Adopt:
    def run(*arguments: str, text: str | None = None) -> "subprocess.CompletedProcess[str]":
        chart = ("--chart", str(ROOT / "skeletons" / "charts" / "base-service"))
        rules = ("--rules", str(ROOT / "skeletons" / "policies" / "rules.yaml"))
        return subprocess.run(
            [str(Path(sys.executable).with_name("understage")), "adopt", *arguments, *chart, *rules],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{helm_binary.parent}{os.pathsep}{os.environ['PATH']}"},
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


def test_the_report_is_printed_and_nothing_written(adopt: Adopt, tmp_path: Path) -> None:
    (tmp_path / "app.yaml").write_text((SAMPLES / "plain" / "manifests.yaml").read_text())
    done = adopt(str(tmp_path), "--owner", "group:default/shop", "--namespace", "shop")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (SAMPLES / "plain" / "report.md").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["app.yaml"]


def test_files_are_written_when_asked_and_may_be_written_again(adopt: Adopt, tmp_path: Path) -> None:
    (tmp_path / "app.yaml").write_text((SAMPLES / "plain" / "manifests.yaml").read_text())
    for _ in range(2):
        done = adopt(str(tmp_path), "--owner", "group:default/shop", "--namespace", "shop", "--write")
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "deploy" / "ADOPTION.md").is_file()
    assert (tmp_path / "deploy" / "charts" / "base-service" / "values.schema.json").is_file()


def test_a_release_is_read_from_standard_input(adopt: Adopt) -> None:
    text = (SAMPLES / "as-is" / "app.yaml").read_text()
    done = adopt("-", "--owner", "group:default/shop", "--namespace", "shop", "--as-is", "--json", text=text)
    assert done.returncode == 1, "it breaks guardrails as it is"
    told = json.loads(done.stdout)
    assert told["services"][0]["keepsPods"] is True
    assert {each["object"] for each in told["services"][0]["violations"]} == {"Deployment/legacy", "Service/legacy"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing", "--owner", "group:default/a"], "There is no folder missing"),
        ([".", "--owner", "user:default/a"], "is no group"),
        ([".", "--owner", "group:default/a", "--gateway", "x"], "write NAMESPACE/NAME"),
        (["https://user:pass@git.example.com/a/b", "--owner", "group:default/a"], "without credentials"),
        ([".", "--owner", "group:default/a"], "has no Kubernetes objects"),
    ],
)
def test_what_cannot_be_read_is_told(adopt: Adopt, arguments: list[str], message: str) -> None:
    done = adopt(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "pass@" not in done.stderr
