"""The guide for authors of templates prints what its commands print."""

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from tests.docs.markdown import ROOT, Block, Page

GUIDE = Page(ROOT / "docs/guides/templates.md")
BLOCKS = list(GUIDE.blocks)
PAIRS = [
    (block, following)
    for block, following in pairwise(BLOCKS)
    if block.language == "shell" and block.text.startswith("understage template ") and following.language == ""
]


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and output of the installed command; in a process of its own, as it configures the log of its process."""
    command = [str(Path(sys.executable).with_name("understage")), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout


def normal(text: str) -> str:
    return re.sub(r"\d+\.\d s", "… s", text)


@pytest.mark.parametrize(("command", "shown"), PAIRS, ids=[f"line {block.line}" for block, _ in PAIRS])
def test_a_command_prints_what_is_shown(command: Block, shown: Block) -> None:
    code, printed = run(ROOT, *command.text.split()[1:])
    assert (code, normal(printed)) == (0, normal(shown.text))


def test_all_four_commands_are_shown() -> None:
    shown = {block.text.split()[2] for block in BLOCKS if block.text.startswith("understage template ")}
    assert shown == {"lint", "test", "plan", "run"}
    assert len(PAIRS) == 3


def test_the_finding_of_the_guide_is_what_lint_says(tmp_path: Path) -> None:
    [shown] = [block.text for block in BLOCKS if block.text.startswith("skeleton/.github")]
    workflow = tmp_path / "skeleton/.github/workflows/publish.yaml"
    workflow.parent.mkdir(parents=True)
    line = re.findall(r"^ +8 \| (.*)$", shown, re.MULTILINE)[0]
    workflow.write_text("#\n" * 7 + line + "\n")
    template = (ROOT / "docs/examples/new-library/template.yaml").read_text("utf-8")
    (tmp_path / "template.yaml").write_text(template)
    assert run(tmp_path, "template", "lint", ".") == (1, f"{shown}1 entity in 1 file: 1 error\n")
