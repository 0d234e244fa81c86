"""fetch:cookiecutter with the real library: what it renders, and what hostile templates do not get."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any

import pytest

from understage.errors import InputError, NotAllowedError, SourceError
from understage.sdk import Example, TemplateInfo
from understage.sdk.testing import ActionResult, FakeReader, fake_ports, run_action
from understage_actions import _cookiecutter_process
from understage_actions import fetch_cookiecutter as module
from understage_actions.fetch_cookiecutter import fetch_cookiecutter

BINARY = bytes(range(256)) * 8 + b"{{ cookiecutter.name }}"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    path = tmp_path / "workspace"
    path.mkdir()
    return path


@pytest.fixture
def skeleton(tmp_path: Path) -> Path:
    folder = tmp_path / "template" / "skeleton"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder whose configuration of cookiecutter would show in every result."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / ".cookiecutterrc").write_text("default_context: {name: from-the-home-folder}\n")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("COOKIECUTTER_CONFIG", str(folder / ".cookiecutterrc"))
    return folder


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def tree(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


async def render(workspace: Path, skeleton: Path, **input: Any) -> ActionResult:
    template = TemplateInfo("template:default/x", base_url=(skeleton.parent / "template.yaml").as_uri())
    return await run_action(
        fetch_cookiecutter,
        {"url": "./skeleton", "values": {"name": "web"}, **input},
        workspace=workspace,
        ports=fake_ports(),
        template=template,
    )


async def refused(run: Awaitable[ActionResult]) -> str:
    with pytest.raises((InputError, NotAllowedError)) as caught:
        await run
    return str(caught.value)


async def test_names_contents_and_modes(workspace: Path, skeleton: Path, home: Path) -> None:
    write(
        skeleton,
        {
            "{{cookiecutter.name}}/{{cookiecutter.name}}.txt": "I am {{ cookiecutter.name|upper }}\n",
            "run.sh": "#!/bin/sh\n",
            "slug": "{{ 'A b' | slugify }} {{ [1] | jsonify }}",
        },
    )
    (skeleton / "run.sh").chmod(0o755)
    (skeleton / "image").write_bytes(BINARY)
    result = await render(workspace, skeleton, targetPath="out")
    out = workspace / "out"
    assert (out / "image").read_bytes() == BINARY
    (out / "image").unlink()
    assert tree(out) == {"web/web.txt": "I am WEB\n", "run.sh": "#!/bin/sh\n", "slug": "a-b [\n    1\n]"}
    assert os.access(out / "run.sh", os.X_OK)
    assert result.log == [
        "Fetching and then templating using cookiecutter",
        f"cookiecutter has written 4 files to {out}",
    ]
    assert [path.name for path in home.iterdir()] == [".cookiecutterrc"]


async def test_a_remote_template(workspace: Path) -> None:
    url = "https://github.com/acme/skeletons/tree/main/service"
    await run_action(
        fetch_cookiecutter,
        {"url": url, "values": {"name": "web"}},
        workspace=workspace,
        ports=fake_ports(
            reader=FakeReader({f"{url}/a.txt": "{{ cookiecutter.name }} of {{ cookiecutter._template }}"})
        ),
    )
    assert tree(workspace) == {"a.txt": f"web of {url}"}


async def test_values_stand_above_the_defaults_of_the_template(workspace: Path, skeleton: Path) -> None:
    defaults = {"name": "default", "slug": "{{ cookiecutter.name|lower }}-svc", "licence": ["MIT", "BSD"], "n": 3}
    write(
        skeleton,
        {
            "cookiecutter.json": json.dumps(defaults),
            "a": "{{ cookiecutter.slug }} {{ cookiecutter.licence }} {{ cookiecutter.n }}",
        },
    )
    await render(workspace, skeleton, values={"name": "Web"})
    assert (workspace / "a").read_text() == "web-svc MIT 3"
    await render(workspace, skeleton, values={"slug": "other", "licence": "BSD"})
    assert (workspace / "a").read_text() == "other BSD 3"


@pytest.mark.parametrize("place", ["input", "template"])
async def test_copy_without_render(workspace: Path, skeleton: Path, place: str) -> None:
    patterns = ["*.tpl", "raw"]
    write(
        skeleton,
        {
            "{{cookiecutter.name}}.tpl": "{{ .Values }}",
            "raw/{{x}}": "{{ y }}",
            "cookiecutter.json": json.dumps({"_copy_without_render": patterns} if place == "template" else {}),
        },
    )
    await render(workspace, skeleton, **({"copyWithoutRender": patterns} if place == "input" else {}))
    rendered = tree(workspace)
    rendered.pop("cookiecutter.json")
    assert rendered == {"web.tpl": "{{ .Values }}", "raw/{{x}}": "{{ y }}"}


async def test_of_two_raw_folders_with_one_name_the_last_stays(workspace: Path, skeleton: Path) -> None:
    write(skeleton, {"x/one": "{{", "{{cookiecutter.name}}/two": "{{"})
    await render(workspace, skeleton, values={"name": "x"}, copyWithoutRender=["*"])
    assert tree(workspace) in ({"x/one": "{{"}, {"x/two": "{{"})


async def test_of_two_folders_with_one_name_the_second_fails(workspace: Path, skeleton: Path) -> None:
    write(skeleton, {"x/one": "1", "{{cookiecutter.name}}/two": "2"})
    with pytest.raises(InputError, match='Error: "x" directory already exists'):
        await render(workspace, skeleton, values={"name": "x"})


@pytest.mark.parametrize("example", fetch_cookiecutter.examples, ids=lambda example: example.description)
async def test_the_examples_run(workspace: Path, skeleton: Path, example: Example) -> None:
    write(skeleton, {"README.md": "{{ cookiecutter.name }}", "charts/web/templates/a.yaml": "plain"})
    await render(workspace, skeleton, **example.input)
    (readme,) = workspace.rglob("README.md")
    assert readme.read_text() == "web"


async def test_extensions_and_delimiters(workspace: Path, skeleton: Path) -> None:
    write(
        skeleton,
        {
            "a": "<% for i in range(9) %><% if i == 3 %><% break %><% endif %><< i >><% endfor %>",
            "cookiecutter.json": json.dumps(
                {
                    "_copy_without_render": ["cookiecutter.json"],
                    "_extensions": ["jinja2.ext.loopcontrols"],
                    "_jinja2_env_vars": {
                        "block_start_string": "<%", "block_end_string": "%>",
                        "variable_start_string": "<<", "variable_end_string": ">>",
                    },
                }
            ),
        },
    )  # fmt: skip
    await render(workspace, skeleton)
    assert (workspace / "a").read_text() == "012"


async def test_the_service_keeps_its_working_directory(workspace: Path, skeleton: Path) -> None:
    write(skeleton, {f"f{number}": "{{ cookiecutter.name }}" for number in range(50)})
    before, seen = Path.cwd(), set()
    run = asyncio.create_task(render(workspace, skeleton))
    while not run.done():
        seen.add(Path.cwd())
        await asyncio.sleep(0.001)
    await run
    assert seen == {before}


@pytest.mark.parametrize("hook", ["hooks/pre_gen_project.py", "hooks/post_gen_project.sh", "hooks/pre_prompt.py"])
async def test_hooks_are_not_run(workspace: Path, skeleton: Path, tmp_path: Path, hook: str) -> None:
    proof = tmp_path / "hook-ran"
    code = f"open({str(proof)!r}, 'w')\n" if hook.endswith(".py") else f"#!/bin/sh\ntouch {proof}\n"
    write(skeleton, {hook: code, "a": "x"})
    (skeleton / hook).chmod(0o755)
    result = await render(workspace, skeleton)
    assert not proof.exists()
    assert tree(workspace) == {"a": "x", hook: code}
    assert "The hooks of the template are not run" in result.log


@pytest.mark.parametrize(
    "expression",
    [
        "''.__class__",
        "''.__class__.__mro__[1].__subclasses__()",
        "''['__class__']",
        "''|attr('__class__')",
        "lipsum.__globals__",
        "uuid4.__globals__['uuid'].os",
        "cycler.__init__.__globals__.os.popen('id').read()",
        "'{0.__class__}'.format(1)",
        "'{a.__class__}'.format_map({'a': 1})",
        "self._TemplateReference__context.environment.loader",
        "cookiecutter.clear()",
        "cookiecutter.update({'a': 1})",
    ],
)
async def test_the_sandbox(workspace: Path, skeleton: Path, expression: str) -> None:
    write(skeleton, {"ok": "x", "src/bad.txt": "fine\n{{ " + expression + " }}"})
    assert re.search(r"src/bad\.txt:2: .*(unsafe|undefined|not safe)", await refused(render(workspace, skeleton)))
    assert tree(workspace) == {}


async def test_names_and_defaults_are_evaluated_in_the_sandbox_too(workspace: Path, skeleton: Path) -> None:
    write(skeleton, {"cookiecutter.json": json.dumps({"a": "{{ ''.__class__ }}"})})
    with pytest.raises(NotAllowedError, match="unsafe"):
        await render(workspace, skeleton)
    (skeleton / "cookiecutter.json").unlink()
    with pytest.raises(NotAllowedError, match="unsafe"):
        await render(workspace, skeleton, values={"a": "{{ ''.__class__ }}"})
    write(skeleton, {"{{ ''.__class__ }}": ""})
    with pytest.raises(NotAllowedError, match="unsafe"):
        await render(workspace, skeleton)
    assert tree(workspace) == {}


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "../../../../evil", "..", "../contents-evil", "TMP/evil"])
@pytest.mark.parametrize("kind", ["folder", "file", "raw folder", "raw file"])
async def test_names_that_lead_out_of_the_target(
    workspace: Path, skeleton: Path, tmp_path: Path, name: str, kind: str
) -> None:
    write(skeleton, {"{{cookiecutter.name}}" + ("/x" if "folder" in kind else ""): "x"})
    values = {"name": name.replace("TMP", str(tmp_path))}
    raw = {"copyWithoutRender": ["{{cookiecutter.name}}"]} if "raw" in kind else {}
    run = render(workspace, skeleton, targetPath="out", values=values, **raw)
    if (kind, name) in {("file", ".."), ("raw folder", "TMP/evil")}:  # no name at all, and taken as relative
        await run
    else:
        refusal = await refused(run)
        assert "leads out of the target folder" in refusal or "cannot render" in refusal
        assert str(tmp_path) not in refusal
    assert not list(tmp_path.glob("*evil*"))
    assert not list(tmp_path.parent.glob("*evil*"))
    assert not list(workspace.glob("*evil*"))


@pytest.mark.parametrize(
    "code",
    [
        "import subprocess; subprocess.run(['touch', 'PROOF'])",
        "import os; os.system('touch PROOF')",
        "import os; os.fork()",
        "import os; os.execv('/bin/touch', ['touch', 'PROOF'])",
        "import socket; socket.socket()",
        "import socket; socket.getaddrinfo('localhost', 80)",
        "open('PROOF', 'w')",
        "import os; os.open('PROOF', os.O_CREAT | os.O_WRONLY)",
        "import os; os.mkdir('PROOF')",
        "import os; os.symlink('/etc', 'PROOF')",
        "import os; os.rename('inside/a', 'PROOF')",
        "import shutil; shutil.rmtree('other')",
        "import os; os.unlink('a', dir_fd=os.open('other', os.O_RDONLY))",
        "import os; os.chmod(os.open('other/a', os.O_RDONLY), 0)",
    ],
)
def test_code_that_got_out_of_the_sandbox_is_confined(tmp_path: Path, code: str) -> None:
    for name in ("inside", "other"):
        write(tmp_path / name, {"a": "x"})
    program = (
        f"import runpy, socket, subprocess, shutil\n"
        f"names = runpy.run_path({str(_cookiecutter_process.__file__)!r})\n"
        f"names['_confine'](names['Path']('inside'))\n"
        f"open('inside/b', 'w').close()\n"
        f"{code.replace('PROOF', str(tmp_path / 'proof'))}\n"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "ForbiddenError" in result.stderr
    assert tree(tmp_path / "inside") == {"a": "x", "b": ""}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "inside", "other"]
    assert tree(tmp_path / "other") == {"a": "x"}


@pytest.mark.parametrize("link", ["/etc/passwd", "../../outside", "/etc"])
async def test_links_out_of_the_template(workspace: Path, skeleton: Path, link: str) -> None:
    write(skeleton, {"a": "x"})
    (skeleton / "link").symlink_to(link)
    with pytest.raises(NotAllowedError, match="symbolic link"):
        await render(workspace, skeleton)
    assert tree(workspace) == {}


async def test_links_in_the_workspace_are_not_written_through(workspace: Path, skeleton: Path, tmp_path: Path) -> None:
    write(skeleton, {"link/a": "x"})
    (tmp_path / "outside").mkdir()
    (workspace / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(NotAllowedError):
        await render(workspace, skeleton)
    assert tree(tmp_path / "outside") == {}
    with pytest.raises(NotAllowedError):
        await render(workspace, skeleton, targetPath="../out")


@pytest.mark.parametrize("include", ["../cookiecutter.json", "/etc/passwd", "../../../../etc/passwd", "../templates/x"])
async def test_includes_stay_in_the_template(workspace: Path, skeleton: Path, include: str) -> None:
    write(skeleton, {"a": "{% include '" + include + "' %}"})
    with pytest.raises(InputError, match="a:1: "):
        await render(workspace, skeleton)


@pytest.mark.parametrize(
    "name", ["local_extensions.Evil", "os.system", "jinja2.ext.debug", "jinja2_time.TimeExtension"]
)
async def test_extensions_are_not_loaded_from_elsewhere(
    workspace: Path, skeleton: Path, tmp_path: Path, name: str
) -> None:
    proof = tmp_path / "extension-ran"
    write(skeleton, {"local_extensions.py": f"open({str(proof)!r}, 'w')"})
    with pytest.raises(NotAllowedError, match=f"extensions {name} are not allowed.*jinja2.ext.do"):
        await render(workspace, skeleton, extensions=[name])
    write(skeleton, {"cookiecutter.json": json.dumps({"_extensions": [name]})})
    with pytest.raises(NotAllowedError, match=f"extensions {name} are not allowed"):
        await render(workspace, skeleton)
    assert not proof.exists()


@pytest.mark.parametrize("option", ["loader", "extensions", "undefined", "bytecode_cache", "finalize", "cache_size"])
async def test_options_of_the_environment(workspace: Path, skeleton: Path, option: str) -> None:
    write(skeleton, {"cookiecutter.json": json.dumps({"_jinja2_env_vars": {option: "x"}})})
    with pytest.raises(NotAllowedError, match=f"must not set {option}"):
        await render(workspace, skeleton)


async def test_a_template_without_end_is_stopped(
    workspace: Path, skeleton: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIME_LIMIT", 2.0)
    loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% set c = a * b %}{% endfor %}{% endfor %}"
    write(skeleton, {"a": loops})
    with pytest.raises(InputError, match="within 2 seconds"):
        await render(workspace, skeleton)
    assert tree(workspace) == {}


async def test_a_cancelled_step_leaves_no_process(workspace: Path, skeleton: Path) -> None:
    write(skeleton, {"a": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"})
    run = asyncio.create_task(render(workspace, skeleton))
    await asyncio.sleep(1)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    assert not children.exists() or all(
        "_cookiecutter_process" not in Path(f"/proc/{pid}/cmdline").read_text() for pid in children.read_text().split()
    )


@pytest.mark.parametrize("content", ["{{ 'x' * 10**10 }}", "{{ 'x' * 50000000 }}", "{{ [0] * 10**9 }}"])
async def test_a_template_that_grows_without_bounds(workspace: Path, skeleton: Path, content: str) -> None:
    write(skeleton, {"a": content})
    with pytest.raises(InputError, match=r"needs too much|too large"):
        await render(workspace, skeleton)
    assert tree(workspace) == {}


@pytest.mark.parametrize(
    ("files", "place"),
    [
        ({"a.md": "one\n{{ cookiecutter.nme }}"}, r"^a\.md:2: .*nme"),
        ({"docs/a.md": "one\n{% if %}"}, r"^docs/a\.md:2: Expected an expression"),
        ({"a.md": "{{ 1 | nosuch }}"}, r"^a\.md:1: No filter named 'nosuch'"),
        ({"cookiecutter.json": '{\n"a": }'}, r"^cookiecutter\.json:2: this is no JSON"),
        ({"cookiecutter.json": "[" * 100_000}, r"^cookiecutter\.json: this is no JSON"),
        ({"cookiecutter.json": "[]"}, r"^cookiecutter\.json: the file must hold an object"),
        ({"cookiecutter.json": '{"templates": {"a": {"path": "./a"}}}'}, r"^cookiecutter\.json: .*one of: \./a"),
    ],
)
async def test_errors_name_the_place(workspace: Path, skeleton: Path, files: dict[str, str], place: str) -> None:
    write(skeleton, files)
    with pytest.raises(SourceError, match=place):
        await render(workspace, skeleton)


async def test_stock_inputs(workspace: Path, skeleton: Path) -> None:
    write(skeleton, {"a": "x"})
    result = await render(workspace, skeleton, imageName="acme/cookiecutter")
    assert "imageName is ignored: cookiecutter runs without a container" in result.log
    schema = fetch_cookiecutter.input_schema()
    assert set(schema["properties"]) == {"url", "targetPath", "values", "copyWithoutRender", "extensions", "imageName"}
    assert schema["required"] == ["url", "values"]
