"""The port `Http` of actions: the service's client, held to the hosts the configuration names."""

from collections.abc import Mapping
from dataclasses import dataclass

from understage.errors import NotAllowedError
from understage.platform.http import HostPolicy, HttpClient, parse_url
from understage.sdk.ports import HttpResponse


@dataclass(frozen=True)
class PolicedHttp:
    """Implements `understage.sdk.Http` for the hosts of `policy`: the integrations' and those of `backend.reading.allow`."""

    client: HttpClient
    policy: HostPolicy

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        timeout: float = 60.0,
    ) -> HttpResponse:
        """Send one request. Raises NotAllowedError for a host that the configuration does not name."""
        target = parse_url(url)
        if not self.policy.allows(target):
            raise NotAllowedError(
                f"Requests to {target.host} are not allowed. You may need to configure an integration for the target host, "
                "or add it to the configured list of allowed hosts at 'backend.reading.allow'"
            )
        return await self.client.request(
            method.upper(), url, headers=headers, content=content, timeout=timeout, allows=self.policy.allows
        )
