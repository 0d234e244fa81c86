"""Object stores: signatures, who signs, which requests URLs become, folders, failures, and names that climb."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import RSAKey

from understage.config.backend_settings import Reading
from understage.config.integration_settings import AwsCredentials, IntegrationSettings
from understage.errors import ForeignError, InputError, NotAllowedError, NotFoundError
from understage.integrations.aws.credentials import AwsIdentity
from understage.integrations.aws.signing import AwsKeys, Scope, sign
from understage.integrations.reader.readers import UrlReaders
from understage.integrations.sources import create_readers
from understage.platform.http import HttpClient


def test_signatures_are_those_of_the_published_examples() -> None:
    keys = AwsKeys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    now = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
    signed = sign("GET", "https://example.amazonaws.com/", Scope("us-east-1", "service"), keys, now, headers={})
    assert signed["authorization"].endswith("=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")
    keys = AwsKeys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    now = datetime(2013, 5, 24, tzinfo=UTC)
    url = "https://examplebucket.s3.amazonaws.com/test.txt"
    signed = sign("GET", url, Scope("us-east-1", "s3"), keys, now, headers={"Range": "bytes=0-9"})
    assert signed["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )
    url = "https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J"
    signed = sign("GET", url, Scope("us-east-1", "s3"), keys, now, headers={})
    assert signed["authorization"].endswith("=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
    assert "wJalr" not in repr(keys)


PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = PRIVATE.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
S3_LIST = '<R xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{}</R>'
Answer = httpx.Response | Callable[[httpx.Request], httpx.Response]


def listed(names: list[str], tag: str, around: str) -> httpx.Response:
    return httpx.Response(200, text=around.replace("{}", "".join(f"<{tag}>{name}</{tag}>" for name in names)))


def code_commit(request: httpx.Request) -> httpx.Response:
    asked = json.loads(request.content)
    if request.headers["x-amz-target"].endswith("GetFolder"):
        files = {"dir": ["dir/a.yaml", "dir/../../evil"], "dir/sub": ["dir/sub/b.yaml"]}[asked["folderPath"]]
        folders = ["dir/sub", "dir"] if asked["folderPath"] == "dir" else []
        return httpx.Response(
            200,
            json={
                "commitId": "c1",
                "files": [{"absolutePath": path} for path in files],
                "subFolders": [{"absolutePath": path} for path in folders],
            },
        )
    if asked["filePath"] == "gone.yaml":
        return httpx.Response(400, json={"__type": "FileDoesNotExistException"})
    content = base64.b64encode(f"content of {asked['filePath']}".encode()).decode()
    return httpx.Response(200, json={"commitId": "e1", "fileContent": content})


@dataclass(frozen=True)
class Store:
    """One store: its entry, a URL with `{}` for the key, the request that this becomes, and how it lists `dir/`."""

    settings: Mapping[str, Any]
    page: str
    asked: str
    signed: str
    listing: str
    names: httpx.Response | None

    def url(self, key: str) -> str:
        return self.page.replace("{}", key)


KEYS = {"accessKeyId": "AKID", "secretAccessKey": " topsecret "}
ACCOUNT_KEY = base64.b64encode(b"topsecret").decode()
NAMES = ["dir/a.yaml", "dir/", "dir/../../evil", "dir/sub/b.yaml", "dir/..%2f..%2fevil"]
STORES = {
    "awsS3": Store(
        {"awsS3": [KEYS]},
        "https://bucket.s3.eu-west-1.amazonaws.com/{}",
        "https://bucket.s3.eu-west-1.amazonaws.com/{}",
        "AWS4-HMAC-SHA256 Credential=AKID/",
        "https://bucket.s3.eu-west-1.amazonaws.com/?list-type=2&prefix=dir/",
        listed(NAMES, "Key", S3_LIST),
    ),
    "minio": Store(
        {"awsS3": [{**KEYS, "endpoint": "http://minio.org:9000", "s3ForcePathStyle": True}]},
        "http://minio.org:9000/bucket/{}",
        "http://minio.org:9000/bucket/{}",
        "AWS4-HMAC-SHA256 Credential=AKID/",
        "http://minio.org:9000/bucket/?list-type=2&prefix=dir/",
        listed(NAMES, "Key", S3_LIST),
    ),
    "azureBlobStorage": Store(
        {"azureBlobStorage": [{"accountName": "acc", "accountKey": ACCOUNT_KEY}]},
        "https://acc.blob.core.windows.net/box/{}",
        "https://acc.blob.core.windows.net/box/{}",
        "SharedKey acc:",
        "https://acc.blob.core.windows.net/box?restype=container&comp=list&prefix=dir/",
        listed(NAMES, "Name", "<E><Blobs>{}</Blobs></E>"),
    ),
    "googleGcs": Store(
        {"googleGcs": {"clientEmail": "a@x.org", "privateKey": PEM.replace("\n", "\\n")}},
        "https://storage.cloud.google.com/bucket/{}",
        "https://storage.googleapis.com/storage/v1/b/bucket/o/{}?alt=media",
        "Bearer leased",
        "https://storage.googleapis.com/storage/v1/b/bucket/o?prefix=dir/&fields=items%2Fname%2CnextPageToken",
        httpx.Response(200, json={"items": [{"name": name} for name in NAMES]}),
    ),
    "awsCodeCommit": Store(
        {"awsCodeCommit": [{**KEYS, "region": "eu-west-1"}]},
        "https://eu-west-1.console.aws.amazon.com/codesuite/codecommit/repositories/repo/browse/refs/heads/main/--/{}?region=eu-west-1",
        "https://codecommit.eu-west-1.amazonaws.com/",
        "AWS4-HMAC-SHA256 Credential=AKID/",
        "https://codecommit.eu-west-1.amazonaws.com/",
        None,
    ),
}
each_store = pytest.mark.parametrize("store", STORES.values(), ids=STORES)


class Web:
    """Answers by URL, and what was asked."""

    def __init__(self, settings: Mapping[str, Any], answers: Mapping[str, Answer]) -> None:
        self.settings = settings
        self.answers: dict[str, Answer] = {
            "https://oauth2.googleapis.com/token": httpx.Response(
                200, json={"access_token": "leased", "expires_in": 3600}
            ),
            **answers,
        }
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.get(str(request.url), httpx.Response(404))
        answer = answer if isinstance(answer, httpx.Response) else answer(request)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def http(self) -> HttpClient:
        return HttpClient(transport=httpx.MockTransport(self))

    def reader(self) -> UrlReaders:
        return create_readers(IntegrationSettings.model_validate(self.settings), Reading(), self.http())


def serving(store: Store) -> Web:
    if store.names is None:
        return Web(store.settings, {store.asked: code_commit})
    answers: dict[str, Answer] = {store.listing: store.names, store.listing.replace("dir/", "dir%2F"): store.names}
    for key in ("dir/a.yaml", "dir/sub/b.yaml"):
        for sent in (key, key.replace("/", "%2F")):
            answers[store.asked.replace("{}", sent)] = httpx.Response(
                200, text=f"content of {key}", headers={"etag": "e1"}
            )
    return Web(store.settings, answers)


@each_store
async def test_an_object_is_read_by_a_signed_request(store: Store) -> None:
    web = serving(store)
    file = await web.reader().read_url(store.url("dir/a.yaml"))
    assert (file.content, file.etag) == (b"content of dir/a.yaml", "e1")
    assert web.asked[-1].headers["authorization"].startswith(store.signed)
    assert (await web.reader().search(store.url("dir/a.yaml"), etag="e1")).not_modified
    assert (await web.reader().search(store.url("gone.yaml"))).files == ()
    with pytest.raises(NotFoundError, match=r"Could not retrieve file from .*404"):
        await web.reader().read_url(store.url("gone.yaml"))


async def test_what_is_sent_is_what_was_signed() -> None:
    web = serving(STORES["awsS3"])
    await web.reader().search("https://bucket.s3.eu-west-1.amazonaws.com/a%20b%2Bc&d=%C3%A9~'.yaml")
    assert web.asked[0].url.raw_path == b"/a%20b%2Bc%26d%3D%C3%A9~%27.yaml"


@each_store
async def test_a_folder_is_written_without_names_that_climb(store: Store, tmp_path: Path) -> None:
    web = serving(store)
    out = tmp_path / "in" / "out"
    out.mkdir(parents=True)
    await web.reader().read_tree(store.url("dir"), out)
    written = {path.relative_to(out).as_posix(): path.read_text() for path in out.rglob("*") if path.is_file()}
    assert written == {"a.yaml": "content of dir/a.yaml", "sub/b.yaml": "content of dir/sub/b.yaml"}
    assert [path.name for path in tmp_path.rglob("*evil*")] == []


# C3, C4
@each_store
@pytest.mark.parametrize("key", ["../x", "..%2fx", "a/%252e%252e/x", "a/./x"])
async def test_d8_keys_that_climb_are_refused_before_anything_is_asked(store: Store, key: str) -> None:
    web = serving(store)
    for read in (web.reader().read_url, web.reader().search):
        with pytest.raises(InputError):
            await read(store.url(key))
    assert web.asked == []


@each_store
async def test_redirects_and_foreign_hosts_get_no_signature(store: Store) -> None:
    web = serving(store)
    for url, answer in list(web.answers.items()):
        if "oauth2" not in url and answer is not store.names:
            web.answers[url] = httpx.Response(307, headers={"location": "http://169.254.169.254/latest"})
    with pytest.raises((NotAllowedError, ForeignError)):
        await web.reader().read_url(store.url("dir/a.yaml"))
    assert "169.254.169.254" not in [request.url.host for request in web.asked]
    before = len(web.asked)
    host = store.page.split("/")[2]
    for foreign in (f"{host}.evil.org", f"evil{host.removeprefix('bucket.')}", "amazonaws.com.evil.org"):
        with pytest.raises((NotAllowedError, InputError)):
            await web.reader().read_url(store.url("dir/a.yaml").replace(host, foreign))
    assert len(web.asked) == before


@each_store
@pytest.mark.parametrize(("status", "error"), [(403, NotAllowedError), (500, ForeignError)])
async def test_failures_tell_no_secret(store: Store, status: int, error: type[Exception]) -> None:
    web = serving(store)
    web.answers = {
        url: answer if "oauth2" in url else httpx.Response(status, text="topsecret")
        for url, answer in web.answers.items()
    }
    with pytest.raises(error, match=f"the answer was {status}") as caught:
        await web.reader().read_url(store.url("dir/a.yaml"))
    assert "topsecret" not in str(caught.value)


# C5
@each_store
async def test_large_objects_and_endless_lists_are_refused(store: Store, tmp_path: Path) -> None:
    web = serving(store)
    for url in web.answers:
        if "oauth2" not in url:
            web.answers[url] = httpx.Response(200, content=b"x" * (15 * 1024 * 1024))
    with pytest.raises(ForeignError, match="more than"):
        await web.reader().read_url(store.url("dir/a.yaml"))
    with pytest.raises(ForeignError):
        await web.reader().read_tree(store.url("dir"), tmp_path)


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("awsS3", "<R><NextContinuationToken>t</NextContinuationToken></R>", "same page twice"),
        ("awsS3", '<!DOCTYPE r [<!ENTITY a "b">]><R>&a;</R>', "declares types of its own"),
        ("awsS3", "<R>", "not XML"),
        ("azureBlobStorage", "<E><NextMarker>m</NextMarker></E>", "same page twice"),
        ("googleGcs", '{"nextPageToken": "t"}', "same page twice"),
        ("googleGcs", '{"items": 5}', "without a list"),
    ],
)
async def test_lists_of_another_shape_are_refused(name: str, body: str, message: str, tmp_path: Path) -> None:
    web = Web(STORES[name].settings, {})
    page = httpx.Response(200, text=body)

    def any_list(request: httpx.Request) -> httpx.Response:
        return web.answers["https://oauth2.googleapis.com/token"] if "oauth2" in str(request.url) else page  # type: ignore[return-value] # a response

    http = HttpClient(transport=httpx.MockTransport(any_list))
    reader = create_readers(IntegrationSettings.model_validate(web.settings), Reading(), http)
    with pytest.raises(ForeignError, match=message):
        await reader.read_tree(STORES[name].url("dir"), tmp_path)


@pytest.mark.parametrize(
    ("name", "url", "message"),
    [
        ("awsS3", "https://s3.amazonaws.com/bucket", "does not contain bucket in the path"),
        ("awsS3", "https://ec2.amazonaws.com/x/y", "Invalid AWS S3 URL"),
        ("awsS3", "https://s3.amazonaws.com/b%2f/x", "Invalid AWS S3 URL"),
        ("awsS3", "https://bucket.s3.amazonaws.com/", "not an object"),
        ("azureBlobStorage", "https://acc.blob.core.windows.net/", "Invalid Azure Blob Storage URL format"),
        ("azureBlobStorage", "https://acc.blob.core.windows.net/a%3fb/x", "Invalid Azure Blob Storage URL format"),
        ("googleGcs", "https://storage.cloud.google.com/b%2f..%2fx/y", "not a valid GCS URL"),
        ("awsCodeCommit", "https://eu-west-1.console.aws.amazon.com/codesuite/codecommit/x", "unexpected path format"),
        (
            "awsCodeCommit",
            "https://eu-west-1.console.aws.amazon.com/codesuite/codecommit/repositories/r/files/edit/main/--/x",
            "not the edit url",
        ),
    ],
)
async def test_urls_that_name_no_object_are_refused(name: str, url: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        await Web(STORES[name].settings, {}).reader().read_url(url)


@pytest.mark.parametrize("name", ["awsS3", "azureBlobStorage", "awsCodeCommit"])
async def test_globs_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="Unsupported search pattern URL"):
        await serving(STORES[name]).reader().search(STORES[name].url("dir/*.yaml"))


async def test_a_star_at_the_end_finds_objects_of_google() -> None:
    store = STORES["googleGcs"]
    web = serving(store)
    names = httpx.Response(200, json={"items": [{"name": "dir/a.yaml"}, {"name": "dir/sub/b.yaml"}]})
    web.answers |= {url: names for url in (store.listing, store.listing.replace("dir/", "dir%2F"))}
    found = await web.reader().search(store.url("dir/*"))
    assert [file.url for file in found.files] == [store.url("dir/a.yaml"), store.url("dir/sub/b.yaml")]
    with pytest.raises(InputError, match="only supports prefix-based searches"):
        await web.reader().search(store.url("*/a.yaml"))
    token = web.asked[0]
    assertion = parse_qs(token.content.decode())["assertion"][0]
    claims = jwt.decode(assertion, RSAKey.import_key(PEM), algorithms=["RS256"]).claims
    assert (claims["iss"], claims["aud"]) == ("a@x.org", "https://oauth2.googleapis.com/token")


async def test_blobs_are_read_by_a_shared_access_signature_and_by_entra_id() -> None:
    base = "https://acc.blob.core.windows.net/box/x"
    web = Web(
        {"azureBlobStorage": [{"accountName": "acc", "sasToken": "?sig=s%2Bx"}]},
        {f"{base}?sig=s%2Bx": httpx.Response(200, content=b"sas")},
    )
    assert (await web.reader().read_url(base)).content == b"sas"
    aad = {"clientId": "c", "tenantId": "t", "clientSecret": "s"}
    login = "https://login.microsoftonline.com/t/oauth2/v2.0/token"
    web = Web(
        {"azureBlobStorage": [{"accountName": "acc", "aadCredential": aad}]},
        {
            login: httpx.Response(200, json={"access_token": "T", "expires_in": 60}),
            base: httpx.Response(200, content=b"aad"),
        },
    )
    assert (await web.reader().read_url(base)).content == b"aad"
    assert web.asked[-1].headers["authorization"] == "Bearer T"
    assert parse_qs(web.asked[0].content.decode())["scope"] == ["https://storage.azure.com/.default"]


def given(token: str = "Token", key: str = "machine") -> dict[str, str]:
    ends_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    return {"AccessKeyId": key, "SecretAccessKey": "s", token: "session", "Expiration": ends_at}


STS = "https://sts.eu-west-1.amazonaws.com/"
INSTANCE = "http://169.254.169.254/latest"
ROLES = f"{INSTANCE}/meta-data/iam/security-credentials/"
ROLE = {"roleArn": "arn", "externalId": "x", "accessKeyId": "own", "secretAccessKey": "s"}


@pytest.mark.parametrize(
    ("entry", "environment", "asked", "found"),
    [
        ({"accessKeyId": "own", "secretAccessKey": "s"}, {"AWS_ACCESS_KEY_ID": "env"}, [], AwsKeys("own", "s")),
        ({}, {"AWS_ACCESS_KEY_ID": "env", "AWS_SECRET_ACCESS_KEY": "s"}, [], AwsKeys("env", "s")),
        (
            ROLE,
            {},
            [STS],
            AwsKeys("role", "s", "session"),
        ),
        ({}, {"AWS_ROLE_ARN": "arn", "AWS_WEB_IDENTITY_TOKEN_FILE": "{file}"}, [STS], AwsKeys("role", "s", "session")),
        (
            {},
            {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/creds", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "{file}"},
            ["http://169.254.170.2/creds"],
            AwsKeys("machine", "s", "session"),
        ),
        (
            {},
            {},
            [
                f"{INSTANCE}/api/token",
                ROLES,
                ROLES + "web",
            ],
            AwsKeys("machine", "s", "session"),
        ),
    ],
)
async def test_aws_requests_are_signed_by_key_role_or_machine(
    entry: Mapping[str, str], environment: Mapping[str, str], asked: list[str], found: AwsKeys, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("web-token\n")
    variables = {name: value.replace("{file}", str(tmp_path / "token")) for name, value in environment.items()}
    role = "".join(f"<{name}>{value}</{name}>" for name, value in given("SessionToken", "role").items())
    web = Web(
        {},
        {
            STS: httpx.Response(200, text=f'<A xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><C>{role}</C></A>'),
            "http://169.254.170.2/creds": httpx.Response(200, json=given()),
            f"{INSTANCE}/api/token": httpx.Response(200, text="imds"),
            ROLES: httpx.Response(200, text="web\n"),
            ROLES + "web": httpx.Response(200, json=given()),
        },
    )
    identity = AwsIdentity(web.http(), AwsCredentials.model_validate(entry), "eu-west-1", variables)
    assert await identity.keys() == await identity.keys() == found
    assert [str(request.url) for request in web.asked] == asked
    if asked == [STS]:
        form = parse_qs(web.asked[0].content.decode())
        assert form["RoleArn"] == ["arn"]
        assert form.get("ExternalId", form.get("WebIdentityToken")) in (["x"], ["web-token"])
        assert ("authorization" in web.asked[0].headers) == ("ExternalId" in form)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "configure a key under integrations"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://evil.org/creds"}, "another machine without https"),
        ({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/gone"}, "the answer was 404"),
    ],
)
async def test_without_credentials_reading_says_what_to_do(environment: Mapping[str, str], message: str) -> None:
    identity = AwsIdentity(Web({}, {}).http(), AwsCredentials(), "eu-west-1", environment)
    with pytest.raises(ForeignError, match=message):
        await identity.keys()


async def test_stores_without_an_entry_are_not_read() -> None:
    for store in STORES.values():
        with pytest.raises(NotAllowedError, match="You may need to configure an integration"):
            await Web({}, {}).reader().read_url(store.url("dir/a.yaml"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"awsS3": [{"accessKeyId": "x"}]}, "expected both accessKeyId and secretAccessKey"),
        ({"awsS3": [{"endpoint": "https://x.org/path"}]}, "URL without a path"),
        ({"awsCodeCommit": [{}]}, "region"),
        (
            {"azureBlobStorage": [{"accountName": "a", "accountKey": "x", "sasToken": "y"}]},
            "expected one of accountKey",
        ),
        ({"googleGcs": {"clientEmail": "x"}}, "expected both clientEmail and privateKey"),
    ],
)
def test_entries_that_cannot_work_stop_the_start(settings: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        IntegrationSettings.model_validate(settings)


async def test_keys_that_are_none_are_refused_without_showing_them() -> None:
    with pytest.raises(InputError, match="accountKey is not base64"):
        Web({"azureBlobStorage": [{"accountName": "a", "accountKey": "n@t"}]}, {}).reader()
    web = Web({"googleGcs": {"clientEmail": "x", "privateKey": "topsecret"}}, {})
    with pytest.raises(InputError, match="cannot be used to sign") as caught:
        await web.reader().read_url("https://storage.cloud.google.com/bucket/x")
    assert "topsecret" not in str(caught.value)
