"""Which Argo CD instances the configuration names, in the shape that the Argo CD plugins for Backstage use.

argocd:
  username: …                      # for instances without credentials of their own
  password: …
  appLocatorMethods:
    - type: config
      instances:
        - {name: main, url: https://argocd.example.com, token: …}
        - {name: bench, url: https://127.0.0.1:8080, username: admin, password: …, skipTLSVerify: true}
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from understage.errors import InputError
from understage.model.members import map_at

KEY = "argocd.appLocatorMethods"


@dataclass(frozen=True)
class InstanceSettings:
    """One instance: `url` without a trailing slash, and a `token` or `username` with `password`.

    `frontend_url` is the address for people where it is another one. `unusable` says why tasks cannot use it.
    """

    name: str
    url: str
    source: str
    token: str | None = field(default=None, repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    skip_tls_verify: bool = False
    frontend_url: str | None = None
    unusable: str | None = None


def read_instance_settings(config: Mapping[str, Any]) -> list[InstanceSettings]:
    """The instances of the merged app-config, in its order.

    Raises InputError, naming the key, for an instance without name or URL, or a name that stands there twice.
    """
    section = map_at(config.get("argocd"))
    found: dict[str, InstanceSettings] = {}
    for number, method in enumerate(section.get("appLocatorMethods") or []):
        if map_at(method).get("type") != "config":
            continue
        for index, entry in enumerate(map_at(method).get("instances") or []):
            instance = _instance(map_at(entry), section, f"{KEY}[{number}].instances[{index}]")
            if instance.name in found:
                raise InputError(
                    f"{instance.source}: the instance name {instance.name!r} stands there twice; rename one"
                )
            found[instance.name] = instance
    return list(found.values())


def _instance(entry: Mapping[str, Any], section: Mapping[str, Any], key: str) -> InstanceSettings:
    for member in ("name", "url"):
        if not isinstance(entry.get(member), str) or not entry[member]:
            raise InputError(f"{key}.{member} is missing: it must be a text")
    own = "username" in entry or "password" in entry
    credentials = entry if own else section
    username, password = _text(credentials, "username"), _text(credentials, "password")
    token = _text(entry, "token")
    lacks = token is None and (username is None or password is None)
    return InstanceSettings(
        name=entry["name"],
        url=entry["url"].rstrip("/"),
        source=key,
        token=token,
        username=username,
        password=password,
        # a value of the environment is text; `insecure` is what other plugins call it
        skip_tls_verify=any(entry.get(member) in (True, "true") for member in ("skipTLSVerify", "insecure")),
        unusable=f"it has neither a token nor username and password: add them at {key}" if lacks else None,
        frontend_url=(_text(entry, "frontendUrl") or "").rstrip("/") or None,
    )


def _text(entry: Mapping[str, Any], member: str) -> str | None:
    value = entry.get(member)
    return str(value) if value not in (None, "") else None
