"""Whether a webhook comes from the forge it names: its signature, or its token, against the configured secrets.

Headers, secrets and refusals as in Backstage's events-backend modules for GitHub, GitLab and Gitea. Bitbucket Cloud signs as
GitHub does, in a header of another name.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from understage.config.settings import Settings

Verify = Callable[[Mapping[str, str], bytes], bool]


@dataclass(frozen=True)
class Check:
    """The check of one topic: `verify` looks at headers (names in lower case) and raw body; a wrong one hears `refusal`."""

    verify: Verify
    refusal: str


def create_checks(settings: Settings) -> dict[str, Check]:
    """The checks of the topics whose secrets are configured, by topic."""
    modules = settings.events.modules
    apps = [app.webhook_secret for entry in settings.integrations.github for app in entry.apps]
    checks = {
        "github": _signed("x-hub-signature-256", "sha256=", [*apps, modules.github.webhook_secret]),
        "gitlab": _tokened("x-gitlab-token", [modules.gitlab.webhook_secret]),
        "gitea": _signed("x-gitea-signature", "", [modules.gitea.webhook_secret]),
        "bitbucketCloud": _signed("x-hub-signature", "sha256=", [modules.bitbucket_cloud.webhook_secret]),
    }
    return {topic: check for topic, check in checks.items() if check is not None}


def _signed(header: str, prefix: str, configured: Sequence[str | None]) -> Check | None:
    secrets = _known(configured)

    def verify(headers: Mapping[str, str], body: bytes) -> bool:
        sent = headers.get(header, "")
        if not sent.startswith(prefix):
            return False
        given = sent.removeprefix(prefix).lower().encode("utf-8", "replace")
        # All of them, whichever fits: the time tells nothing about which.
        fits = [
            hmac.compare_digest(hmac.new(secret, body, hashlib.sha256).hexdigest().encode(), given)
            for secret in secrets
        ]
        return any(fits)

    return Check(verify, "invalid signature") if secrets else None


def _tokened(header: str, configured: Sequence[str | None]) -> Check | None:
    secrets = _known(configured)

    def verify(headers: Mapping[str, str], _body: bytes) -> bool:
        given = headers.get(header, "").encode("utf-8", "replace")
        return any([hmac.compare_digest(secret, given) for secret in secrets])

    return Check(verify, "invalid token") if secrets else None


def _known(configured: Sequence[str | None]) -> list[bytes]:
    return sorted({secret.encode() for secret in configured if secret})
