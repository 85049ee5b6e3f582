"""The application with handlers for tests: `flask --app tests.kernel.jobs_app worker`.

The table job_effects is made by the test; a handler that ran twice for a message counts twice.
"""

from __future__ import annotations

import os
import signal

from sqlalchemy import text

from app.factory import create_app
from app.kernel.database import transaction
from app.kernel.jobs import Message, handler, periodic


def _count(message: Message) -> None:
    with transaction() as session:
        session.execute(
            text("""
            INSERT INTO job_effects (message_id, topic, effects, calls) VALUES (:id, :topic, 1, 1)
            ON CONFLICT (message_id) DO UPDATE SET calls = job_effects.calls + 1
            """),
            {"id": message.message_id, "topic": message.topic},
        )


@handler("test.effect")
def make_effect(message: Message) -> None:
    _count(message)


@handler("test.poison")
def fail_always(message: Message) -> None:
    _count(message)
    raise ValueError("no luck")


@handler("test.deadly")
def kill_the_worker(message: Message) -> None:
    _count(message)
    os.kill(os.getpid(), signal.SIGKILL)


@handler("test.deadly_once")
def kill_the_worker_once(message: Message) -> None:
    with transaction() as session:
        before = session.execute(
            text("SELECT calls FROM job_effects WHERE message_id = :id"), {"id": message.message_id}
        ).scalar()
    _count(message)
    if not before:
        os.kill(os.getpid(), signal.SIGKILL)


@periodic("test_tick", cron="* * * * * *")
def tick() -> None:
    with transaction() as session:
        session.execute(
            text("""
            INSERT INTO job_ticks (due)
            SELECT (args ->> 'timestamp')::bigint FROM procrastinate_jobs
            WHERE task_name = 'periodic.test_tick' AND status = 'doing'
            """)
        )


app = create_app()
