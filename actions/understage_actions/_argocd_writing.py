"""Writing AppProjects and Applications, by whichever way. Called by `argocd:register-app` and `argocd:create-resources`."""

from typing import Any

from understage.sdk import ConflictError, InputError
from understage_actions._argocd_manifests import project_covers, unite_projects
from understage_actions._argocd_ways import Way
from understage_actions._namespace_manifests import TEAM_LABEL

Json = dict[str, Any]
PROJECT_ATTEMPTS = 5


async def check_project(way: Way, team: str) -> Json | None:
    """The AppProject, or None. ConflictError for one that is not the team's."""
    found = await way.get("AppProject", team)
    if found is not None and (found["metadata"].get("labels") or {}).get(TEAM_LABEL) != team:
        raise ConflictError(
            f"AppProject {team} in {way.place} is not the team's: it has no label {TEAM_LABEL}={team}. Set the label if it "
            "is, or give the team another name"
        )
    return found


async def apply_project(way: Way, wanted: Json) -> Json:
    """Add to the team's project; two tasks of one team may do so at once, so look again and repeat."""
    name = wanted["metadata"]["name"]
    for attempt in range(1, PROJECT_ATTEMPTS + 1):
        known = await check_project(way, name)
        if project_covers(known, wanted) and known is not None:
            return unite_projects(known, wanted)
        united = unite_projects(known, wanted) if known else wanted
        if known and (version := known["metadata"].get("resourceVersion")):
            united["metadata"]["resourceVersion"] = version
        try:
            await way.apply(united)
        except ConflictError:
            if attempt == PROJECT_ATTEMPTS:
                raise
        united["metadata"].pop("resourceVersion", None)
    if project_covers(await check_project(way, name), wanted):
        return united
    raise ConflictError(f"AppProject {name} in {way.place} changes faster than it can be written: try again")


async def apply_application(way: Way, application: Json) -> None:
    """Create or update the Application. InputError says what to do about a repository that Argo CD cannot read."""
    try:
        await way.apply(application)
    except InputError as error:
        if "repository not accessible" not in error.message:
            raise
        raise InputError(
            f"{error.message}. Give Argo CD access to the forge: a Secret with url, username and password, labelled "
            "argocd.argoproj.io/secret-type=repo-creds"
        ) from error
