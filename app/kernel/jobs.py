"""Jobs: what the worker does with outbox messages, and what it does again and again.

Rooms register their functions here (`handler`, `periodic`), so that the kernel knows no room.  The
jobs are Procrastinate's (ADR 6): at least once, five tries, then the dead letters.  What it leaves
to its users is done by `_sweep`: jobs of dead workers run again, and count as a try, so that a job
that kills its worker ends among the dead letters too.  A worker that loses the database stops and
is started again by its supervisor; that makes one well-tested case of many rare ones.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import procrastinate
import psycopg
from procrastinate.exceptions import ConnectorException
from procrastinate.job_context import JobContext
from procrastinate.jobs import Job
from sqlalchemy import text

from app.kernel.context import request_id
from app.kernel.database import NETWORK_TIMEOUTS, reading, transaction
from app.kernel.outbox import REQUEST_ID_KEY

log = logging.getLogger(__name__)

RELAY_BATCH = 500
DELIVER_TASK = "deliver"
BACKOFF_FACTOR = 6  # 10 s, 1 min, 6 min, 36 min: an outage of half an hour loses no message

F = TypeVar("F", bound=Callable[..., None])


@dataclass(frozen=True)
class Message:
    """An outbox message on its way; `message_id` tells a repeated delivery."""

    citizen_id: UUID
    message_id: UUID
    topic: str
    payload: dict[str, Any]


@dataclass(frozen=True)
class Periodic:
    """A function to call again and again; `cron` has five fields, or six with seconds last."""

    function: Callable[[], None]
    cron: str


@dataclass(frozen=True)
class WorkerSettings:
    """How a worker works; tests shorten the times."""

    database_url: str
    concurrency: int
    poll_seconds: float  # between looks into the outbox and the queue
    stall_seconds: float  # without a heartbeat: the worker is dead
    retry_seconds: float  # before the second try; each wait after is six times longer
    tries: int = 5


_current: ContextVar[JobContext | None] = ContextVar("job", default=None)
_handlers: dict[str, Callable[[Message], None]] = {}
_periodic: dict[str, Periodic] = {}


def handler(topic: str) -> Callable[[F], F]:
    """Register the function that takes the messages of a topic.

    It runs inside the application context, outside of any transaction, at least once per message;
    any exception means another try.
    """

    def register(function: F) -> F:
        _require_same(_handlers.setdefault(topic, function), function, topic)
        return function

    return register


def periodic(name: str, *, cron: str) -> Callable[[F], F]:
    """Register a function that the workers call at the times of `cron` (UTC), one at a time.

    A call that fails is not repeated before its next time.
    """

    def register(function: F) -> F:
        known = _periodic.setdefault(name, Periodic(function=function, cron=cron))
        _require_same(known.function, function, name)
        return function

    return register


def must_stop() -> bool:
    """Whether the worker is stopping and the running job should end where it safely can."""
    job = _current.get()
    return job is not None and job.should_abort()


def _require_same(known: Callable[..., None], given: Callable[..., None], name: str) -> None:
    if known is not given:
        message = f"two functions are registered for {name}"
        raise RuntimeError(message)


def relay(*, batch_max: int = RELAY_BATCH) -> int:
    """Turn up to `batch_max` outbox messages into jobs, in one transaction; how many."""
    with transaction() as session:
        moved: int = session.execute(
            text("""
            SELECT coalesce(cardinality(procrastinate_defer_jobs_v1(array_agg(ROW(
                'default', :task, 0, NULL, NULL, jsonb_build_object(
                    'citizen_id', citizen_id, 'message_id', message_id,
                    'topic', topic, 'payload', payload), NULL
            )::procrastinate_job_to_defer_v1))), 0) FROM outbox_take(:batch_max)
            """),
            {"task": DELIVER_TASK, "batch_max": batch_max},
        ).scalar_one()
    return moved


def _sweep(*, stall_seconds: float, tries: int) -> int:
    """Give the jobs of dead workers another try, or up; how many.

    Not a job itself: a job can die, and a dead sweeper that holds a lock would end all sweeping.
    Periodic calls are given up, because their next time comes and their queueing lock may be taken.
    """
    with transaction() as session:
        swept = session.execute(
            text("""
            WITH stalled AS (
                SELECT job.id FROM procrastinate_jobs AS job
                LEFT JOIN procrastinate_workers AS worker ON worker.id = job.worker_id
                WHERE job.status = 'doing' AND (worker.id IS NULL
                    OR worker.last_heartbeat < now() - make_interval(secs => :stall_seconds))
                FOR UPDATE OF job SKIP LOCKED
            )
            UPDATE procrastinate_jobs AS job SET attempts = attempts + 1, worker_id = NULL,
                status = CASE WHEN task_name = :task AND attempts + 1 < :tries
                    THEN 'todo' ELSE 'failed' END :: procrastinate_job_status
            FROM stalled WHERE job.id = stalled.id
            RETURNING job.id, job.task_name, job.status
            """),
            {"stall_seconds": stall_seconds, "tries": tries, "task": DELIVER_TASK},
        ).all()
    for row in swept:
        log.warning(
            "stalled job swept", extra={"job": row.id, "task": row.task_name, "to": row.status}
        )
    return len(swept)


class _Backoff(procrastinate.BaseRetryStrategy):
    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings

    def get_retry_decision(
        self, *, exception: BaseException, job: Job  # noqa: ARG002 -- Procrastinate's interface
    ) -> procrastinate.RetryDecision | None:
        if job.attempts + 1 >= self._settings.tries:
            return None
        wait = self._settings.retry_seconds * BACKOFF_FACTOR**job.attempts
        return procrastinate.RetryDecision(retry_in={"seconds": int(wait)})


class _WatchedConnector(procrastinate.PsycopgConnector):
    """Says when a connection was lost, so that no job stays taken by a worker that forgot it."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.lost = asyncio.Event()

    async def execute_query_async(self, query: Any, **arguments: Any) -> None:
        try:
            await super().execute_query_async(query, **arguments)
        except ConnectorException as error:
            if isinstance(error.__cause__, psycopg.OperationalError):
                self.lost.set()
            raise


Context = Callable[[], AbstractContextManager[Any]]


def _deliver(context: Context, arguments: dict[str, Any]) -> None:
    message = Message(
        citizen_id=UUID(arguments["citizen_id"]),
        message_id=UUID(arguments["message_id"]),
        topic=arguments["topic"],
        payload=arguments["payload"],
    )
    request_id.set(message.payload.get(REQUEST_ID_KEY))
    started = time.monotonic()
    with context():
        _handlers[message.topic](message)
    log.info(
        "message delivered",
        extra={
            "topic": message.topic,
            "message_id": str(message.message_id),
            "duration_ms": round((time.monotonic() - started) * 1000),
        },
    )


def _jobs_app(
    connector: procrastinate.BaseConnector, settings: WorkerSettings, context: Context
) -> procrastinate.App:
    app = procrastinate.App(connector=connector)

    @app.task(name=DELIVER_TASK, retry=_Backoff(settings))
    def deliver(**arguments: Any) -> None:
        _deliver(context, arguments)

    for name, registered in _periodic.items():
        _add_periodic(app, name, registered, context)
    return app


def _add_periodic(
    app: procrastinate.App, name: str, registered: Periodic, context: Context
) -> None:
    task_name = f"periodic.{name}"

    @app.periodic(cron=registered.cron)
    @app.task(name=task_name, lock=task_name, queueing_lock=task_name, pass_context=True)
    def call(job: JobContext, timestamp: int) -> None:  # noqa: ARG001 -- Procrastinate's interface
        _current.set(job)
        with context():
            registered.function()


def run_worker(*, settings: WorkerSettings, context: Context) -> None:
    """Work until SIGTERM or SIGINT (clean), or until the database is lost (an exception).

    `context` makes the application context around each job.
    """
    asyncio.run(_work(settings, context))


async def _work(settings: WorkerSettings, context: Context) -> None:
    connector = _WatchedConnector(
        conninfo=settings.database_url,
        min_size=1,
        max_size=settings.concurrency + 2,
        timeout=5,
        kwargs={**NETWORK_TIMEOUTS, "application_name": "integrity-card-worker"},
    )
    app = _jobs_app(connector, settings, context)
    async with app.open_async():
        worker = asyncio.create_task(
            app.run_worker_async(
                concurrency=settings.concurrency,
                fetch_job_polling_interval=settings.poll_seconds,
                update_heartbeat_interval=settings.stall_seconds / 3,
                stalled_worker_timeout=settings.stall_seconds,
                shutdown_graceful_timeout=20,
                listen_notify=False,  # PgBouncer in transaction mode has no LISTEN
                delete_jobs="successful",
            )
        )
        others = [
            asyncio.create_task(_keep_relaying(settings, context)),
            asyncio.create_task(_stop_when_lost(connector)),
        ]
        await asyncio.wait({worker, *others}, return_when=asyncio.FIRST_COMPLETED)
        for task in (worker, *others):
            task.cancel()
        ends = await asyncio.gather(worker, *others, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end


async def _stop_when_lost(connector: _WatchedConnector) -> None:
    await connector.lost.wait()
    message = "the database connection was lost"
    raise ConnectionError(message)


async def _keep_relaying(settings: WorkerSettings, context: Context) -> None:
    next_sweep = 0.0
    while True:
        if time.monotonic() >= next_sweep:
            next_sweep = time.monotonic() + settings.stall_seconds / 3
            await asyncio.to_thread(_within, context, lambda: _sweep(
                stall_seconds=settings.stall_seconds, tries=settings.tries
            ))
        moved = await asyncio.to_thread(_within, context, relay)
        if moved < RELAY_BATCH:
            await asyncio.sleep(settings.poll_seconds)


def _within(context: Context, function: Callable[[], int]) -> int:
    with context():
        return function()


def queue_state() -> dict[str, float]:
    """Gauges: messages in the outbox, age of the oldest in seconds, jobs waiting, dead letters."""
    with reading() as session:
        row = session.execute(text("SELECT * FROM queue_state()")).mappings().one()
    return {name: float(value) for name, value in row.items()}


@dataclass(frozen=True)
class DeadLetter:
    """A message that was given up."""

    job_id: int
    topic: str
    message_id: UUID
    attempts: int


def dead_letters() -> list[DeadLetter]:
    """The messages that were given up, oldest first."""
    with reading() as session:
        rows = session.execute(
            text("""
            SELECT id, args ->> 'topic' AS topic, args ->> 'message_id' AS message_id, attempts
            FROM procrastinate_jobs WHERE status = 'failed' AND task_name = :task ORDER BY id
            """),
            {"task": DELIVER_TASK},
        ).all()
    return [
        DeadLetter(
            job_id=row.id,
            topic=row.topic,
            message_id=UUID(row.message_id),
            attempts=row.attempts,
        )
        for row in rows
    ]


def revive_dead_letters() -> int:
    """Give every dead letter all its tries again; how many."""
    with transaction() as session:
        revived = session.execute(
            text("""
            UPDATE procrastinate_jobs SET status = 'todo', attempts = 0, scheduled_at = NULL
            WHERE status = 'failed' AND task_name = :task RETURNING id
            """),
            {"task": DELIVER_TASK},
        ).all()
    return len(revived)


@periodic("prune_jobs", cron="17 3 * * *")
def prune_jobs() -> None:
    """Remove periodic calls that failed more than a week ago; dead letters stay."""
    with transaction() as session:
        session.execute(
            text("""
            DELETE FROM procrastinate_jobs AS job
            WHERE status IN ('failed', 'aborted', 'cancelled') AND task_name <> :task
                AND NOT EXISTS (SELECT FROM procrastinate_events AS event
                    WHERE event.job_id = job.id AND event.at > now() - interval '7 days')
            """),
            {"task": DELIVER_TASK},
        )
