"""Our merge of values is Helm's, for layers that nobody thought of."""

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from understage.integrations.helm import HelmBinary
from understage.sdk.yaml import dump, parse_documents
from understage_actions._helm_chart import load_chart
from understage_actions._helm_layers import Layer, Layers

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.sampled_from(["y", "on", "1", "", "a: b", "0x1"]), st.just([1])
)
KEYS = st.sampled_from(["a", "b", "n", "sub"])
VALUES = st.dictionaries(
    KEYS, st.recursive(LEAVES, lambda inner: st.dictionaries(KEYS, inner, max_size=3), max_leaves=8), max_size=4
)
# What belongs to a dependency must be a map, as Helm itself demands.
MAPS = VALUES.map(lambda values: {**values, "sub": values["sub"] if isinstance(values.get("sub"), dict) else {}})


@settings(max_examples=25)
@given(defaults=MAPS, of_sub=VALUES, layers=st.lists(MAPS, min_size=1, max_size=3))
async def test_templates_see_what_they_see_after_helms_merge(
    helm_binary: Path, defaults: dict[str, Any], of_sub: dict[str, Any], layers: list[dict[str, Any]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        chart = root / "probe"
        write(chart, "probe", defaults, "sub")
        write(chart / "charts" / "sub", "sub", of_sub, "global")
        files = []
        for index, layer in enumerate(layers):
            files.append(root / f"{index}.json")
            files[-1].write_text(json.dumps(layer))
        loaded = load_chart(chart)
        ours = Layers([Layer(str(index), layer) for index, layer in enumerate(layers)], loaded.coalesce({}))
        merged = root / "merged.yaml"
        merged.write_text(dump(ours.values))
        helm = HelmBinary(str(helm_binary))
        expected, actual = await seen(helm, chart, files), await seen(helm, chart, [merged])
        assert actual == expected
        coalesced = loaded.coalesce(ours.values)
        told = {"probe": {key: value for key, value in coalesced.items() if key != "sub"}}
        told["sub"] = {key: value for key, value in coalesced["sub"].items() if key != "global"}
        assert without_nulls(told) == expected


def write(folder: Path, name: str, values: dict[str, Any], omitted: str) -> None:
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text(f"apiVersion: v2\nname: {name}\nversion: 1.0.0\n")
    (folder / "values.yaml").write_text(dump(values))
    shown = f'{{{{ omit .Values "{omitted}" | toJson | quote }}}}'
    (folder / "templates" / "seen.yaml").write_text(f"{name}: {shown}\n")


async def seen(helm: HelmBinary, chart: Path, files: list[Path]) -> dict[str, Any]:
    text = await helm.template(chart, release="r", namespace="n", values=files)
    found: dict[str, Any] = {}
    for document in parse_documents(text):
        for name, value in (document.value or {}).items():
            found[name] = without_nulls(json.loads(value))
    return found


def without_nulls(value: Any) -> Any:
    """A null that deletes nothing is left out by us and kept by Helm; templates take both for absent."""
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value
