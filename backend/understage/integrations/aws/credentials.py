"""Who requests to AWS are signed as: the configured key, else the identity of the machine; then perhaps another role.

Identities of the machine are looked for as AWS's own libraries do: variables, a web identity (Kubernetes), a container's
endpoint (ECS, EKS), the instance's metadata. Files in home folders and `aws.accounts` are not read.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson

from understage.config.integration_settings import AwsCredentials
from understage.errors import ForeignError
from understage.integrations.aws.signing import AwsKeys, Scope, sign
from understage.integrations.reader.leased_token import LeasedToken
from understage.integrations.reader.xml import parse_xml
from understage.platform.http import Answer, HttpClient

SESSION_NAME = "understage-url-reader"
STS_VERSION = "2011-06-15"
CONTAINER_HOST = "http://169.254.170.2"
# Where a container's endpoint may be, as AWS's libraries limit it: secure, or of the machine itself.
CONTAINER_HOSTS = frozenset(("127.0.0.1", "localhost", "::1", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"))
INSTANCE = "http://169.254.169.254/latest"
UNTIL_RESTART = 12 * 3600.0


class AwsIdentity:
    """Keys for one entry of the configuration, kept until shortly before their end."""

    def __init__(
        self, http: HttpClient, entry: AwsCredentials, region: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self._http = http
        self._entry = entry
        self._region = region
        self._environment = os.environ if environment is None else environment
        self._lease = LeasedToken(self._fetch)

    async def keys(self) -> AwsKeys:
        """The keys to sign with. Raises ForeignError when there are none."""
        return AwsKeys(**orjson.loads(await self._lease.get()))

    async def _fetch(self) -> tuple[str, float]:
        keys, seconds = await self._find()
        if self._entry.role_arn:
            query = {"Action": "AssumeRole", "RoleArn": self._entry.role_arn, "RoleSessionName": SESSION_NAME}
            if self._entry.external_id:
                query["ExternalId"] = self._entry.external_id
            keys, seconds = await self._ask_sts(query, keys)
        content = {
            "access_key_id": keys.access_key_id,
            "secret_access_key": keys.secret_access_key,
            "session_token": keys.session_token,
        }
        return orjson.dumps(content).decode(), seconds

    async def _find(self) -> tuple[AwsKeys, float]:
        entry, variables = self._entry, self._environment
        if entry.access_key_id and entry.secret_access_key:
            return AwsKeys(entry.access_key_id, entry.secret_access_key), UNTIL_RESTART
        key, secret = variables.get("AWS_ACCESS_KEY_ID"), variables.get("AWS_SECRET_ACCESS_KEY")
        if key and secret:
            return AwsKeys(key, secret, variables.get("AWS_SESSION_TOKEN")), UNTIL_RESTART
        file, role = variables.get("AWS_WEB_IDENTITY_TOKEN_FILE"), variables.get("AWS_ROLE_ARN")
        if file and role:
            token = Path(file).read_text().strip()  # noqa: ASYNC240 - a few bytes of a mounted secret
            query = {"Action": "AssumeRoleWithWebIdentity", "RoleArn": role, "RoleSessionName": SESSION_NAME}
            return await self._ask_sts({**query, "WebIdentityToken": token}, None)
        container = self._container()
        if container is not None:
            return _from_json(await self._http.request("GET", container[0], headers=container[1], timeout=10.0))
        return await self._ask_instance()

    def _container(self) -> tuple[str, dict[str, str]] | None:
        variables = self._environment
        relative = variables.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        url = f"{CONTAINER_HOST}{relative}" if relative else variables.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
        if not url:
            return None
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in CONTAINER_HOSTS:
            raise ForeignError("AWS_CONTAINER_CREDENTIALS_FULL_URI names another machine without https")
        token = variables.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
        file = variables.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
        if file:
            token = Path(file).read_text().strip()
        return url, {"Authorization": token} if token else {}

    async def _ask_instance(self) -> tuple[AwsKeys, float]:
        lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "300"}
        answer = await self._http.request("PUT", f"{INSTANCE}/api/token", headers=lifetime, timeout=5.0)
        if answer.status != 200:
            raise ForeignError("no AWS credentials: configure a key under integrations, or give the machine a role")
        headers = {"X-aws-ec2-metadata-token": answer.text}
        roles = f"{INSTANCE}/meta-data/iam/security-credentials/"
        listed = await self._http.request("GET", roles, headers=headers, timeout=5.0)
        if listed.status != 200:
            raise ForeignError("no AWS credentials: this machine has no role")
        role = listed.text.split("\n")[0].strip()
        return _from_json(await self._http.request("GET", roles + role, headers=headers, timeout=5.0))

    async def _ask_sts(self, query: Mapping[str, str], keys: AwsKeys | None) -> tuple[AwsKeys, float]:
        host = f"https://sts.{self._region}.amazonaws.com{'.cn' if self._region.startswith('cn-') else ''}/"
        content = urlencode({**query, "Version": STS_VERSION}).encode()
        headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
        if keys is not None:
            scope = Scope(self._region, "sts")
            headers = sign("POST", host, scope, keys, datetime.now(UTC), headers=headers, content=content)
        answer = await self._http.request("POST", host, headers=headers, content=content)
        if answer.status != 200:
            raise ForeignError(f"{query['Action']} for {query['RoleArn']} was answered {answer.status}")
        found = {element.tag.rpartition("}")[2]: element.text or "" for element in parse_xml(answer).iter()}
        return _keys(found, "SessionToken")


def _from_json(answer: Answer) -> tuple[AwsKeys, float]:
    if answer.status != 200:
        raise ForeignError(f"the AWS identity of this machine was not given: the answer was {answer.status}")
    content: Any = answer.json()
    return _keys(content if isinstance(content, dict) else {}, "Token")


def _keys(content: Mapping[str, Any], token: str) -> tuple[AwsKeys, float]:
    names = ("AccessKeyId", "SecretAccessKey", token, "Expiration")
    values = [content.get(name) for name in names]
    if not all(isinstance(value, str) and value for value in values):
        raise ForeignError("AWS answered without credentials")
    key, secret, session, ends_at = map(str, values)
    try:
        seconds = (datetime.fromisoformat(ends_at) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError) as error:
        raise ForeignError("AWS answered with credentials that end at no time") from error
    return AwsKeys(key, secret, session), max(seconds, 0.0)
