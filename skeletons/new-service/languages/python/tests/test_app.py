from fastapi.testclient import TestClient

from service.app import app

client = TestClient(app)


def test_it_says_who_it_is() -> None:
    assert client.get("/").json() == {"service": "${{ values.name }}"}


def test_it_is_healthy() -> None:
    response = client.get("/health")
    assert response.status_code == 200
    assert response.json() == {"status": "ok"}
