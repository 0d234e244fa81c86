"""The generated catalog of the bench: components with tags, labels, annotations and relations. The same for the same numbers."""

from pathlib import Path
from random import Random

PER_FILE = 1000
TEAMS = 40
TYPES = ("service", "website", "library", "pipeline", "documentation")
LIFECYCLES = ("production", "experimental", "deprecated")
REGIONS = ("north", "south", "east")
TAGS = tuple(f"topic-{number:02d}" for number in range(40))

_COMPONENT = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: {name}
  title: Part {number}
  description: Part {number} of the generated landscape, kept by team {team}
  labels:
    region: {region}
  annotations:
    github.com/project-slug: example/{name}
    backstage.io/techdocs-ref: dir:.
  tags: [{tags}]
spec:
  type: {type}
  lifecycle: {lifecycle}
  owner: team-{team}
  system: landscape-{system}
  dependsOn: [component:default/{next_name}]
"""


def component_name(number: int) -> str:
    """The name of the component with this number."""
    return f"part-{number:06d}"


def write_catalog(folder: Path, count: int, *, per_file: int = PER_FILE) -> Path:
    """Write `count` components into files of `per_file`, and the Location that names the files. Returns the Location's file."""
    folder.mkdir(parents=True, exist_ok=True)
    random = Random(count)
    names = []
    for first in range(0, count, per_file):
        names.append(f"parts-{first // per_file:04d}.yaml")
        documents = [_component(number, count, random) for number in range(first, min(first + per_file, count))]
        (folder / names[-1]).write_text("---\n".join(documents), encoding="utf-8")
    location = ["apiVersion: backstage.io/v1alpha1", "kind: Location", "metadata:", "  name: landscape", "spec:"]
    location += ["  type: file", "  targets:", *(f"    - ./{name}" for name in names)]
    file = folder / "all.yaml"
    file.write_text("\n".join(location) + "\n", encoding="utf-8")
    return file


def _component(number: int, count: int, random: Random) -> str:
    return _COMPONENT.format(
        name=component_name(number),
        next_name=component_name((number + 1) % count),
        number=number,
        team=number % TEAMS,
        system=number % (2 * TEAMS),
        region=REGIONS[number % len(REGIONS)],
        type=TYPES[number % len(TYPES)],
        lifecycle=LIFECYCLES[number % len(LIFECYCLES)],
        tags=", ".join(sorted(random.sample(TAGS, 3))),
    )
