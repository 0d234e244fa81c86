"""The pod: by values where they can say it, by `podOverrides` where they cannot. Called by `proposal`."""

from understage.adoption.container import container_values, hardened, hindrances
from understage.adoption.inventory import Group
from understage.adoption.normal import POD_DEFAULTS
from understage.adoption.outline import Proposal
from understage.adoption.reading import Json, mapping, maps, name_of, pod_template, references, title
from understage.adoption.traffic import (
    own_annotations,
)
from understage.adoption.withholding import secret_name

POD_SAID = {
    "containers", "initContainers", "volumes", "serviceAccountName", "serviceAccount", "terminationGracePeriodSeconds",
    "imagePullSecrets", "securityContext", "topologySpreadConstraints",
}  # fmt: skip


# Of the chart, in seconds: how long a pod may be stopped at most, and how long it goes on serving meanwhile.
LONGEST_GRACE, DRAIN = 3600, 5


def say_pod(group: Group, spec: Json, container: Json, proposal: Proposal) -> bool:
    """Say the pod; whether values say its main container, which then has one port called http."""
    values = proposal.values
    overrides: Json = {
        key: value for key, value in spec.items() if key not in POD_SAID and value != POD_DEFAULTS.get(key, ...)
    }
    if security := mapping(spec, "securityContext"):
        overrides["securityContext"] = security
    if spread := maps(spec, "topologySpreadConstraints"):
        values["topologySpread"] = {"enabled": False}
        overrides["topologySpreadConstraints"] = spread
    if _needs_token(group) and "automountServiceAccountToken" not in overrides:
        overrides["automountServiceAccountToken"] = True
    grace = spec.get("terminationGracePeriodSeconds", 30)
    if isinstance(grace, int) and grace != 30:
        values["shutdown"] = {"graceSeconds": min(max(grace, 1), LONGEST_GRACE)}
        if grace < DRAIN:
            values["shutdown"]["drainSeconds"] = 0
    if secrets := [each["name"] for each in maps(spec, "imagePullSecrets") if isinstance(each.get("name"), str)]:
        values["imagePullSecrets"] = secrets
    if first := maps(spec, "initContainers"):
        values["extraInitContainers"] = first
    others = [each for each in maps(spec, "containers") if each.get("name") != container.get("name")]
    volumes, mounts = maps(spec, "volumes"), maps(container, "volumeMounts")
    taken = any(each.get("name") in ("tmp", "config") for each in volumes) or any(
        each.get("mountPath") == "/tmp" for each in mounts
    )
    plain = _without_issued(container, group.name)
    if not hindrances(plain, taken):
        container = plain
    files = _config_files(group, spec, container)
    if files is not None and not hindrances(container, False) and not _has_other_tmp(volumes, mounts, files[0]):
        volumes, mounts = _say_files(files, volumes, mounts, proposal)
        taken = False
    reasons = hindrances(container, taken)
    if reasons:
        strong = hardened(container)
        overrides["containers"] = [strong, *others]
        if not any(each.get("name") == "tmp" for each in volumes) and strong.get("volumeMounts") != container.get(
            "volumeMounts"
        ):
            volumes = [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}, *volumes]
        overrides["volumes"] = volumes
        proposal.kept.append(("podOverrides.containers", f"container {container.get('name')}: {'; '.join(reasons)}"))
    else:
        values.update(container_values(container))
        values.update(
            {
                key: each
                for key, each in (("extraContainers", others), ("extraVolumes", volumes), ("extraVolumeMounts", mounts))
                if each
            }
        )
    said = [key for key in overrides if key not in ("containers", "volumes")]
    if said:
        proposal.kept.append(("podOverrides", f"no value says {', '.join(f'`{key}`' for key in sorted(said))}"))
    if overrides:
        values["podOverrides"] = overrides
    return not reasons


def _without_issued(container: Json, service: str) -> Json:
    """The container without variables that it has from the chart's own Secret, which is all of it in its environment."""
    if maps(container, "envFrom"):
        return container  # which might have the same variable, and would win
    own = secret_name(service)
    kept = [
        each
        for each in maps(container, "env")
        if mapping(each, "valueFrom", "secretKeyRef") != {"name": own, "key": each.get("name")}
    ]
    return {**container, "env": kept} if "env" in container else container


def _needs_token(group: Group) -> bool:
    """Whether the account is bound to a role here: it is there to call the Kubernetes API then."""
    account = mapping(pod_template(group.deployment), "spec").get("serviceAccountName")
    return account is not None and any(
        subject.get("kind") == "ServiceAccount" and subject.get("name") == account
        for item in group.others
        if item["kind"] == "RoleBinding"
        for subject in maps(item, "subjects")
    )


def _has_other_tmp(volumes: list[Json], mounts: list[Json], volume: Json) -> bool:
    names = [each.get("name") for each in volumes if each != volume]
    return "tmp" in names or "config" in names or any(each.get("mountPath") == "/tmp" for each in mounts)


def _config_files(group: Group, spec: Json, container: Json) -> tuple[Json, Json, Json] | None:
    """Volume, mount and ConfigMap that `config` can say: mounted once, as a whole, by the main container alone."""
    read = list(references(spec, "configMap"))
    for item in group.config_maps:
        name, metadata = name_of(item), mapping(item, "metadata")
        volumes = [each for each in maps(spec, "volumes") if mapping(each, "configMap") == {"name": name}]
        if (
            len(volumes) != 1
            or read.count(name) != 1
            or own_annotations(item)
            or "immutable" in item
            or "binaryData" in item
        ):
            continue
        every = [
            mount
            for each in [*maps(spec, "containers"), *maps(spec, "initContainers")]
            for mount in maps(each, "volumeMounts")
        ]
        mounts = [mount for mount in maps(container, "volumeMounts") if mount.get("name") == volumes[0].get("name")]
        uses = [mount for mount in every if mount.get("name") == volumes[0].get("name")]
        data = mapping(item, "data")
        fits = len(mounts) == len(uses) == 1 and set(mounts[0]) <= {"name", "mountPath", "readOnly"}
        if (
            fits
            and data
            and all(isinstance(value, str) for value in data.values())
            and not mapping(metadata, "ownerReferences")
        ):
            return volumes[0], mounts[0], item
    return None


def _say_files(
    files: tuple[Json, Json, Json], volumes: list[Json], mounts: list[Json], proposal: Proposal
) -> tuple[list[Json], list[Json]]:
    volume, mount, item = files
    proposal.values["config"] = {"mountPath": mount["mountPath"], "files": mapping(item, "data")}
    if name_of(item) != proposal.name:
        proposal.renamed[title(item)] = f"ConfigMap/{proposal.name}"
    proposal.replaced[str(volume["name"])] = "config"
    return [each for each in volumes if each != volume], [each for each in mounts if each != mount]
