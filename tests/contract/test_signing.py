"""Requests to object stores are signed as the clouds' own libraries sign the same request at the same time."""

import base64
import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.contract.installation import Installation

from understage.integrations.aws.signing import AwsKeys, Scope, sign
from understage.integrations.azure.blob_source import sign_shared_key

SCRIPT = Path(__file__).with_name("signing.cjs")
KEY = "dir/a b+c&d=é/ü~.yaml"
KEYS = {"accessKeyId": "AKID", "secretAccessKey": "secret", "sessionToken": "session"}
ACCOUNT_KEY = base64.b64encode(b"a key of the account").decode()


@pytest.fixture(scope="module")
def sent(stock_installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("signing") / "node"
    stock_installation.compose(folder)
    script = folder / SCRIPT.name
    script.write_text(SCRIPT.read_text())
    done = subprocess.run(
        [str(stock_installation.node), str(script)],
        input=json.dumps({"keys": KEYS, "accountKey": ACCOUNT_KEY, "key": KEY}),
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("name", "service"), [("object", "s3"), ("objects", "s3"), ("file", "codecommit")])
def test_requests_to_aws_are_signed_alike(name: str, service: str, sent: dict[str, Any]) -> None:
    request = sent[name]
    stock = request["headers"]["authorization"]
    names = stock.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    made = {"host", "x-amz-date", "x-amz-security-token"} | ({"x-amz-content-sha256"} if service == "s3" else set())
    signed_too = {each: request["headers"][each] for each in names if each not in made}
    url = f"https://{request['host']}{request['path']}" + (f"?{request['query']}" if request["query"] else "")
    now = datetime.strptime(request["headers"]["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    ours = sign(
        request["method"],
        url,
        Scope("eu-west-1", service),
        AwsKeys("AKID", "secret", "session"),
        now,
        headers=signed_too,
        content=(request.get("body") or "").encode(),
    )
    assert ours["authorization"] == stock


@pytest.mark.parametrize("name", ["blob", "list"])
def test_requests_to_azure_are_signed_alike(name: str, sent: dict[str, Any]) -> None:
    request = sent[name]
    headers = {
        header.lower(): value for header, value in request["headers"].items() if header.lower() != "authorization"
    }
    signature = sign_shared_key(request["method"], request["url"], "acc", base64.b64decode(ACCOUNT_KEY), headers)
    stock = next(value for header, value in request["headers"].items() if header.lower() == "authorization")
    assert f"SharedKey acc:{signature}" == stock
