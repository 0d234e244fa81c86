"""Building the page once and finding it again, with stand-ins for node and npm on the PATH: no network, no Node."""

import fcntl
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from understage.portal import PortalBuildError, build_portal, find_built_portal
from understage.portal.bundle import bundle_key

NPM = """#!/bin/sh
echo "$*" >> "$TRACES/npm"
env | cut -d= -f1 | sort > "$TRACES/environment"
mkdir node_modules
"""

NODE = """#!/bin/sh
if [ "$1" = --version ]; then echo v22.1.0; exit; fi
echo "$*" >> "$TRACES/node"
mkdir -p dist/static
echo '<head></head>' > dist/index.html.tmpl
echo 'build time' > dist/index.html
echo '{}' > dist/.config-schema.json
head -c 5000 /dev/zero > dist/static/main.js
echo '{}' > dist/static/main.js.map
echo tiny > dist/static/tiny.js
"""


class Machine:
    """A PATH of its own, an empty cache and a small frontend to build."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "bin"
        self.traces = folder / "traces"
        self.cache = folder / "cache"
        self.frontend = folder / "frontend"
        for new in (self.programs, self.traces, self.frontend / "src", self.frontend / "public"):
            new.mkdir(parents=True)
        packages = {"": {}, "node_modules/a": {}, "node_modules/b": {}, "node_modules/mac-only": {"os": ["darwin"]}}
        (self.frontend / "package.json").write_text("{}")
        (self.frontend / "package-lock.json").write_text(json.dumps({"packages": packages}))
        (self.frontend / "src" / "index.jsx").write_text("one")
        (self.frontend / "public" / "index.html").write_text("<head></head>")
        self.install("npm", NPM)
        self.install("node", NODE)
        self.said: list[str] = []

    def install(self, name: str, script: str) -> None:
        program = self.programs / name
        program.write_text(script)
        program.chmod(0o755)

    def uninstall(self, *names: str) -> None:
        for name in names:
            (self.programs / name).unlink()

    def build(self, *, force: bool = False) -> Path:
        return build_portal(self.said.append, force=force, frontend=self.frontend)

    def runs(self, name: str) -> list[str]:
        trace = self.traces / name
        return trace.read_text().splitlines() if trace.exists() else []

    def leftovers(self) -> list[str]:
        return sorted(path.name for path in (self.cache / "portal").glob(".work-*"))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    monkeypatch.setenv("PATH", f"{machine.programs}:/usr/bin:/bin")
    monkeypatch.setenv("TRACES", str(machine.traces))
    monkeypatch.setenv("UNDERSTAGE_CACHE", str(machine.cache))
    yield machine
    assert machine.leftovers() == []
    assert sorted(path.name for path in machine.frontend.iterdir()) == [
        "package-lock.json",
        "package.json",
        "public",
        "src",
    ]


def only_own_programs(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(machine.programs))


def test_a_build_keeps_what_a_server_needs_and_nothing_else(machine: Machine) -> None:
    assert find_built_portal(machine.frontend) is None

    built = machine.build()

    assert find_built_portal(machine.frontend) == built == machine.cache / "portal" / bundle_key(machine.frontend)
    files = sorted(path.relative_to(built).as_posix() for path in built.rglob("*") if path.is_file())
    assert files == ["build.json", "index.html.tmpl", "static/main.js", "static/main.js.gz", "static/tiny.js"]
    assert json.loads((built / "build.json").read_text())["node"] == "22.1.0"
    assert machine.runs("npm") == ["ci --ignore-scripts --no-audit --no-fund --legacy-peer-deps --include=dev"]
    assert machine.said[0].startswith("[1/3] installing about 2 npm packages")
    assert [line[:5] for line in machine.said[1:3]] == ["[2/3]", "[3/3]"]
    assert machine.said[3].startswith("built in ")
    assert machine.said[4:] == ["removing what it was built from"]


def test_a_second_build_is_a_hit_that_needs_no_node(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    built = machine.build()
    machine.uninstall("node", "npm")
    only_own_programs(machine, monkeypatch)
    machine.said.clear()

    assert machine.build() == built
    assert machine.said == []


def test_force_builds_again(machine: Machine) -> None:
    built = machine.build()

    assert machine.build(force=True) == built
    assert len(machine.runs("npm")) == 2


@pytest.mark.parametrize(
    "changed", ["package-lock.json", "package.json", "src/index.jsx", "public/index.html", "src/new.js"]
)
def test_a_change_of_any_input_is_another_bundle(machine: Machine, changed: str) -> None:
    built = machine.build()
    (machine.frontend / changed).write_text('{"packages": {"": {}}}')
    try:
        assert find_built_portal(machine.frontend) is None
        assert machine.build() != built
        assert built.exists()
    finally:
        (machine.frontend / "src" / "new.js").unlink(missing_ok=True)


def test_what_is_not_an_input_does_not_matter(machine: Machine) -> None:
    built = machine.build()
    (machine.frontend / "node_modules").mkdir()
    (machine.frontend / "node_modules" / "x.js").write_text("x")

    assert find_built_portal(machine.frontend) == built
    (machine.frontend / "node_modules" / "x.js").unlink()
    (machine.frontend / "node_modules").rmdir()


@pytest.mark.parametrize(
    ("missing", "named"), [(["node"], "node cannot"), (["npm"], "npm cannot"), (["node", "npm"], "node and npm cannot")]
)
def test_missing_programs_are_named_with_what_to_install(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, missing: list[str], named: str
) -> None:
    machine.uninstall(*missing)
    only_own_programs(machine, monkeypatch)

    with pytest.raises(
        PortalBuildError, match=f"Node.js 20 or newer.*{named} be found on the PATH.*understage portal build"
    ):
        machine.build()


def test_an_old_node_is_refused(machine: Machine) -> None:
    machine.install("node", "#!/bin/sh\necho v18.20.1\n")

    with pytest.raises(PortalBuildError, match=r"bin/node is version 18\.20\.1"):
        machine.build()


def test_a_failing_npm_shows_its_last_lines_and_leaves_nothing(machine: Machine) -> None:
    machine.install("npm", "#!/bin/sh\nseq 100\necho 'npm error code E404'\nexit 1\n")

    with pytest.raises(PortalBuildError) as caught:
        machine.build()

    lines = str(caught.value).splitlines()
    assert lines[0] == "Building the portal page failed: npm ci ended with exit code 1. Its last lines:"
    assert lines[1:] == [*(f"  {number}" for number in range(82, 101)), "  npm error code E404"]
    assert find_built_portal(machine.frontend) is None
    machine.install("npm", NPM)
    assert machine.build().is_dir()


def test_an_npm_that_fails_without_a_word_points_at_its_logs(machine: Machine) -> None:
    machine.install("npm", "#!/bin/sh\nexit 1\n")

    with pytest.raises(PortalBuildError, match=r"printed nothing; npm keeps logs in ~/\.npm/_logs"):
        machine.build()


def test_a_bundler_that_writes_nothing_is_a_failure(machine: Machine) -> None:
    machine.install("node", "#!/bin/sh\necho v22.1.0\n")

    with pytest.raises(PortalBuildError, match=r"wrote no dist/index\.html\.tmpl"):
        machine.build()


def test_a_failed_rebuild_keeps_the_bundle_there_is(machine: Machine) -> None:
    built = machine.build()
    machine.install("npm", "#!/bin/sh\nexit 1\n")

    with pytest.raises(PortalBuildError):
        machine.build(force=True)

    assert find_built_portal(machine.frontend) == built
    assert (built / "static" / "main.js").is_file()


def test_the_environment_does_not_change_what_is_built(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("APP_CONFIG_app_title", "NODE_ENV", "CI", "npm_config_omit"):
        monkeypatch.setenv(name, "production")

    machine.build()

    environment = (machine.traces / "environment").read_text().splitlines()
    assert "TRACES" in environment
    assert not {"APP_CONFIG_app_title", "NODE_ENV", "CI", "npm_config_omit"} & set(environment)


def test_two_builders_build_once(machine: Machine) -> None:
    machine.install("npm", NPM + "sleep 1\n")
    results: list[Path] = []
    builders = [threading.Thread(target=lambda: results.append(machine.build())) for _ in range(2)]

    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join(30)

    assert len(results) == 2
    assert results[0] == results[1]
    assert len(machine.runs("npm")) == 1


def test_a_build_is_stopped_from_another_thread(machine: Machine) -> None:
    machine.install("npm", '#!/bin/sh\nsleep 60 &\necho $! > "$TRACES/child"\nwait\n')
    stop = threading.Event()

    def stop_once_it_runs() -> None:
        while not machine.runs("child"):
            time.sleep(0.01)
        stop.set()

    threading.Thread(target=stop_once_it_runs, daemon=True).start()
    with pytest.raises(PortalBuildError, match="stopped"):
        build_portal(machine.said.append, stop=stop, frontend=machine.frontend)

    assert _ends_soon(int(machine.runs("child")[0]))


def test_waiting_for_another_builder_is_stopped_too(machine: Machine) -> None:
    (machine.cache / "portal").mkdir(parents=True)
    stop = threading.Event()
    with (machine.cache / "portal" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        threading.Timer(0.1, stop.set).start()

        with pytest.raises(PortalBuildError, match="stopped"):
            build_portal(machine.said.append, stop=stop, frontend=machine.frontend)


def test_what_a_killed_builder_left_is_swept_away(machine: Machine) -> None:
    leftover = machine.cache / "portal" / ".work-dead"
    (leftover / "project").mkdir(parents=True)

    machine.build()

    assert not leftover.exists()


def test_a_builder_that_is_interrupted_takes_npm_with_it(machine: Machine, request: pytest.FixtureRequest) -> None:
    machine.install("npm", '#!/bin/sh\nsleep 60 &\necho $! > "$TRACES/child"\nwait\n')
    started = threading.Event()

    def interrupt() -> None:
        while not machine.runs("child"):
            time.sleep(0.01)
        time.sleep(0.3)  # the builder is waiting for npm by then, as somebody's is who presses Ctrl-C
        started.set()
        os.kill(os.getpid(), signal.SIGINT)

    # A shell without job control has SIGINT ignored in what it starts with &.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        machine.build()

    assert started.is_set()
    assert _ends_soon(int(machine.runs("child")[0]))
    with (machine.cache / "portal" / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # free again


def _ends_soon(pid: int) -> bool:
    """A kill takes effect a moment later. Zombies have ended: whoever reaps orphans here may take a while."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_too_little_disk_is_noticed_before_the_download(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 500 * 1024**2})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)

    with pytest.raises(PortalBuildError, match=r"needs 2\.0 GB of disk.* has 500\.0 MB left.*UNDERSTAGE_CACHE"):
        machine.build()

    assert machine.runs("npm") == []
