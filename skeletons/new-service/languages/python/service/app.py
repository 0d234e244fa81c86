"""The HTTP endpoints."""

from fastapi import FastAPI

app = FastAPI(title="${{ values.name }}", version="${{ values.tag }}")


@app.get("/")
def index() -> dict[str, str]:
    """Say who answers."""
    return {"service": "${{ values.name }}"}


@app.get("/health")
def health() -> dict[str, str]:
    """Answer while requests can be taken; Kubernetes asks."""
    return {"status": "ok"}
