"""Operator commands: `flask --app wsgi …`."""

from __future__ import annotations

import click
from flask import Flask
from flask.cli import with_appcontext

from app.config import Settings
from app.kernel import jobs
from app.ledger.operations import anchor_heads
from app.ledger.queries import verify


def register_commands(app: Flask) -> None:
    """Add the operator commands to the application."""
    settings: Settings = app.extensions["card_settings"]
    app.cli.add_command(ledger_commands)

    @app.cli.command("worker")
    def worker() -> None:
        """Run jobs until SIGTERM; needs the address of the role card_job in DATABASE_URL."""
        jobs.run_worker(settings=_worker_settings(settings), context=app.app_context)

    @app.cli.command("dead-letters")
    @click.option("--revive", is_flag=True, help="Give each all its tries again.")
    def dead_letters(*, revive: bool) -> None:
        """List the messages that were given up after five tries."""
        for letter in jobs.dead_letters():
            click.echo(f"{letter.job_id}\t{letter.topic}\t{letter.message_id}\t{letter.attempts}")
        if revive:
            click.echo(f"{jobs.revive_dead_letters()} revived")


@click.group("ledger")
def ledger_commands() -> None:
    """Prove the ledger and anchor it."""


@ledger_commands.command("verify")
@with_appcontext
def verify_ledger() -> None:
    """Check every promise of the ledger; name the first bad row and exit 1 when one is broken."""
    faults = verify()
    if faults:
        click.echo(f"first bad row: {faults[0]}")
        click.echo(f"{len(faults)} findings")
        raise SystemExit(1)
    click.echo("the ledger is sound")


@ledger_commands.command("anchor")
@with_appcontext
def anchor_ledger() -> None:
    """Anchor the heads of all accounts for today and print the value to publish."""
    anchor = anchor_heads()
    click.echo(f"{anchor.anchored_on.isoformat()} {anchor.digest} {anchor.head_count} heads")


def _worker_settings(settings: Settings) -> jobs.WorkerSettings:
    return jobs.WorkerSettings(
        database_url="postgresql://" + settings.database_url.split("://", 1)[1],
        concurrency=settings.job_concurrency,
        poll_seconds=settings.job_poll_milliseconds / 1000,
        stall_seconds=settings.job_stall_seconds,
        retry_seconds=settings.job_retry_seconds,
    )
