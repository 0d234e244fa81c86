import pytest
from structlog.testing import capture_logs

from understage.config.backend_settings import SeverityLogLevels
from understage.errors import InputError
from understage.identity.audit import Auditor, AuditRequest
from understage.identity.credentials import Credentials

REQUEST = AuditRequest("POST", "/api/catalog/locations?dryRun=true", ip="10.0.0.1", user_agent="curl")


def test_operation_is_logged_before_and_after_with_what_it_learned() -> None:
    auditor = Auditor("catalog")
    caller = Credentials.user("user:default/alice", "secret-token")
    with (
        capture_logs() as logs,
        auditor.event(
            "location-mutate", credentials=caller, severity="medium", request=REQUEST, meta={"actionType": "create"}
        ) as event,
    ):
        event.meta["entityRef"] = "location:default/x"
    common = {
        "event": "catalog.location-mutate",
        "log_level": "info",
        "isAuditEvent": True,
        "plugin": "catalog",
        "eventId": "location-mutate",
        "severityLevel": "medium",
        "actor": {"actorId": "user:default/alice", "ip": "10.0.0.1", "userAgent": "curl"},
        "request": {"url": "/api/catalog/locations?dryRun=true", "method": "POST"},
    }
    assert logs == [
        {**common, "status": "initiated", "meta": {"actionType": "create"}},
        {**common, "status": "succeeded", "meta": {"actionType": "create", "entityRef": "location:default/x"}},
    ]
    assert "secret-token" not in str(logs)


def test_failure_is_logged_and_goes_on() -> None:
    with capture_logs() as logs, pytest.raises(InputError), Auditor("scaffolder").event("task", severity="high"):
        raise InputError("no such template")
    assert logs[1]["event"] == "scaffolder.task no such template"
    assert (logs[1]["status"], logs[1]["error"]) == ("failed", {"name": "InputError", "message": "no such template"})
    assert logs[1]["actor"] == {"actorId": "plugin:scaffolder"}


def test_severity_decides_the_level() -> None:
    auditor = Auditor("catalog", SeverityLogLevels(low="warn"))
    with capture_logs() as logs, auditor.event("entity-fetch"):
        pass
    with capture_logs() as quiet, Auditor("catalog").event("entity-fetch"):
        pass
    assert [line["log_level"] for line in (*logs, *quiet)] == ["warning", "warning", "debug", "debug"]
