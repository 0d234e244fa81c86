"""Values that hold template expressions stay text: what somebody types into a form is never run by Helm."""

from pathlib import Path

from tests.unit.skeletons.test_base_service import IMAGE, pod, render

HOSTILE = '{{ fail "evaluated" }}{{ (lookup "v1" "Secret" "kube-system" "") | toYaml }}'


async def test_expressions_in_values_are_not_evaluated(helm_binary: Path, tmp_path: Path) -> None:
    values = {
        "image": IMAGE,
        "env": {"GREETING": HOSTILE},
        "config": {"files": {"greeting.txt": HOSTILE}},
        "annotations": {"example.com/about": HOSTILE},
        "podAnnotations": {"example.com/about": HOSTILE},
        "extraContainers": [
            {"name": "beside", "image": "registry.example.com/beside:1.0.0", "args": [HOSTILE]},
        ],
        "podOverrides": {"hostAliases": [{"ip": "10.0.0.1", "hostnames": [HOSTILE]}]},
        "extraManifests": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "more"}, "data": {"greeting": HOSTILE}},
        ],
    }
    objects = await render(helm_binary, tmp_path, values)
    spec = pod(objects)
    assert {"name": "GREETING", "value": HOSTILE} in spec["containers"][0]["env"]
    assert spec["containers"][1]["args"] == [HOSTILE]
    assert spec["hostAliases"][0]["hostnames"] == [HOSTILE]
    assert objects["Deployment"]["metadata"]["annotations"]["example.com/about"] == HOSTILE
    assert objects["Deployment"]["spec"]["template"]["metadata"]["annotations"]["example.com/about"] == HOSTILE
    assert objects["ConfigMap"]["data"]["greeting"] == HOSTILE


def test_no_golden_path_hands_a_form_to_the_one_value_that_is_a_template() -> None:
    """Texts among `extraManifests` are templates, which the chart's documentation says; objects are not."""
    skeletons = Path(__file__).parents[3] / "skeletons"
    asked = [path for path in skeletons.rglob("*.yaml") if "charts" not in path.relative_to(skeletons).parts]
    assert len(asked) > 10
    assert not [path for path in asked if "extraManifests" in path.read_text("utf-8")]
