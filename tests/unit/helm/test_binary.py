"""The helm binary in its clean room."""

from pathlib import Path

import pytest

from understage.errors import ForeignError, InputError, ServiceUnavailableError
from understage.integrations.helm import HelmBinary, helm_from_config


def chart(folder: Path, template: str) -> Path:
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text(f"apiVersion: v2\nname: {folder.name}\nversion: 1.0.0\n")
    (folder / "templates" / "object.yaml").write_text(template)
    return folder


async def template(binary: Path, path: Path, **more: float) -> str:
    return await HelmBinary(str(binary)).template(path, release="r", namespace="n", **more)


async def test_helms_own_words_are_kept(helm_binary: Path, tmp_path: Path) -> None:
    broken = chart(tmp_path / "broken", '{{ required "set the size" .Values.size }}')
    with pytest.raises(InputError, match=r"does not render the chart broken: .*set the size") as caught:
        await template(helm_binary, broken)
    assert str(tmp_path) not in caught.value.message


async def test_the_service_s_environment_does_not_reach_helm(
    helm_binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins = tmp_path / "plugins" / "mine"
    plugins.mkdir(parents=True)
    (plugins / "plugin.yaml").write_text("name: mine\nversion: 1.0.0\ncommand: 'touch here'\n")
    monkeypatch.setenv("HELM_PLUGINS", str(plugins.parent))
    monkeypatch.setenv("HELM_NAMESPACE", "other")
    monkeypatch.setenv("HELM_KUBEAPISERVER", "https://127.0.0.1:1")
    path = chart(tmp_path / "probe", 'ns: {{ .Release.Namespace }}\nfound: {{ len (lookup "v1" "Secret" "n" "") }}\n')
    rendered = await template(helm_binary, path)
    assert "ns: n\n" in rendered
    assert "found: 0\n" in rendered


async def test_a_link_out_of_the_chart_is_refused(helm_binary: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    path = chart(tmp_path / "probe", 'read: {{ .Files.Get "stolen" }}\n')
    (path / "stolen").symlink_to(secret)
    with pytest.raises(InputError, match="holds the link stolen, which leads out of it"):
        await template(helm_binary, path)


async def test_the_time_limit_ends_helm(helm_binary: Path, tmp_path: Path) -> None:
    endless = "{{ range untilStep 0 100000 1 }}{{ range untilStep 0 100000 1 }}{{ end }}{{ end }}"
    path = chart(tmp_path / "endless", endless)
    with pytest.raises(ForeignError, match=r"longer than 0\.5 s"):
        await template(helm_binary, path, timeout=0.5)


async def test_without_a_binary_the_message_says_what_to_install(tmp_path: Path) -> None:
    helm = helm_from_config({"understage": {"helm": {"binary": str(tmp_path / "helm")}}})
    assert helm.is_available() is False
    with pytest.raises(ServiceUnavailableError, match=r"no helm binary at .*understage.helm.binary"):
        await helm.template(tmp_path, release="r", namespace="n")
    with pytest.raises(InputError, match=r"understage.helm.binary must be"):
        helm_from_config({"understage": {"helm": {"binary": 3}}})
    assert helm_from_config({"understage": {"helm": {"charts": "skeletons/charts"}}}) is not None
