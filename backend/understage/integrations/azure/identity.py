"""Tokens of Entra ID: by a client secret, by the managed identity of the machine, or by that identity for an application.

Used by the sources of Azure DevOps and of Azure Blob Storage. The addresses are Azure's own and fixed.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from understage.integrations.reader.leased_token import read_oauth_answer
from understage.platform.http import HttpClient

LOGIN = "https://login.microsoftonline.com"
INSTANCE_METADATA = "http://169.254.169.254/metadata/identity/oauth2/token"
EXCHANGE = "api://AzureADTokenExchange"
SYSTEM_ASSIGNED = "system-assigned"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True)
class AzureIdentity:
    """One credential. Which kind it is follows from what is set, as in `integrations.azure[].credentials`:

    client secret (all but the managed identity), managed identity for an application (`managed_identity_client_id` with client
    and tenant), managed identity (client alone, or nothing). `environment` is where Azure's own variables are looked up.
    """

    http: HttpClient
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    managed_identity_client_id: str | None = None
    environment: Mapping[str, str] | None = None

    async def fetch_token(self, resource: str) -> tuple[str, float]:
        """A new token for a resource, and the seconds it lives. Raises ForeignError."""
        if self.tenant_id and self.client_id and self.client_secret:
            return await self._ask_login(resource, {"client_secret": self.client_secret})
        if self.tenant_id and self.client_id and self.managed_identity_client_id:
            assertion, _ = await self._ask_machine(EXCHANGE, self.managed_identity_client_id)
            return await self._ask_login(
                resource, {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
            )
        return await self._ask_machine(resource, self.client_id)

    async def _ask_login(self, resource: str, proof: Mapping[str, str]) -> tuple[str, float]:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "scope": f"{resource}/.default",
            **proof,
        }
        answer = await self.http.request(
            "POST",
            f"{LOGIN}/{quote(self.tenant_id or '', safe='')}/oauth2/v2.0/token",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            content=urlencode(form).encode(),
        )
        return read_oauth_answer(answer, "Entra ID")

    async def _ask_machine(self, resource: str, client_id: str | None) -> tuple[str, float]:
        client = {"client_id": client_id} if client_id and client_id != SYSTEM_ASSIGNED else {}
        variables = os.environ if self.environment is None else self.environment
        endpoint, secret = variables.get("IDENTITY_ENDPOINT"), variables.get("IDENTITY_HEADER")
        if endpoint and secret:
            query = urlencode({"api-version": "2019-08-01", "resource": resource, **client})
            url, headers = f"{endpoint}?{query}", {"X-IDENTITY-HEADER": secret}
        else:
            query = urlencode({"api-version": "2018-02-01", "resource": resource, **client})
            url, headers = f"{INSTANCE_METADATA}?{query}", {"Metadata": "true"}
        answer = await self.http.request("GET", url, headers=headers, timeout=10.0)
        return read_oauth_answer(answer, "The managed identity of this machine")
