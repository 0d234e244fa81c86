from fastapi.testclient import TestClient

from service.app import app

client = TestClient(app)


def test_it_says_who_it_is() -> None:
    assert client.get("/").json() == {"service": "${{ values.name }}"}


def test_it_is_healthy() -> None:
    response = client.get("/health")
    assert response.status_code == 200
    assert response.json() == {"status": "ok"}


def test_requests_are_counted_by_route_and_status() -> None:
    client.get("/")
    client.get("/nothing/here")
    client.request("BREW", "/")
    metrics = client.get("/metrics").text
    count = "http_server_request_duration_seconds_count"
    assert f'{count}{{http_request_method="GET",http_response_status_code="200",http_route="/"}}' in metrics
    assert f'{count}{{http_request_method="GET",http_response_status_code="404",http_route=""}}' in metrics
    assert "BREW" not in metrics
    assert "nothing" not in metrics
