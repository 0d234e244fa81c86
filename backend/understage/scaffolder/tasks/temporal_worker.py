"""Temporal's client and worker, in a thread with an event loop of its own. Made by `temporal_engine`, and called from its loop.

A step that blocks the service's event loop must not look dead to Temporal, so its heartbeats come from here.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import structlog
from temporalio import activity
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, TLSConfig
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from understage.config.platform_settings import TemporalSettings
from understage.scaffolder.tasks.engine import EngineTimes
from understage.scaffolder.tasks.runs import LONGEST_HANDOVER
from understage.scaffolder.tasks.temporal_workflow import STEP, WORKFLOW, StepOrder, TaskOrder, TaskWorkflow

log = structlog.get_logger(__name__)

RECONNECT_SECONDS = 1.0
RPC_SECONDS = 5.0
HEALTH_SECONDS = 3.0
# What Temporal takes to notice a timeout and to hand the step on: one and a half, measured, so that a lease is the whole time.
TEMPORAL_SECONDS = 2.0
DECISION_SECONDS = 2.0

RunStep = Callable[[StepOrder, int], Awaitable[int | None]]
"""(what to run, which attempt) -> where to go on, None at the end of the task. Called in the engine's event loop."""


class HandedOverError(Exception):
    """The step was not run to its end here; another worker goes on."""


class TemporalWorker:
    """Runs up to `limit` steps at once."""

    def __init__(self, settings: TemporalSettings, run_step: RunStep, *, limit: int, times: EngineTimes) -> None:
        self._settings = settings
        self._run_step = run_step
        self._limit = limit
        self._times = times
        self._home: asyncio.AbstractEventLoop | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_ending = threading.Event()
        self._ending: asyncio.Event | None = None
        self._client: Client | None = None
        self._checked = 0.0
        self.problem: Exception | None = None

    def start(self) -> None:
        """Start the thread; steps run in the running event loop."""
        self._home = asyncio.get_running_loop()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="temporal worker", daemon=True)
        self._thread.start()

    def begin_stop(self) -> None:
        """Take no more steps."""
        self._is_ending.set()
        if self._loop is not None and self._ending is not None:
            with suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._ending.set)

    async def stop(self) -> None:
        """Wait for the end of the thread: the last step has said how it ended."""
        self.begin_stop()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    async def submit(self, tasks: Sequence[tuple[str, int]]) -> None:
        """See that each (task id, when it was queued) has a workflow; one that runs already is left alone.

        With nothing to submit, ask now and then whether Temporal answers. Raises the error of Temporal's client.
        """
        loop, client = self._loop, self._client
        if loop is None or client is None:
            raise self.problem or ConnectionError(f"Temporal at {self._settings.address} is not connected yet")
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._submit(client, tasks), loop))

    async def _submit(self, client: Client, tasks: Sequence[tuple[str, int]]) -> None:
        timeout = timedelta(seconds=RPC_SECONDS)
        if not tasks and time.monotonic() - self._checked > HEALTH_SECONDS:
            await client.service_client.check_health(timeout=timeout)
            self._checked = time.monotonic()
        for task_id, queued_at in tasks:
            await client.start_workflow(
                WORKFLOW,
                TaskOrder(task_id, max(1.0, self._times.lease - TEMPORAL_SECONDS)),
                # A retry is another life of the task, and has a name of its own.
                id=f"{WORKFLOW}-{task_id}-{queued_at}",
                task_queue=self._settings.task_queue,
                task_timeout=timedelta(seconds=DECISION_SECONDS),
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                rpc_timeout=timeout,
            )

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ending = asyncio.Event()
        while not self._is_ending.is_set():
            try:
                client = await self._connect()
                worker = self._worker(client)
                self._client, self.problem = client, None
                async with worker:
                    await self._ending.wait()
            except Exception as error:
                self.problem = error
                reason = f"{error}: {error.__cause__!r}" if error.__cause__ else str(error)
                log.warning("Temporal is not reached, trying again", address=self._settings.address, reason=reason)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), RECONNECT_SECONDS)

    async def _connect(self) -> Client:
        settings = self._settings
        tls: bool | TLSConfig = settings.tls
        if settings.server_ca_file or settings.client_cert_file:
            tls = TLSConfig(
                server_root_ca_cert=_read(settings.server_ca_file),
                client_cert=_read(settings.client_cert_file),
                client_private_key=_read(settings.client_key_file),
            )
        return await Client.connect(settings.address, namespace=settings.namespace, api_key=settings.api_key, tls=tls)

    def _worker(self, client: Client) -> Worker:
        beat = timedelta(seconds=self._times.heartbeat)
        return Worker(
            client,
            task_queue=self._settings.task_queue,
            workflows=[TaskWorkflow],
            activities=[self._step],
            # It decides nothing: there is nothing that a sandbox could keep deterministic.
            workflow_runner=UnsandboxedWorkflowRunner(),
            # By default a digest of all loaded modules, which takes seconds to compute. Nothing here depends on it.
            build_id="understage",
            max_concurrent_activities=self._limit,
            max_heartbeat_throttle_interval=beat,
            default_heartbeat_throttle_interval=beat,
            # What is meant for a worker that died goes to the others soon.
            sticky_queue_schedule_to_start_timeout=timedelta(seconds=DECISION_SECONDS),
            graceful_shutdown_timeout=timedelta(seconds=self._times.grace + LONGEST_HANDOVER),
        )

    @activity.defn(name=STEP)
    async def _step(self, order: StepOrder) -> int | None:
        assert self._home is not None
        beats = asyncio.create_task(self._keep_beating())
        try:
            work = self._run_step(order, activity.info().attempt)
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_awaited(work), self._home))
        except HandedOverError as error:
            raise ApplicationError(str(error), next_retry_delay=timedelta(milliseconds=1)) from None
        except Exception as error:
            # The cause stays in our log: its text would be kept by Temporal, and may say what nobody there should read.
            log.warning("a step could not be run here", task=order.task_id, reason=str(error))
            raise ApplicationError(f"The step could not be run here: {type(error).__name__}") from None
        finally:
            beats.cancel()

    async def _keep_beating(self) -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(self._times.heartbeat)


async def _awaited(work: Awaitable[int | None]) -> int | None:
    return await work


def _read(file: str | None) -> bytes | None:
    return None if file is None else Path(file).read_bytes()


UNREACHED = (RPCError, ConnectionError, RuntimeError)
"""How calls of Temporal fail while its server is away."""
