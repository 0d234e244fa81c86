"""User and Group entities of a GitLab. Pure; called by `organizations`. Names and annotations as in Backstage."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from understage.integrations.gitlab.members import GitlabGroup, GitlabUser
from understage.model.entity import ANNOTATION_LOCATION, ANNOTATION_ORIGIN_LOCATION, Entity
from understage.model.ref import EntityRef


@dataclass(frozen=True)
class Naming:
    """How one provider names what it gives: by its host and address, groups as seen from the configured one."""

    host: str
    base_url: str
    group: str

    def group_name(self, path: str) -> str:
        """The name of a group's entity."""
        inside = path.removeprefix(f"{self.group}/") if self.group else path
        return inside.replace("/", "-")

    def group_ref(self, path: str) -> str:
        """The reference of a group's entity."""
        return str(EntityRef("group", "default", self.group_name(path))).lower()

    def user_entity(self, user: GitlabUser, groups: Iterable[str]) -> Entity:
        """The User; `groups` are full paths."""
        saml = {f"{self.host}/saml-external-uid": user.saml_uid} if user.saml_uid else {}
        profile = {"displayName": user.name, "picture": user.avatar_url, "email": user.email}
        return {
            "apiVersion": "backstage.io/v1alpha1",
            "kind": "User",
            "metadata": {
                "name": user.username,
                "annotations": self._located(user.username, {f"{self.host}/user-login": user.url, **saml}),
            },
            "spec": {
                "profile": {name: value for name, value in profile.items() if value},
                "memberOf": [self.group_name(path) for path in groups],
            },
        }

    def group_entity(
        self, group: GitlabGroup, *, parent: str | None = None, members: Sequence[str] | None = None
    ) -> Entity:
        """The Group; `parent` is a full path, `members` are user names where they are known."""
        return {
            "apiVersion": "backstage.io/v1alpha1",
            "kind": "Group",
            "metadata": {
                "name": self.group_name(group.path),
                **({"description": group.description} if group.description else {}),
                "annotations": self._located(group.path, {f"{self.host}/team-path": group.path}),
            },
            "spec": {
                "type": "team",
                "children": [],
                "profile": {"displayName": group.name} if group.name else {},
                **({} if parent is None else {"parent": self.group_name(parent)}),
                **({} if members is None else {"members": list(members)}),
            },
        }

    def _located(self, path: str, annotations: Mapping[str, str]) -> dict[str, str]:
        place = f"url:{self.base_url}/{path}"
        return {ANNOTATION_LOCATION: place, ANNOTATION_ORIGIN_LOCATION: place, **annotations}


def user_ref(username: str) -> str:
    """The reference of a user's entity."""
    return str(EntityRef("user", "default", username)).lower()


def with_groups(user: Entity, *, added: str | None = None, removed: str | None = None) -> Entity | None:
    """The User as a member of one more or one less group; None when that changes nothing."""
    before = list(user["spec"].get("memberOf") or [])
    after = [name for name in before if name != removed]
    if added is not None and added not in after:
        after.append(added)
    return None if after == before else {**user, "spec": {**user["spec"], "memberOf": after}}
