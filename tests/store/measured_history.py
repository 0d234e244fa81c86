"""Four weeks of March 2026 of four services, told as events, and what they come to by hand.

    period      2026-03-02T00:00Z to 2026-03-30T00:00Z: 28 days, 4 weeks
    ledger      team books, system money.  a1 a2 (a2 again) a3 -> back to a2, a4, a5 which never recovers
    invoices    team books.                b0 since last November; b1 -> back to b0, b2
    vault-api   team vault.                c1, degraded at first
    archive     team vault.                in staging only

Every figure below has its arithmetic beside it; nothing here is computed by the code under test.
"""

from typing import Any

BEGIN, END = "2026-03-02T00:00:00Z", "2026-03-30T00:00:00Z"
TEAMS = {"ledger": "books", "invoices": "books", "vault-api": "vault", "archive": "vault"}
HOUR = 3600


def component(name: str) -> dict[str, Any]:
    spec = {"type": "service", "lifecycle": "production", "owner": f"group:default/{TEAMS[name]}"}
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": name},
        "spec": {**spec, **({"system": "money"} if name == "ledger" else {})},
    }


ENTITIES = [
    *(component(name) for name in TEAMS),
    *(
        {
            "apiVersion": "backstage.io/v1alpha1",
            "kind": "Group",
            "metadata": {"name": name},
            "spec": {"type": "team", "children": []},
        }
        for name in ("books", "vault")
    ),
    {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "System",
        "metadata": {"name": "money"},
        "spec": {"owner": "group:default/books"},
    },
]


def time(text: str) -> str:
    """`03-04 10:00` of 2026; a whole date and time as it is."""
    return f"{text.replace(' ', 'T')}:00Z" if len(text) > 11 else f"2026-{text.replace(' ', 'T')}:00Z"


def deployment(service: str, revision: str, at: str, commit: str | None, environment: str = "production") -> Any:
    event = {
        "type": "deployment",
        "application": f"{service}-{environment}",
        "environment": environment,
        "revision": revision,
        "at": time(at),
    }
    return event if commit is None else {**event, "committedAt": time(commit)}


def health(service: str, status: str, at: str, environment: str = "production") -> Any:
    return {"type": "health", "application": f"{service}-{environment}", "status": status, "at": time(at)}


def start(service: str, at: str) -> Any:
    return {"type": "start", "service": service, "at": time(at)}


EVENTS = [
    start("ledger", "03-02 09:00"),
    # Lead time 2 h. First healthy 2 days, 1 h, 5 min after the start: 172 800 + 3 600 + 300 = 176 700 s.
    deployment("ledger", "a1", "03-04 10:00", "03-04 08:00"),
    health("ledger", "Healthy", "03-04 10:05"),
    # Lead time 4 h. Degraded from 10:10 to 10:40: a failure, restored in 1 800 s.
    deployment("ledger", "a2", "03-09 10:00", "03-09 06:00"),
    health("ledger", "Degraded", "03-09 10:10"),
    health("ledger", "Healthy", "03-09 10:40"),
    # The same revision again: no change.
    deployment("ledger", "a2", "03-10 10:00", "03-09 06:00"),
    # Lead time 1 h. Rolled back though it never was degraded: a failure from 12:00 until healthy at 13:02, 3 720 s.
    deployment("ledger", "a3", "03-16 12:00", "03-16 11:00"),
    deployment("ledger", "a2", "03-16 13:00", "03-09 06:00"),
    health("ledger", "Healthy", "03-16 13:02"),
    # The committer's clock is 10 minutes ahead: lead time 0, skewed.
    deployment("ledger", "a4", "03-23 09:00", "03-23 09:10"),
    # 39 h later, which is beyond the window of 24 h: no failure of that change.
    health("ledger", "Degraded", "03-25 00:00"),
    health("ledger", "Healthy", "03-25 01:00"),
    # Nobody knows when it was committed. A failure that is never restored.
    deployment("ledger", "a5", "03-27 09:00", None),
    health("ledger", "Degraded", "03-27 09:30"),
    # In production since November, which is longer ago than any look back.
    start("invoices", "2025-10-01 00:00"),
    deployment("invoices", "b0", "2025-11-01 00:00", "2025-10-31 00:00"),
    health("invoices", "Healthy", "2025-11-01 00:05"),
    # Lead time 24 h. Degraded at 08:30, rolled back at 20:00, healthy at 20:06: one failure of 11 h 36 min = 41 760 s.
    deployment("invoices", "b1", "03-05 08:00", "03-04 08:00"),
    health("invoices", "Degraded", "03-05 08:30"),
    deployment("invoices", "b0", "03-05 20:00", "2025-10-31 00:00"),
    health("invoices", "Healthy", "03-05 20:06"),
    # Lead time 12 h. What happens in staging is no production.
    deployment("invoices", "b2", "03-18 21:00", "03-18 20:00", "staging"),
    health("invoices", "Degraded", "03-18 21:10", "staging"),
    deployment("invoices", "b2", "03-19 08:00", "03-18 20:00"),
    # Lead time 1 h. Degraded from 00:20 to 02:00: a failure of 6 000 s.
    # First healthy 11 days and 2 h after the start, which was before the period: 950 400 + 7 200 = 957 600 s.
    start("vault-api", "03-01 00:00"),
    deployment("vault-api", "c1", "03-12 00:00", "03-11 23:00"),
    health("vault-api", "Degraded", "03-12 00:20"),
    health("vault-api", "Healthy", "03-12 02:00"),
    start("archive", "03-10 00:00"),
    deployment("archive", "d1", "03-11 00:00", "03-10 12:00", "staging"),
    health("archive", "Healthy", "03-11 00:01", "staging"),
]

TICKETS = """\
Issue key,Summary,Reporter,Created,Resolved,Component,Team
P-1,Please make a namespace for Ada,ada@example.com,2026-02-20,2026-03-03,,books
P-2,"Why, oh why",bob@example.com,2026-03-05T08:00:00+01:00,2026-03-06T08:00:00Z,ledger,
P-3,Database please,ada@example.com,2026-03-20,,vault-api,vault
P-4,Somebody else's,carol@example.com,2026-03-21,2026-04-02,gone-service,
"""

# ledger: 5 changes (a1 a2 a3 a4 a5) in 28 days and 4 weeks: 5 / 28 = 0.1786, 5 / 4 = 1.25
# lead times 2 h, 4 h, 1 h, 0: sorted 0 3600 7200 14400, median (3600 + 7200) / 2 = 5400, mean 25200 / 4 = 6300; a5 unknown
# failed: a2, a3, a5: 3 / 5 = 0.6
# restored: 1800, 3720: median and mean 2760; a5 is open
LEDGER = {
    "timeToProduction": {"count": 1, "medianSeconds": 176700, "meanSeconds": 176700, "skewed": 0, "waiting": 0},
    "deploymentFrequency": {"deployments": 5, "perDay": 0.1786, "perWeek": 1.25},
    "leadTime": {"count": 4, "medianSeconds": 5400, "meanSeconds": 6300, "skewed": 1, "unknown": 1},
    "changeFailureRate": {"deployments": 5, "failed": 3, "rate": 0.6},
    "timeToRestore": {"count": 2, "medianSeconds": 2760, "meanSeconds": 2760, "skewed": 0, "open": 1},
    # P-2 was opened and closed in March.
    "tickets": {"opened": 1, "closed": 1},
}
# books: ledger and invoices: 5 + 2 changes (b1 b2): 7 / 28 = 0.25, 7 / 4 = 1.75
# lead times 0 3600 7200 14400 and 86400 43200: sorted 0 3600 7200 14400 43200 86400,
#   median (7200 + 14400) / 2 = 10800, mean 154800 / 6 = 25800
# failed: 3 and b1: 4 / 7 = 0.5714; restored 1800 3720 41760: median 3720, mean 47280 / 3 = 15760
# invoices reached production long before the period: only ledger counts
BOOKS = {
    "timeToProduction": LEDGER["timeToProduction"],
    "deploymentFrequency": {"deployments": 7, "perDay": 0.25, "perWeek": 1.75},
    "leadTime": {"count": 6, "medianSeconds": 10800, "meanSeconds": 25800, "skewed": 1, "unknown": 1},
    "changeFailureRate": {"deployments": 7, "failed": 4, "rate": 0.5714},
    "timeToRestore": {"count": 3, "medianSeconds": 3720, "meanSeconds": 15760, "skewed": 0, "open": 1},
    # P-2 by its service; P-1 by the team, opened in February and closed in March.
    "tickets": {"opened": 1, "closed": 2},
}
# all: 7 changes and c1: 8 / 28 = 0.2857, 8 / 4 = 2
# lead times and 3600: 0 3600 3600 7200 14400 43200 86400: median 7200, mean 158400 / 7 = 22628.5714
# failed: 4 and c1: 5 / 8 = 0.625; restored 1800 3720 6000 41760: median 4860, mean 53280 / 4 = 13320
# to production 176700 and 957600: median and mean 1134300 / 2 = 567150; archive waits
ALL = {
    "timeToProduction": {"count": 2, "medianSeconds": 567150, "meanSeconds": 567150, "skewed": 0, "waiting": 1},
    "deploymentFrequency": {"deployments": 8, "perDay": 0.2857, "perWeek": 2},
    "leadTime": {"count": 7, "medianSeconds": 7200, "meanSeconds": 22628.5714, "skewed": 1, "unknown": 1},
    "changeFailureRate": {"deployments": 8, "failed": 5, "rate": 0.625},
    "timeToRestore": {"count": 4, "medianSeconds": 4860, "meanSeconds": 13320, "skewed": 0, "open": 1},
    # P-1 has no service, P-2, P-3; P-4 is about a component that nobody may read. Closed: P-1, P-2.
    "tickets": {"opened": 2, "closed": 2},
}
# archive: never in production
ARCHIVE = {
    "timeToProduction": {"count": 0, "medianSeconds": None, "meanSeconds": None, "skewed": 0, "waiting": 1},
    "deploymentFrequency": {"deployments": 0, "perDay": 0, "perWeek": 0},
    "leadTime": {"count": 0, "medianSeconds": None, "meanSeconds": None, "skewed": 0, "unknown": 0},
    "changeFailureRate": {"deployments": 0, "failed": 0, "rate": None},
    "timeToRestore": {"count": 0, "medianSeconds": None, "meanSeconds": None, "skewed": 0, "open": 0},
    "tickets": {"opened": 0, "closed": 0},
}
BY_SCOPE = {
    "": ALL,
    "team=books": BOOKS,
    "system=money": LEDGER,
    "service=ledger": LEDGER,
    "service=component:default/archive": ARCHIVE,
}
