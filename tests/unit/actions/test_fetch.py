"""fetch:plain, fetch:template and their `:file` forms, with the real template language."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from understage.errors import InputError, NotAllowedError, NotFoundError, SourceError
from understage.integrations.templating import FileTemplating
from understage.sdk import Ports, TemplateInfo
from understage.sdk.testing import ActionResult, FakeReader, FakeTemplating, fake_ports, run_action
from understage_actions.fetch_plain import fetch_plain, fetch_plain_file
from understage_actions.fetch_template import fetch_template, fetch_template_file

REMOTE = "https://github.com/acme/skeletons/tree/main"


def ports(files: Mapping[str, bytes | str] | None = None) -> Ports:
    return fake_ports(reader=FakeReader(files or {}), templating=FileTemplating())


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    path = tmp_path / "workspace"
    path.mkdir()
    return path


@pytest.fixture
def template(tmp_path: Path) -> TemplateInfo:
    folder = tmp_path / "templates" / "service"
    (folder / "skeleton").mkdir(parents=True)
    (folder / "template.yaml").write_text("kind: Template")
    return TemplateInfo("template:default/service", base_url=(folder / "template.yaml").as_uri())


@pytest.fixture
def skeleton(tmp_path: Path, template: TemplateInfo) -> Path:
    return tmp_path / "templates" / "service" / "skeleton"


def tree(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


async def render(workspace: Path, template: TemplateInfo, **input: object) -> ActionResult:
    return await run_action(
        fetch_template,
        {"url": "./skeleton", **input},
        workspace=workspace,
        ports=ports(),
        template=template,
    )


async def test_plain_writes_the_tree_where_asked(workspace: Path) -> None:
    files = {f"{REMOTE}/docs/index.md": "# hi", f"{REMOTE}/docs/a/b.md": "${{ values.x }}"}
    result = await run_action(
        fetch_plain, {"url": f"{REMOTE}/docs", "targetPath": "d", "token": "s3cret"},
        workspace=workspace, ports=ports(files), secrets={"token": "s3cret"},
    )  # fmt: skip
    assert tree(workspace) == {"d/index.md": "# hi", "d/a/b.md": "${{ values.x }}"}
    assert result.log == ["Fetching plain content from remote URL"]


async def test_plain_file(workspace: Path) -> None:
    files = {f"{REMOTE}/Dockerfile": "FROM x"}
    await run_action(
        fetch_plain_file, {"url": f"{REMOTE}/Dockerfile", "targetPath": "a/Dockerfile"}, workspace=workspace,
        ports=ports(files), dry_run=True,
    )  # fmt: skip
    assert tree(workspace) == {"a/Dockerfile": "FROM x"}


async def test_a_relative_url_is_read_beside_the_template(
    workspace: Path, template: TemplateInfo, skeleton: Path
) -> None:
    (skeleton / "x").write_text("1")
    await run_action(fetch_plain, {"url": "./skeleton"}, workspace=workspace, ports=ports(), template=template)
    assert tree(workspace) == {"x": "1"}
    remote = TemplateInfo("t", base_url="https://github.com/acme/t/blob/main/template.yaml")
    files = {"https://github.com/acme/t/blob/main/skeleton/y": "2"}
    await run_action(fetch_plain, {"url": "./skeleton"}, workspace=workspace, ports=ports(files), template=remote)
    assert tree(workspace) == {"x": "1", "y": "2"}


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("../../outside", NotAllowedError, "outside its parent"),
        ("/etc", NotAllowedError, "outside its parent"),
        ("%2e%2e/%2e%2e/outside", NotAllowedError, "outside its parent"),
        ("./way-out", NotAllowedError, "outside its parent"),
        ("file:///etc", NotAllowedError, "is not allowed"),
        ("./absent", NotFoundError, "no folder beside the template"),
    ],
)
async def test_urls_that_lead_away_from_the_template(
    workspace: Path, template: TemplateInfo, skeleton: Path, url: str, error: type[Exception], message: str
) -> None:
    (skeleton.parent / "way-out").symlink_to("/etc")
    with pytest.raises(error, match=message):
        await run_action(fetch_plain, {"url": url}, workspace=workspace, ports=ports(), template=template)
    assert tree(workspace) == {}


async def test_the_whole_template_root_is_readable_when_configured(
    workspace: Path, template: TemplateInfo, skeleton: Path, tmp_path: Path
) -> None:
    (tmp_path / "templates" / "charts").mkdir()
    (tmp_path / "templates" / "charts" / "Chart.yaml").write_text("name: base")
    defaults = {"templateRoots": [str(tmp_path / "templates")]}
    await run_action(
        fetch_plain, {"url": "../charts"}, workspace=workspace, ports=ports(), template=template, defaults=defaults
    )
    assert tree(workspace) == {"Chart.yaml": "name: base"}
    with pytest.raises(NotAllowedError, match="outside its parent"):
        await run_action(
            fetch_plain,
            {"url": "../../workspace"},
            workspace=workspace,
            ports=ports(),
            template=template,
            defaults=defaults,
        )


async def test_hosts_that_want_a_users_own_token(workspace: Path) -> None:
    reader = FakeReader({"https://github.com/acme/x/blob/main/a.txt": "a"})
    arguments = {"url": "https://github.com/acme/x/blob/main/a.txt", "targetPath": "a.txt"}
    defaults = {"userCredentialsHosts": ["github.com"]}
    with pytest.raises(InputError, match=r"No user credentials provided for host github\.com"):
        await run_action(
            fetch_plain_file, arguments, workspace=workspace, ports=fake_ports(reader=reader), defaults=defaults
        )
    await run_action(
        fetch_plain_file,
        {**arguments, "token": "own"},
        workspace=workspace,
        ports=fake_ports(reader=reader),
        defaults=defaults,
    )
    assert (workspace / "a.txt").read_text() == "a"


async def test_without_a_template_location_relative_urls_fail(workspace: Path) -> None:
    with pytest.raises(InputError, match="template location could not be determined and the fetch URL is relative"):
        await run_action(fetch_plain, {"url": "./x"}, workspace=workspace, ports=ports())


@pytest.mark.parametrize("target", ["../x", "/x", "a/../../x", "a\0b", "link/x", "dangling"])
async def test_targets_outside_of_the_workspace(workspace: Path, tmp_path: Path, target: str) -> None:
    (workspace / "link").symlink_to(tmp_path)
    (workspace / "dangling").symlink_to(tmp_path / "absent")
    for action, url in ((fetch_plain, REMOTE), (fetch_plain_file, f"{REMOTE}/a"), (fetch_template, REMOTE)):
        with pytest.raises(NotAllowedError):
            await run_action(
                action, {"url": url, "targetPath": target}, workspace=workspace, ports=ports({f"{REMOTE}/a": "x"})
            )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["workspace"]


@pytest.mark.parametrize("target", ["C:\\x", "~", "~root/x", "\\\\host\\share"])
async def test_targets_that_lead_outside_on_other_systems_are_names(
    workspace: Path, tmp_path: Path, target: str
) -> None:
    await run_action(
        fetch_plain, {"url": REMOTE, "targetPath": target}, workspace=workspace, ports=ports({f"{REMOTE}/a": "x"})
    )
    assert tree(workspace) == {f"{target}/a": "x"}
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("understage")) == ["workspace"]


@pytest.mark.parametrize(
    "links", [{"a": "/etc/passwd"}, {"a": "../../../../etc"}, {"a": "b", "b": "../.."}, {"a": "a"}]
)
async def test_links_out_of_the_skeleton_fail_the_step(
    workspace: Path, template: TemplateInfo, skeleton: Path, links: dict[str, str]
) -> None:
    for name, to in links.items():
        (skeleton / name).symlink_to(to)
    for action in (fetch_plain, fetch_template):
        with pytest.raises(NotAllowedError, match="symbolic link"):
            await run_action(action, {"url": "./skeleton"}, workspace=workspace, ports=ports(), template=template)
    assert list(workspace.iterdir()) == []


async def test_template_renders_names_contents_modes(workspace: Path, template: TemplateInfo, skeleton: Path) -> None:
    (skeleton / "src" / "${{ values.name }}").mkdir(parents=True)
    (skeleton / "src" / "${{ values.name }}" / "main.txt").write_text("I am ${{ values.name }}\r\n")
    (skeleton / "run.sh").write_text("#!/bin/sh\n")
    (skeleton / "run.sh").chmod(0o755)
    (skeleton / ".hidden").write_text("${{ values.n + 1 }}")
    (skeleton / "image").write_bytes(b"\0${{ values.name }}")
    (skeleton / "latin").write_bytes(b"\xe9${{ values.name }}")
    (skeleton / "link").symlink_to("run.sh")
    (skeleton / "${{ 'extra.txt' if values.extra else '' }}").write_text("extra")
    (skeleton / "${{ 'folder' if values.extra else '' }}").mkdir()
    (skeleton / "${{ 'folder' if values.extra else '' }}" / "inner").write_text("x")
    values = {"name": "web", "n": 1, "extra": False}
    result = await render(workspace, template, targetPath="out", values=values)
    out = workspace / "out"
    assert (out / "src" / "web" / "main.txt").read_bytes() == b"I am web\r\n"
    assert (out / ".hidden").read_text() == "2"
    assert (out / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (out / "image").read_bytes() == b"\0${{ values.name }}"
    assert (out / "latin").read_bytes() == b"\xe9${{ values.name }}"
    assert (out / "link").is_symlink()
    assert sorted(path.name for path in out.iterdir()) == [".hidden", "image", "latin", "link", "run.sh", "src"]
    mode = (skeleton / "run.sh").stat().st_mode
    assert result.log[:3] == [
        "Fetching template content from remote URL",
        "Listing files and directories in template",
        f"Processing 11 template files/directories with input values {json.dumps(values, separators=(',', ':'))}",
    ]
    assert "Writing directory src/ to template output path." in result.log
    assert f"Writing file run.sh to template output path with mode {mode}." in result.log
    assert "Copying file binary or symbolic link at link, to template output path." in result.log
    assert result.log[-1] == f"Template result written to {out}"


async def test_values_are_not_rendered_again(workspace: Path, template: TemplateInfo, skeleton: Path) -> None:
    (skeleton / "a").write_text("${{ values.x }}")
    await render(workspace, template, values={"x": "${{ values.y }}", "y": "no"})
    assert tree(workspace) == {"a": "${{ values.y }}"}


async def test_copy_without_templating_renders_names_only(
    workspace: Path, template: TemplateInfo, skeleton: Path
) -> None:
    (skeleton / "raw").mkdir()
    (skeleton / "raw" / "${{ values.name }}.txt").write_text("${{ values.name }}")
    (skeleton / "a.tpl").write_text("{{ .Values.x }} ${{ values.name }}")
    (skeleton / "b").write_text("${{ values.name }}")
    await render(workspace, template, values={"name": "web"}, copyWithoutTemplating=["raw", "*.tpl"])
    assert tree(workspace) == {
        "raw/web.txt": "${{ values.name }}", "a.tpl": "{{ .Values.x }} ${{ values.name }}", "b": "web"
    }  # fmt: skip


@pytest.mark.parametrize(("extension", "suffix"), [(True, ".njk"), ("tmpl", ".tmpl"), (".tmpl", ".tmpl")])
async def test_only_files_with_the_extension_are_rendered(
    workspace: Path, template: TemplateInfo, skeleton: Path, extension: object, suffix: str
) -> None:
    (skeleton / f"a.txt{suffix}").write_text("${{ values.name }}")
    (skeleton / "${{ values.name }}.txt").write_text("${{ values.name }}")
    await render(workspace, template, values={"name": "web"}, templateFileExtension=extension)
    assert tree(workspace) == {"a.txt": "web", "web.txt": "${{ values.name }}"}


async def test_existing_files_stay_unless_replaced(workspace: Path, template: TemplateInfo, skeleton: Path) -> None:
    (skeleton / "a").write_text("new")
    (workspace / "a").write_text("old")
    await render(workspace, template)
    assert tree(workspace) == {"a": "old"}
    await render(workspace, template, replace=True)
    assert tree(workspace) == {"a": "new"}


async def test_cookiecutter_syntax_and_block_options(workspace: Path, template: TemplateInfo, skeleton: Path) -> None:
    (skeleton / "a").write_text("{{ cookiecutter.name }}\n{% if true %}\nyes\n{% endif %}\n")
    await render(workspace, template, values={"name": "web"}, cookiecutterCompat=True, trimBlocks=True)
    assert tree(workspace) == {"a": "web\nyes\n"}


async def test_a_broken_file_fails_the_step_with_its_place(
    workspace: Path, template: TemplateInfo, skeleton: Path
) -> None:
    (skeleton / "docs").mkdir()
    (skeleton / "docs" / "bad.md").write_text("fine\n  ${{ values.x | nosuchfilter }}\n")
    with pytest.raises(SourceError, match=r"^docs/bad\.md:2:\d+: ") as caught:
        await render(workspace, template, values={"x": "1"})
    assert caught.value.line == 2


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "..", "/etc/evil"])
async def test_names_rendered_from_values_stay_in_the_target(
    workspace: Path, template: TemplateInfo, skeleton: Path, tmp_path: Path, name: str
) -> None:
    (skeleton / "${{ values.name }}").write_text("x")
    if name.startswith("/"):
        await render(workspace, template, targetPath="out", values={"name": name})
    else:
        with pytest.raises(NotAllowedError, match="outside its parent"):
            await render(workspace, template, targetPath="out", values={"name": name})
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("options", [{"copyWithoutTemplating": ["x"]}, {"cookiecutterCompat": True}])
async def test_extension_excludes_other_modes(workspace: Path, options: dict[str, object]) -> None:
    with pytest.raises(InputError, match="extension incompatible with copyWithoutTemplating and cookiecutterCompat"):
        await run_action(
            fetch_template,
            {"url": REMOTE, "templateFileExtension": True, **options},
            workspace=workspace,
            ports=ports(),
        )


async def test_template_file(workspace: Path) -> None:
    files: dict[str, bytes | str] = {f"{REMOTE}/README.md": "# ${{ values.name }}", f"{REMOTE}/x.bin": b"\0"}
    input = {"url": f"{REMOTE}/README.md", "targetPath": "docs/README.md", "values": {"name": "web"}}
    await run_action(fetch_template_file, input, workspace=workspace, ports=ports(files))
    assert tree(workspace) == {"docs/README.md": "# web"}
    again = await run_action(
        fetch_template_file, {**input, "values": {"name": "other"}}, workspace=workspace, ports=ports(files)
    )
    assert again.log[-1] == "File docs/README.md already exists in workspace, not replacing."
    await run_action(
        fetch_template_file,
        {**input, "values": {"name": "new"}, "replace": True},
        workspace=workspace,
        ports=ports(files),
    )
    assert tree(workspace) == {"docs/README.md": "# new"}
    with pytest.raises(InputError, match="no text file"):
        await run_action(
            fetch_template_file, {"url": f"{REMOTE}/x.bin", "targetPath": "x"}, workspace=workspace, ports=ports(files)
        )


async def test_options_reach_the_template_language(workspace: Path) -> None:
    templating = FakeTemplating()
    await run_action(
        fetch_template_file,
        {"url": f"{REMOTE}/a", "targetPath": "a", "lstripBlocks": True},
        workspace=workspace,
        ports=fake_ports(reader=FakeReader({f"{REMOTE}/a": "x"}), templating=templating),
    )
    assert templating.options == [{"cookiecutter_compat": False, "trim_blocks": False, "lstrip_blocks": True}]
