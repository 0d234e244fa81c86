"""The helm binary, present or absent."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from understage.errors import InputError, ServiceUnavailableError
from understage.model.yaml import parse_document
from understage.sdk.ports import PackedChart


def join_templates(chart: Path, release: str, namespace: str, values: Sequence[Path]) -> str:
    """The chart's templates as they are: Helm's `# Source:` headings, nothing evaluated."""
    files = sorted((chart / "templates").glob("**/*.yaml"))
    return "".join(f"---\n# Source: {file.relative_to(chart.parent)}\n{file.read_text('utf-8')}\n" for file in files)


@dataclass
class FakeHelm:
    """Renders with `render(chart, release, namespace, values)`. `available=False` is a machine without helm (the default).

    `findings` are what `lint` finds, `updated` the charts whose dependencies were asked for, `published` the packages
    that were pushed, by `oci://…/name:version`.
    """

    available: bool = False
    render: Callable[[Path, str, str, Sequence[Path]], str] = join_templates
    rendered: list[tuple[Path, str, str]] = field(default_factory=list)
    findings: Sequence[tuple[str, str]] = ()
    updated: list[Path] = field(default_factory=list)
    published: dict[str, bytes] = field(default_factory=dict)

    def is_available(self) -> bool:
        """Whether helm is there."""
        return self.available

    async def template(
        self,
        chart: Path,
        *,
        release: str,
        namespace: str,
        values: Sequence[Path] = (),
        include_crds: bool = False,
        kube_version: str | None = None,
        api_versions: Sequence[str] = (),
        timeout: float = 60.0,
    ) -> str:
        """Rendered manifests. Raises InputError for a folder that is no chart or a values file that is not there."""
        self._need(chart, *values)
        self.rendered.append((chart, release, namespace))
        return self.render(chart, release, namespace, values)

    async def lint(
        self, chart: Path, *, values: Sequence[Path] = (), namespace: str = "default", timeout: float = 60.0
    ) -> list[tuple[str, str]]:
        """The findings that were prepared."""
        self._need(chart, *values)
        return list(self.findings)

    async def update_dependencies(self, chart: Path, *, root: Path, timeout: float = 120.0) -> None:
        """Note the chart; nothing is fetched."""
        self._need(chart)
        self.updated.append(chart)

    async def package(
        self,
        chart: Path,
        directory: Path,
        *,
        version: str | None = None,
        app_version: str | None = None,
        timeout: float = 60.0,
    ) -> Path:
        """Pack the chart's files, the same bytes for the same files."""
        self._need(chart)
        about = parse_document((chart / "Chart.yaml").read_bytes(), "Chart.yaml").value
        package = directory / f"{about['name']}-{version or about['version']}.tgz"
        _pack(chart, about["name"], package)
        return package

    async def find_published(
        self, repository: str, name: str, version: str, *, timeout: float = 120.0
    ) -> PackedChart | None:
        """The chart that was pushed, or None."""
        self._need()
        content = self.published.get(f"{repository.rstrip('/')}/{name}:{version}")
        return None if content is None else _packed(content)

    async def push(self, package: Path, repository: str, *, timeout: float = 120.0) -> str:
        """Keep the package."""
        self._need()
        name, _, version = package.name.removesuffix(".tgz").partition("-")
        while version and not version[0].isdigit():
            more, _, version = version.partition("-")
            name = f"{name}-{more}"
        content = self.published[f"{repository.rstrip('/')}/{name}:{version}"] = _read(package)
        return _packed(content).digest

    def _need(self, chart: Path | None = None, *values: Path) -> None:
        if not self.available:
            raise ServiceUnavailableError("helm is not installed")
        for file in (*((chart / "Chart.yaml",) if chart else ()), *values):
            if not file.is_file():
                raise InputError(f"helm {file.parent.name}: open {file.name}: no such file or directory")


def _pack(chart: Path, name: str, package: Path) -> None:
    with gzip.GzipFile(package, "wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for file in sorted(path for path in chart.rglob("*") if path.is_file()):
            entry = tarfile.TarInfo(f"{name}/{file.relative_to(chart).as_posix()}")
            entry.size = file.stat().st_size
            archive.addfile(entry, io.BytesIO(file.read_bytes()))


def _read(file: Path) -> bytes:
    return file.read_bytes()


def _packed(content: bytes) -> PackedChart:
    sha256 = hashlib.sha256(content).hexdigest()
    return PackedChart(f"sha256:{hashlib.sha256(b'manifest of ' + content).hexdigest()}", sha256)
