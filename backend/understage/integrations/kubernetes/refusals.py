"""An API server's refusal as an error for the person who can act.

Called by `cluster` for every status above 299; the Status object is Kubernetes' own (`meta/v1.Status`).
"""

from typing import Any

from understage.errors import (
    ConflictError,
    ForeignError,
    InputError,
    NotAllowedError,
    NotFoundError,
    UnderstageError,
)


def refusal(status: int, answer: Any, *, cluster: str, source: str, what: str) -> UnderstageError:
    """The error for an answer. `what` says what was tried, e.g. `apply Namespace payments`."""
    message = _message(answer, status)
    place = f"Cluster {cluster!r} refused to {what}"
    if status == 401:
        return ForeignError(
            f"{place}: it does not accept the credentials (401). Renew the token or kubeconfig in {source}"
        )
    if status == 403:
        return NotAllowedError(f"{place}: {message}. Bind a role that allows it to the identity in {source}")
    if status == 404:
        return NotFoundError(f"{place}: {message}")
    if status == 409:
        return _conflict(place, message, answer)
    # API servers answer 500 to a field that the kind does not have.
    if status in (400, 422) or "failed to create typed patch object" in message:
        return InputError(f"{place}: {message}")
    return ForeignError(f"{place}: {message} (status {status})")


def _conflict(place: str, message: str, answer: Any) -> ConflictError:
    causes = [cause for cause in _causes(answer) if cause.get("reason") == "FieldManagerConflict"]
    if not causes:
        return ConflictError(f"{place}: {message}")
    fields = ", ".join(str(cause.get("field", "")) for cause in causes)
    managers = "; ".join(sorted({str(cause.get("message", "")) for cause in causes}))
    return ConflictError(
        f"{place}: {fields} belong to another manager ({managers}). Remove them there, or let that manager make the change",
        fields=fields,
    )


def _causes(answer: Any) -> list[dict[str, Any]]:
    details = answer.get("details") if isinstance(answer, dict) else None
    causes = details.get("causes") if isinstance(details, dict) else None
    return [cause for cause in causes or [] if isinstance(cause, dict)]


def _message(answer: Any, status: int) -> str:
    if isinstance(answer, dict) and isinstance(answer.get("message"), str):
        return str(answer["message"]).rstrip(".")
    return f"status {status}"
