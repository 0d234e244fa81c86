"""What the API and the metrics ask: figures of a period for those who may read them; and what is told to us.

api -> service -> store, figures
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from understage.config.measures_settings import MeasuresSettings
from understage.errors import InputError, NotFoundError
from understage.identity.credentials import Credentials
from understage.measures.catalog import Plugins
from understage.measures.events import Deployment, Health, Service, Start, Ticket
from understage.measures.figures import DAY, Figures, History, Period, compute
from understage.measures.store.select_deployed import (
    select_deployments,
    select_first_production,
    select_healths,
    select_starts,
)
from understage.measures.store.select_tickets import select_tickets
from understage.measures.store.survey import select_comments, select_scores, write_answer
from understage.measures.store.write_events import (
    insert_deployments,
    insert_healths,
    insert_starts,
    write_tickets,
)
from understage.model.ref import EntityRef
from understage.platform.database import Database

LOOK_BACK = 90 * DAY
"""How long before a period deployments are looked at, to know which revisions ran before."""

Clock = Callable[[], int]


@dataclass(frozen=True)
class Scope:
    """What is asked about: one of these, or everything that may be read."""

    service: str | None = None
    team: str | None = None
    system: str | None = None


@dataclass(frozen=True)
class Stored:
    """How many events were new."""

    deployments: int
    healths: int
    starts: int


class Measures:
    """The measures. `key` is a secret of the installation: by it people are told apart in the survey, and not known."""

    def __init__(
        self, database: Database, settings: MeasuresSettings, plugins: Plugins, *, key: bytes, clock: Clock
    ) -> None:
        self.settings = settings
        self.clock = clock
        self._database = database
        self._plugins = plugins
        self._key = hashlib.sha256(b"understage survey\0" + key).digest()

    async def measure(self, scope: Scope, period: Period, credentials: Credentials) -> tuple[Figures, list[Service]]:
        """The figures of a scope, as far as `credentials` may read its entities; and the components they are about.

        Raises NotFoundError for a component, group or system that is not there or may not be read.
        """
        services = await self._services(scope, credentials)
        history = await self.history(period)
        team = None if scope.team is None else _full_ref(scope.team, "group", "team")
        everything = scope == Scope()

        def is_meant(ticket: Ticket) -> bool:
            if ticket.service is not None:
                return ticket.service in services
            return everything or (team is not None and ticket.team == team)

        chosen = _narrowed(history, services)
        chosen = replace(chosen, tickets=[ticket for ticket in history.tickets if is_meant(ticket)])
        return compute(chosen, period, failure_window=self.failure_window), sorted(services)

    async def history(self, period: Period) -> History:
        """The events that a period's figures need, of all services."""
        environments = list(self.settings.production_environments)
        begin = period.begin - LOOK_BACK
        async with self._database.read(is_one_snapshot=True) as connection:
            return History(
                deployments=await select_deployments(connection, environments, begin, period.end),
                healths=await select_healths(connection, environments, begin),
                starts=await select_starts(connection),
                production=await select_first_production(connection, environments),
                tickets=await select_tickets(connection, period.begin, period.end),
                scores=await select_scores(connection, self.settings.survey.id, period.begin, period.end),
            )

    @property
    def failure_window(self) -> int:
        """In milliseconds."""
        return int(self.settings.failure_window.total_seconds() * 1000)

    async def store(
        self, deployments: Sequence[Deployment], healths: Sequence[Health], starts: Sequence[Start]
    ) -> Stored:
        """Keep events that were told."""
        async with self._database.write() as connection:
            return Stored(
                await insert_deployments(connection, deployments),
                await insert_healths(connection, healths),
                await insert_starts(connection, starts),
            )

    async def import_tickets(self, tickets: Sequence[Ticket]) -> None:
        """Keep tickets; those that are known by source and id are replaced."""
        async with self._database.write() as connection:
            await write_tickets(connection, tickets)

    async def answer_survey(self, user_ref: str, score: int, comment: str | None) -> str:
        """Keep a person's answer of this period, in place of an earlier one; returns the period."""
        now = self.clock()
        question, period = self.settings.survey.id, self.survey_period(now)
        said = f"{question}\0{period}\0{user_ref.lower()}".encode()
        person = hmac.new(self._key, said, hashlib.sha256).hexdigest()
        async with self._database.write() as connection:
            await write_answer(
                connection, question=question, period=period, person=person, score=score, comment=comment, at=now
            )
        return period

    async def survey_comments(self, period: str) -> list[tuple[int, str]]:
        """What people wrote in a period, by score."""
        async with self._database.read() as connection:
            return await select_comments(connection, self.settings.survey.id, period)

    def survey_period(self, at: int) -> str:
        """The name of the period that a time is in: `2026-Q1`, `2026-03` or `2026`, in UTC."""
        day = datetime.fromtimestamp(at / 1000, UTC)
        names = {"month": f"{day:%Y-%m}", "quarter": f"{day.year}-Q{(day.month + 2) // 3}", "year": f"{day.year}"}
        return names[self.settings.survey.period]

    async def _services(self, scope: Scope, credentials: Credentials) -> set[Service]:
        match scope:
            case Scope(service=str(name)):
                return await self._existing(_full_ref(name, "component", "service"), credentials)
            case Scope(team=str(name)):
                (team,) = await self._existing(_full_ref(name, "group", "team"), credentials)
                return await self._plugins.readable(credentials, [f"kind=component,relations.ownedBy={team}"])
            case Scope(system=str(name)):
                (system,) = await self._existing(_full_ref(name, "system", "system"), credentials)
                return await self._plugins.readable(credentials, [f"kind=component,relations.partOf={system}"])
        return await self._plugins.readable(credentials, ["kind=component"])

    async def _existing(self, ref: str, credentials: Credentials) -> set[str]:
        parsed = EntityRef.parse(ref)
        filter_ = f"kind={parsed.kind},metadata.namespace={parsed.namespace},metadata.name={parsed.name}"
        found = await self._plugins.readable(credentials, [filter_])
        if not found:
            raise NotFoundError(f"There is no {ref} in the catalog, or you may not read it")
        return found


def _full_ref(text: str, kind: str, parameter: str) -> str:
    """A reference in lower case. InputError for another kind, or for what is none."""
    parsed = EntityRef.parse(text, default_kind=kind, default_namespace="default")
    if parsed.kind.lower() != kind:
        raise InputError(f"{parameter} must be the name or reference of a {kind}, not {text}")
    found = f"{parsed.kind}:{parsed.namespace}/{parsed.name}".lower()
    if set(found) & set(",= \t\n"):
        raise InputError(f"{parameter} {text!r} is no name of an entity")
    return found


def _narrowed(history: History, services: Collection[Service]) -> History:
    """The events of some services; healths of other applications are nobody's and do no harm."""
    starts, production = history.starts or {}, history.production or {}
    return replace(
        history,
        deployments=[each for each in history.deployments if each.service in services],
        starts={service: at for service, at in starts.items() if service in services},
        production={service: at for service, at in production.items() if service in services},
    )


def wall_clock() -> int:
    """This machine's time in milliseconds."""
    return int(time.time() * 1000)
