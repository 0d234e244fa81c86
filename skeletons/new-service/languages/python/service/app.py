"""The HTTP endpoints."""

from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from service.telemetry import Metrics, traced

app = FastAPI(
    title="${{ values.name }}",
    version="${{ values.tag }}",
    lifespan=traced,
    # What Kubernetes and Prometheus ask all the time says nothing about the service.
    telemetry={"exclude": lambda scope: scope.get("path") in ("/health", "/metrics")},
)
app.add_middleware(Metrics)


@app.get("/")
def index() -> dict[str, str]:
    """Say who answers."""
    return {"service": "${{ values.name }}"}


@app.get("/health")
def health() -> dict[str, str]:
    """Answer while requests can be taken; Kubernetes asks."""
    return {"status": "ok"}


@app.get("/metrics", include_in_schema=False)
def metrics() -> Response:
    """What Prometheus reads."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
