"""The cases beside the templates, as their authors run them."""

from tests.unit.skeletons.golden_path import SKELETONS
from typer.testing import CliRunner

from understage.cli.main import app


def test_every_case_is_as_expected() -> None:
    ran = CliRunner().invoke(app, ["template", "test", str(SKELETONS)])
    assert ran.exit_code == 0, ran.output
    for template in SKELETONS.glob("*/template.yaml"):
        assert f"{template.parent.name}.test.yaml" in ran.output
