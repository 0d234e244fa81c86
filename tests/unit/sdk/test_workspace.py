"""Copies of the workspace for programs that want a path, and what is no plain file."""

import os
from pathlib import Path

import pytest

from understage.errors import InputError, NotAllowedError, NotFoundError
from understage.sdk import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    root = tmp_path / "workspace"
    (root / "chart" / "templates").mkdir(parents=True)
    (root / "chart" / "run").write_text("text")
    (root / "chart" / "run").chmod(0o755)
    (root / "chart" / "templates" / "a").write_text("a")
    (root / "chart" / "link").symlink_to("run")
    os.mkfifo(root / "chart" / "pipe")
    (root / "to-chart").symlink_to("chart")
    (root / "out").symlink_to(tmp_path)
    (tmp_path / "copies").mkdir()
    return Workspace(root)


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("relative", ["chart", "to-chart", "chart/../chart/."])
def test_a_frozen_folder_is_the_same_without_its_pipes(
    workspace: Workspace, tmp_path: Path, relative: str, links: bool
) -> None:
    copy = workspace.freeze(relative, tmp_path / "copies", links=links)
    assert copy == tmp_path / "copies" / "chart"
    assert sorted(path.relative_to(copy).as_posix() for path in copy.rglob("*")) == [
        "link",
        "run",
        "templates",
        "templates/a",
    ]
    assert (copy / "link").readlink() == Path("run")
    assert os.access(copy / "run", os.X_OK)
    (workspace.path / "chart" / "run").unlink()
    assert (copy / "run").read_text() == "text"


def test_what_is_written_into_copies_stays_there(workspace: Workspace, tmp_path: Path) -> None:
    copy = workspace.freeze(".", tmp_path / "copies", links=False)
    (copy / "chart" / "run").write_text("other")
    assert workspace.read_bytes("chart/run") == b"text"


def test_a_file_is_frozen_by_its_own_name(workspace: Workspace, tmp_path: Path) -> None:
    assert workspace.freeze("to-chart/link", tmp_path / "copies") == tmp_path / "copies" / "run"


@pytest.mark.parametrize(
    ("relative", "error"),
    [
        ("absent", NotFoundError),
        ("absent/file", NotFoundError),
        ("out", NotAllowedError),
        ("../copies", NotAllowedError),
    ],
)
def test_what_cannot_be_frozen(workspace: Workspace, tmp_path: Path, relative: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        workspace.freeze(relative, tmp_path / "copies")


@pytest.mark.parametrize(
    ("relative", "error"),
    [
        ("chart", InputError),
        ("chart/pipe", InputError),
        ("chart/run/below", InputError),
        ("absent", NotFoundError),
        ("out/copies", NotAllowedError),
        (".", NotAllowedError),
        ("a\0", NotAllowedError),
    ],
)
@pytest.mark.timeout(20)
def test_what_cannot_be_read(workspace: Workspace, relative: str, error: type[Exception]) -> None:
    """A pipe least of all: whoever opens it waits for somebody to write."""
    with pytest.raises(error):
        workspace.read_bytes(relative)
