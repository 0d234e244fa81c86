"""One request to an API server, with the official client's authentication and TLS.

Called by `cluster` only. The client's generated models are left alone: manifests stay plain JSON, so every kind works,
custom ones too.
"""

import asyncio
import base64
import binascii
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understage.errors import ForeignError, InputError
from understage.integrations.kubernetes.settings import IN_CLUSTER_SERVER, ClusterSettings
from understage.model.yaml import parse_document

if TYPE_CHECKING:
    from kubernetes.aio.client import Configuration

CONNECT_SECONDS = 10.0


class Connection:
    """Requests to one cluster. Each opens and closes its own session, so there is nothing to shut down."""

    def __init__(self, settings: ClusterSettings, timeout: float) -> None:
        self._settings = settings
        self._timeout = timeout
        self._configuration: Configuration | None = None

    def server(self) -> str:
        """The API server's URL, as Argo CD would name the destination."""
        if self._settings.url is not None:
            return self._settings.url
        if self._settings.in_cluster:
            return IN_CLUSTER_SERVER
        return _kubeconfig_server(self._settings)

    async def request(
        self, method: str, path: str, *, query: dict[str, str] | None = None, body: Any = None, content_type: str = ""
    ) -> tuple[int, Any]:
        """Status and JSON of the answer, whatever the status. Raises ForeignError when there is none."""
        import aiohttp
        from kubernetes.aio.client import ApiClient

        try:
            configuration = await self._configure()
            async with ApiClient(configuration) as client:
                _, url, headers, payload, _ = await client.param_serialize(
                    method,
                    path,
                    query_params=list((query or {}).items()),
                    header_params={
                        "Accept": "application/json",
                        **({"Content-Type": content_type} if content_type else {}),
                    },
                    body=body,
                    auth_settings=["BearerToken"],
                )
                limits = aiohttp.ClientTimeout(total=self._timeout, connect=CONNECT_SECONDS)
                answer = await client.call_api(method, url, headers, payload, _request_timeout=limits)
                return answer.status, _decode(await answer.read())
        except TimeoutError as error:
            raise self._unreachable(f"no answer within {self._timeout:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(str(error) or type(error).__name__) from error

    async def _configure(self) -> "Configuration":
        from kubernetes.aio import config as loaders
        from kubernetes.aio.client import Configuration

        if self._configuration is not None and self._settings.kubeconfig is None:
            return self._configuration
        settings = self._settings
        configuration = Configuration()
        load: Any = loaders  # its functions carry no annotations
        try:
            if settings.kubeconfig is not None:
                await asyncio.to_thread(_kubeconfig_server, settings)  # its messages name what is wrong with the file
                # Read anew for each request: tokens of exec plugins and rotated files expire.
                await load.load_kube_config(
                    str(settings.kubeconfig), settings.context, configuration, persist_config=False
                )
            elif settings.in_cluster:
                load.load_incluster_config(client_configuration=configuration)
            else:
                await asyncio.to_thread(_configure_token, configuration, settings)
        except loaders.ConfigException as error:
            raise InputError(f"{settings.source}: cluster {settings.name!r} cannot be used: {error}") from error
        self._configuration = configuration
        return configuration

    def _unreachable(self, reason: str) -> ForeignError:
        return ForeignError(
            f"Cluster {self._settings.name!r} at {self.server()} does not answer: {reason}. Check that it runs and that "
            f"{self._settings.source} names its address and certificate authority"
        )


def _configure_token(configuration: "Configuration", settings: ClusterSettings) -> None:
    configuration.host = settings.url or ""
    configuration.api_key = {"BearerToken": f"Bearer {settings.token}"}
    configuration.verify_ssl = not settings.skip_tls_verify
    if settings.ca_file is not None:
        configuration.ssl_ca_cert = str(settings.ca_file)
    if settings.ca_data is not None:
        try:
            configuration.ca_cert_data = base64.b64decode(settings.ca_data, validate=True).decode("ascii")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise InputError(f"{settings.source}.caData must be the base64 text of a PEM certificate") from error


def _kubeconfig_server(settings: ClusterSettings) -> str:
    path = settings.kubeconfig or Path()
    try:
        value = parse_document(path.read_bytes(), str(path)).value
    except OSError as error:
        raise InputError(f"{settings.source}: the kubeconfig {path} cannot be read: {error.strerror}") from error
    content = value if isinstance(value, dict) else {}
    context = _named(content, "contexts", "context", settings.context or content.get("current-context"))
    server = _named(content, "clusters", "cluster", context.get("cluster")).get("server")
    if not isinstance(server, str):
        raise InputError(
            f"{settings.source}: the kubeconfig {path} has no server for context "
            f"{settings.context or content.get('current-context')!r}"
        )
    return server.rstrip("/")


def _named(content: dict[str, Any], collection: str, member: str, name: Any) -> dict[str, Any]:
    for entry in content.get(collection) or []:
        if isinstance(entry, dict) and entry.get("name") == name and isinstance(entry.get(member), dict):
            found: dict[str, Any] = entry[member]
            return found
    return {}


def _decode(payload: bytes) -> Any:
    try:
        return json.loads(payload) if payload else {}
    except ValueError:
        return {"message": payload[:500].decode(errors="replace")}
