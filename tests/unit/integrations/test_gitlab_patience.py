"""`integrations.gitlab[].retry`: what is repeated, when, and how slowly it goes."""

import io
from collections.abc import Sequence

import httpx
import pytest

from understage.config.backend_settings import Reading
from understage.config.integration_settings import GitlabIntegration, GitlabRetry, IntegrationSettings
from understage.errors import ForeignError
from understage.integrations.gitlab.patience import PatientClient, patient
from understage.integrations.sources import create_readers
from understage.platform.http import HttpClient

URL = "https://gitlab.com/api/v4/projects/1"
Said = int | httpx.Response | Exception


class Forge:
    """Says one thing after the other, and goes on saying the last."""

    def __init__(self, *said: Said) -> None:
        self.said = list(said)
        self.asked = 0
        self.slept: list[float] = []
        self.now = 0.0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        found = self.said[min(self.asked, len(self.said) - 1)]
        self.asked += 1
        if isinstance(found, Exception):
            raise found
        return httpx.Response(found, text=f"{found}") if isinstance(found, int) else found

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def client(self, retries: int = 3, codes: Sequence[int] = (429, 503), per_minute: int = -1) -> PatientClient:
        retry = GitlabRetry(
            max_retries=retries, retry_status_codes=tuple(codes), max_api_requests_per_minute=per_minute
        )
        inner = HttpClient(transport=httpx.MockTransport(self))
        return PatientClient(inner, retry, sleep=self.sleep, clock=lambda: self.now)


async def test_a_listed_status_is_asked_again_with_pauses_that_double() -> None:
    forge = Forge(503, 503, 200)
    assert (await forge.client().request("GET", URL)).status == 200
    assert forge.slept == [0.1, 0.2]


async def test_the_last_answer_is_given_when_all_tries_are_spent() -> None:
    forge = Forge(503)
    assert (await forge.client(retries=2).request("GET", URL)).status == 503
    assert forge.asked == 3


async def test_gitlabs_own_word_is_taken_within_reason() -> None:
    forge = Forge(
        httpx.Response(429, headers={"Retry-After": "7"}), httpx.Response(429, headers={"Retry-After": "9000"}), 200
    )
    assert (await forge.client().request("GET", URL)).status == 200
    assert forge.slept == [7.0, 60.0]


@pytest.mark.parametrize("status", [200, 404, 500])
async def test_other_statuses_are_answers(status: int) -> None:
    forge = Forge(status)
    assert (await forge.client().request("GET", URL)).status == status
    assert forge.asked == 1


async def test_no_answer_at_all_is_tried_again() -> None:
    forge = Forge(httpx.ConnectError("refused"), 200)
    assert (await forge.client().request("GET", URL)).status == 200
    lost = Forge(httpx.ConnectError("refused"))
    with pytest.raises(ForeignError):
        await lost.client(retries=1).request("GET", URL)
    assert lost.asked == 2


async def test_a_write_is_sent_once() -> None:
    forge = Forge(503)
    assert (await forge.client().request("POST", URL)).status == 503
    assert forge.asked == 1


async def test_a_download_begins_anew() -> None:
    forge = Forge(httpx.Response(503, text="busy"), httpx.Response(200, text="the archive"))
    file = io.BytesIO(b"old content that is longer")
    await forge.client().download(URL, file)
    assert file.getvalue() == b"the archive"


async def test_no_more_requests_begin_within_a_minute() -> None:
    forge = Forge(200)
    client = forge.client(per_minute=2)
    for _ in range(5):
        await client.request("GET", URL)
    assert forge.slept == [60.0, 60.0]


def test_without_a_wish_the_client_stays_what_it_is() -> None:
    client = HttpClient()
    assert patient(client, GitlabRetry()) is client
    assert patient(client, GitlabRetry(max_retries=3)) is client
    assert patient(client, GitlabRetry(max_retries=3, retry_status_codes=(503,))) is not client


async def test_the_reader_of_an_entry_is_patient() -> None:
    forge = Forge(httpx.Response(503), httpx.Response(200, text="kind: Component"))
    retry = GitlabRetry(max_retries=1, retry_status_codes=(503,))
    settings = IntegrationSettings(gitlab=(GitlabIntegration(retry=retry),))
    readers = create_readers(settings, Reading(), HttpClient(transport=httpx.MockTransport(forge)))
    found = await readers.read_url("https://gitlab.com/acme/shop/-/blob/main/catalog-info.yaml")
    assert (found.content, forge.asked) == (b"kind: Component", 2)
