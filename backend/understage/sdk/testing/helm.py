"""The helm binary, present or absent."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from understage.errors import InputError, ServiceUnavailableError


def join_templates(chart: Path, release: str, namespace: str, values: Sequence[Path]) -> str:
    """The chart's templates as they are: Helm's `# Source:` headings, nothing evaluated."""
    files = sorted((chart / "templates").glob("**/*.yaml"))
    return "".join(f"---\n# Source: {file.relative_to(chart.parent)}\n{file.read_text('utf-8')}\n" for file in files)


@dataclass
class FakeHelm:
    """Renders with `render(chart, release, namespace, values)`. `available=False` is a machine without helm (the default)."""

    available: bool = False
    render: Callable[[Path, str, str, Sequence[Path]], str] = join_templates
    rendered: list[tuple[Path, str, str]] = field(default_factory=list)

    def is_available(self) -> bool:
        """Whether helm is there."""
        return self.available

    async def template(
        self, chart: Path, *, release: str, namespace: str, values: Sequence[Path] = (), timeout: float = 60.0
    ) -> str:
        """Rendered manifests. Raises InputError for a folder that is no chart or a values file that is not there."""
        if not self.available:
            raise ServiceUnavailableError("helm is not installed")
        for file in (chart / "Chart.yaml", *values):
            if not file.is_file():
                raise InputError(f"helm template {chart.name}: open {file.name}: no such file or directory")
        self.rendered.append((chart, release, namespace))
        return self.render(chart, release, namespace, values)
