"""The audit log: who did what, and how it ended, in the form of the stock auditor.

API edges and the task runner open an event around an operation; it is logged as initiated, then as succeeded or failed.
The lines go into the ordinary structured log, marked by `isAuditEvent`.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import structlog

from understage.config.backend_settings import SeverityLogLevels
from understage.errors import UnderstageError
from understage.identity.credentials import Credentials

log = structlog.get_logger(__name__)

Severity = Literal["low", "medium", "high", "critical"]
_DEFAULT_LEVELS = SeverityLogLevels()


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """The request that an event belongs to; `url` is the full path with query."""

    method: str
    url: str
    ip: str | None = None
    hostname: str | None = None
    user_agent: str | None = None

    @classmethod
    def of(cls, scope: Mapping[str, Any]) -> "AuditRequest":
        """What the log tells of a request, given its ASGI scope."""
        query = scope["query_string"].decode("latin-1")
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        return cls(
            scope["method"],
            f"{scope['path']}?{query}" if query else scope["path"],
            ip=scope["client"][0] if scope.get("client") else None,
            hostname=headers.get(b"host", "").partition(":")[0] or None,
            user_agent=headers.get(b"user-agent"),
        )


class AuditEvent:
    """An operation that goes on; `meta` may be added to until it ends."""

    def __init__(self, meta: Mapping[str, Any]) -> None:
        self.meta = dict(meta)
        self.failure: Exception | None = None
        self.is_suspended = False

    def suspend(self) -> None:
        """Log no end: the operation goes on elsewhere, as an event that `continues`."""
        self.is_suspended = True

    def fail(self, error: Exception) -> None:
        """Have the operation logged as failed, though its block ends without an exception."""
        self.failure = error


class Auditor:
    """Writes the audit events of one plugin."""

    def __init__(self, plugin_id: str, levels: SeverityLogLevels = _DEFAULT_LEVELS) -> None:
        self._plugin_id = plugin_id
        self._levels = levels

    @contextmanager
    def event(
        self,
        event_id: str,
        *,
        credentials: Credentials | None = None,
        severity: Severity = "low",
        request: AuditRequest | None = None,
        meta: Mapping[str, Any] | None = None,
        continues: bool = False,
    ) -> Iterator[AuditEvent]:
        """Log the operation inside of the `with` block; an exception is logged and goes on.

        One that `continues` a suspended operation is not logged as initiated again.
        """
        event = AuditEvent(meta or {})
        fields = {
            "isAuditEvent": True,
            "plugin": self._plugin_id,
            "eventId": event_id,
            "severityLevel": severity,
            "actor": _actor(self._plugin_id, credentials, request),
            **({"request": {"url": request.url, "method": request.method}} if request else {}),
        }
        if not continues:
            self._write(fields, event, "initiated")
        try:
            yield event
        except Exception as error:
            self._write(fields, event, "failed", error)
            raise
        if not event.is_suspended:
            self._write(fields, event, "failed" if event.failure else "succeeded", event.failure)

    def asked(
        self,
        scope: Mapping[str, Any],
        event_id: str,
        *,
        severity: Severity = "low",
        meta: Mapping[str, Any] | None = None,
    ) -> AbstractContextManager[AuditEvent]:
        """`event` for what a request asks for, given its ASGI scope, by whoever its `state` has as `credentials`."""
        level = getattr(self._levels, severity)
        # Most events are of low severity, which is not logged as a rule: they shall cost nothing.
        if not _is_logged(structlog.get_config()["wrapper_class"], level):
            return nullcontext(AuditEvent(meta or {}))
        return self.event(
            event_id,
            credentials=scope["state"]["credentials"],
            severity=severity,
            request=AuditRequest.of(scope),
            meta=meta,
        )

    def _write(self, fields: dict[str, Any], event: AuditEvent, status: str, error: Exception | None = None) -> None:
        message = f"{self._plugin_id}.{fields['eventId']}"
        line = {**fields, "status": status, **({"meta": dict(event.meta)} if event.meta else {})}
        if error is not None:
            message = f"{message} {error}"
            name = error.name if isinstance(error, UnderstageError) else type(error).__name__
            line["error"] = {"name": name, "message": str(error)}
        level = getattr(self._levels, fields["severityLevel"])
        # The line's own `event` is structlog's message.
        getattr(log, "warning" if level == "warn" else level)(message, **line)


@lru_cache(maxsize=16)
def _is_logged(_logger_class: type, level: str) -> bool:
    """Whether loggers of the configured class log at a level; to make one for each question costs more than the answer."""
    return bool(log.is_enabled_for(logging.getLevelNamesMapping()[level.upper()]))


def _actor(plugin_id: str, credentials: Credentials | None, request: AuditRequest | None) -> dict[str, Any]:
    actor = {
        "actorId": (credentials.actor_id if credentials else None) or (None if request else f"plugin:{plugin_id}"),
        "ip": request.ip if request else None,
        "hostname": request.hostname if request else None,
        "userAgent": request.user_agent if request else None,
    }
    return {name: value for name, value in actor.items() if value is not None}
