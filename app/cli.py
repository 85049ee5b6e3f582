"""Operator commands: `flask --app wsgi …`."""

from __future__ import annotations

import logging
import time
from datetime import datetime
from pathlib import Path
from typing import IO, TextIO
from uuid import UUID

import click
from flask import Flask
from flask.cli import with_appcontext

from app.benefits.catalogue import BadCatalogueError, lint_catalogue
from app.benefits.operations import load_catalogue
from app.config import Settings
from app.kernel import jobs
from app.kernel.errors import DomainError
from app.kernel.ids import new_id
from app.kernel.keyed_documents import Fault
from app.kernel.working_days import CalendarError, load_calendar_year
from app.ledger.operations import anchor_heads
from app.ledger.queries import verify as verify_ledger_rows
from app.library.commands import library_commands
from app.members import operations as members
from app.records.catalogue import CatalogueError
from app.records.catalogue import load_catalogue as load_shipped_catalogue
from app.records.editing import publish_first_catalogue
from app.records.operations import DeliveryRequest, open_report, receive_file
from app.records.queries import PROCESSED, DeliveryReport
from app.records.reading import Encoding
from app.records.uploads import Upload
from app.records.working import work_off
from app.redemptions.commands import offline_commands
from app.redemptions.queries import verify as verify_redemptions
from app.rights.commands import rights_commands
from app.rights.journal import may_open
from app.rotation import key_commands
from app.scoring import operations as scoring
from app.scoring.recomputations import AT_ONCE
from app.scoring.scheme import SchemeError, catalogue_code
from app.scoring.scheme import lint_scheme as find_faults
from app.service_orders.queries import verify as verify_service_orders
from app.trail.assessments import require_assessment
from app.trail.commands import trail_commands
from app.web.keys import key_provider

IMPORT_POLL_SECONDS = 0.5
JOURNAL_POLL_SECONDS = 5
FILE_ENCODINGS = tuple(one for one in Encoding if one is not Encoding.JSON)

log = logging.getLogger(__name__)


def register_commands(app: Flask) -> None:
    """Add the operator commands to the application."""
    settings: Settings = app.extensions["card_settings"]
    app.cli.add_command(benefit_commands)
    app.cli.add_command(calendar_commands)
    app.cli.add_command(catalogue_commands)
    app.cli.add_command(key_commands)
    app.cli.add_command(ledger_commands)
    app.cli.add_command(library_commands)
    app.cli.add_command(offline_commands)
    app.cli.add_command(order_commands)
    app.cli.add_command(record_commands)
    app.cli.add_command(rights_commands)
    app.cli.add_command(scheme_commands)
    app.cli.add_command(staff_commands)
    app.cli.add_command(trail_commands)

    @app.cli.command("worker")
    def worker() -> None:
        """Run jobs until SIGTERM; needs the address of the role card_job in DATABASE_URL.

        After a restore none is run before the deletion journal is replayed.
        """
        _wait_for_journal(app, settings.deletion_journal)
        jobs.run_worker(settings=_worker_settings(settings), context=app.app_context)

    @app.cli.command("dead-letters")
    @click.option("--revive", is_flag=True, help="Give each all its tries again.")
    def dead_letters(*, revive: bool) -> None:
        """List the messages that were given up after five tries."""
        for letter in jobs.dead_letters():
            click.echo(f"{letter.job_id}\t{letter.topic}\t{letter.message_id}\t{letter.attempts}")
        if revive:
            click.echo(f"{jobs.revive_dead_letters()} revived")


@click.group("staff")
def staff_commands() -> None:
    """Accounts of staff, and the texts that citizens agree to."""


@staff_commands.command("create")
@click.argument("username")
@click.option("--role", type=click.Choice(members.STAFF_ROLES), default="operator")
@click.option("--name", required=True, help="The work name that citizens read in their trail.")
@click.password_option(envvar="CARD_STAFF_PASSWORD")
@with_appcontext
def create_staff(username: str, role: str, name: str, password: str) -> None:
    """Create an account, the first operator's too; prints the address for the authenticator."""
    made = members.create_staff(
        keys=key_provider(), username=username, password=password, role=role, display_name=name
    )
    click.echo(f"{made.staff_id}\t{made.totp_uri}")


@staff_commands.command("disable")
@click.argument("staff_id", type=click.UUID)
@with_appcontext
def disable_staff(staff_id: UUID) -> None:
    """Disable an account; its sessions end at once."""
    members.disable_staff(staff_id=staff_id)


@staff_commands.command("publish-consent")
@click.argument("purpose")
@click.argument("body", type=click.File(encoding="utf-8"))
@click.option("--title", required=True)
@click.option("--receiver", required=True)
@click.option("--required", is_flag=True, help="Nobody can be a member without it.")
@click.option("--sensitive", is_flag=True, help="It is about sensitive personal information.")
@click.option("--wording-only", is_flag=True, help="Nothing changes that matters: nobody is asked.")
@click.option(
    "--answer-by", "answer_due_on", type=click.DateTime(["%Y-%m-%d"]),
    help="Of a required text that changes: who has not agreed by this day rests until they do.",
)
@with_appcontext
def publish_consent(
    purpose: str, body: TextIO, title: str, receiver: str, answer_due_on: datetime | None, *,
    required: bool, sensitive: bool, wording_only: bool,
) -> None:
    """Publish the next version of a purpose's text; whoever agreed before is asked again."""
    try:
        version = members.publish_text(
            purpose=purpose, receiver=receiver, required=required, sensitive=sensitive,
            title=title, body=body.read().strip(), matters=not wording_only,
            answer_due_on=None if answer_due_on is None else answer_due_on.date(),
        )
    except DomainError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{purpose} {version}")


@click.group("calendar")
def calendar_commands() -> None:
    """Working days and public holidays."""


@calendar_commands.command("load")
@click.argument("document", type=click.File(encoding="utf-8"))
@with_appcontext
def load_calendar(document: TextIO) -> None:
    """Load a year from its TOML file, in place of what was known of it."""
    try:
        year = load_calendar_year(document.read())
    except CalendarError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{year}")


@click.group("catalogue")
def catalogue_commands() -> None:
    """The information catalogue."""


@catalogue_commands.command("publish")
@click.argument("document", type=click.File(encoding="utf-8"))
@click.option("--assessment", "assessment_id", type=click.UUID, required=True)
@with_appcontext
def publish_catalogue(document: TextIO, assessment_id: UUID) -> None:
    """Publish the first version from its TOML file; later ones take two operators."""
    try:
        require_assessment(assessment_id=assessment_id, kind="collecting")
        edition = publish_first_catalogue(document=document.read())
    except (CatalogueError, DomainError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{edition.version} {edition.content_hash.hex()}")


@click.group("scheme")
def scheme_commands() -> None:
    """The published rules of the score, and the scores of everybody."""


@scheme_commands.command("publish")
@click.argument("document", type=click.File(encoding="utf-8"))
@click.option("--assessment", "assessment_id", type=click.UUID, required=True)
@with_appcontext
def publish_scheme(document: TextIO, assessment_id: UUID) -> None:
    """Publish the first scheme from its TOML file; later versions take two operators."""
    try:
        require_assessment(assessment_id=assessment_id, kind="scoring")
        scheme = scoring.publish_scheme(document=document.read())
    except (SchemeError, DomainError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{scheme.code} {scheme.version} {scheme.content_hash.hex()}")


@scheme_commands.command("lint")
@click.argument("document", type=click.File(encoding="utf-8"))
@click.option("--catalogue", "code", help="A catalogue that ships (default: the scheme's own).")
def lint_scheme(document: TextIO, code: str | None) -> None:
    """Tell everything that is wrong with a scheme file, line by line; exit 1 if anything is."""
    text = document.read()
    try:
        catalogue = load_shipped_catalogue(code or catalogue_code(text))
        faults = find_faults(text, catalogue=catalogue)
    except SchemeError as error:  # not even TOML
        faults = error.faults
    except FileNotFoundError:
        raise click.ClickException("no such catalogue ships") from None
    _tell_faults(document.name, faults)


@scheme_commands.command("refresh-scores")
@with_appcontext
def refresh_scores() -> None:
    """Compute and store the current score of everybody, as after a new scheme."""
    click.echo(f"{scoring.refresh_scores(at_once=AT_ONCE)} scores changed")


@click.group("benefits")
def benefit_commands() -> None:
    """The catalogue of benefits."""


@benefit_commands.command("publish")
@click.argument("document", type=click.File(encoding="utf-8"))
@with_appcontext
def publish_benefits(document: TextIO) -> None:
    """Publish the new versions of a TOML catalogue; the same file again changes nothing."""
    try:
        loaded = load_catalogue(document.read())
    except (BadCatalogueError, DomainError) as error:
        raise click.ClickException(str(error)) from error
    lines = [f"published {one}" for one in loaded.published]
    lines += [f"unchanged {one}" for one in loaded.unchanged]
    click.echo("\n".join(lines))


@benefit_commands.command("lint")
@click.argument("document", type=click.File(encoding="utf-8"))
def lint_benefits(document: TextIO) -> None:
    """Tell everything that is wrong with a catalogue file, line by line; exit 1 if anything is."""
    _tell_faults(document.name, lint_catalogue(document.read()))


@click.group("records")
def record_commands() -> None:
    """Files of departments, and the register of members."""


@record_commands.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--type", "record_type", required=True, help="As in the information catalogue.")
@click.option("--on", type=click.DateTime(["%Y-%m-%d"]), required=True, help="Delivered on.")
@click.option(
    "--encoding", type=click.Choice([one.value for one in FILE_ENCODINGS]),
    help="Without it: Excel and UTF-8 are recognised, all else is read as GB 18030.",
)
@click.option("--source", "source_id", type=click.UUID, help="The department's machine.")
@click.option("--staff", "staff_id", type=click.UUID, help="The operator, for the register.")
@click.option("--delivery-id", type=click.UUID, help="The same as before, to go on (default: new).")
@with_appcontext
def import_file(
    *, file: IO[bytes], record_type: str, on: datetime, encoding: str | None,
    source_id: UUID | None, staff_id: UUID | None, delivery_id: UUID | None,
) -> None:
    """Take a file of any size, as if it had been posted; prints its report.

    Works off what stands in line before it too, and takes its turn with running workers.  When it
    is interrupted, the workers go on.
    """
    if (source_id is None) == (staff_id is None):
        raise click.UsageError("give --source, or --staff for the register")
    try:
        upload = Upload.of(key_provider(), file)
        request = DeliveryRequest(
            delivery_id=delivery_id or new_id(), record_type=record_type, delivered_on=on.date(),
            encoding=Encoding(encoding) if encoding else upload.found_encoding(),
            file_name=Path(file.name).name, source_id=source_id, staff_id=staff_id,
        )
        if source_id is None:
            report = receive_file(request=request, upload=upload)
        else:
            report = scoring.receive_delivery(
                keys=key_provider(), request=request, upload=upload, at_once_max_bytes=0
            )
    except DomainError as error:
        raise click.ClickException(str(error)) from error
    report = _worked_off(report)
    click.echo(
        f"{report.delivery_id}\t{report.status}\t{report.file_reason or ''}\t{report.encoding}, "
        f"rows {report.row_count}, accepted {report.accepted_count}, "
        f"refused {report.refused_count}, no members {report.dropped_count}"
    )
    if report.status != PROCESSED:
        raise SystemExit(1)


def _worked_off(report: DeliveryReport) -> DeliveryReport:
    """Work until a delivery is finished, here or by the workers, and show how far it is."""
    worker = scoring.delivery_worker(keys=key_provider())
    with click.progressbar(length=100, label=str(report.delivery_id)) as bar:
        while not report.is_finished:
            steps = work_off(worker=worker)
            while not report.is_finished and next(steps, None) is not None:
                report = open_report(delivery_id=report.delivery_id, source_id=None)
                bar.update(report.percentage - bar.pos)
            if not report.is_finished:
                time.sleep(IMPORT_POLL_SECONDS)  # another worker is at it
                report = open_report(delivery_id=report.delivery_id, source_id=None)
                bar.update(report.percentage - bar.pos)
    return report


@click.group("ledger")
def ledger_commands() -> None:
    """Prove the ledger and what was redeemed, and anchor it."""


@ledger_commands.command("verify")
@with_appcontext
def verify_ledger() -> None:
    """Check every promise of the ledger, and that vouchers and redemptions agree with it.

    Names the first bad row and exits 1 when a promise is broken.
    """
    found = [*map(str, verify_ledger_rows()), *map(str, verify_redemptions())]
    _tell_proof("the ledger and the redemptions are sound", "row", found)


@ledger_commands.command("anchor")
@with_appcontext
def anchor_ledger() -> None:
    """Anchor the heads of all accounts for today and print the value to publish."""
    anchor = anchor_heads()
    click.echo(f"{anchor.anchored_on.isoformat()} {anchor.digest} {anchor.head_count} heads")


def _tell_proof(good: str, what: str, findings: list[str]) -> None:
    if findings:
        raise click.ClickException(f"first bad {what}: {findings[0]}\n{len(findings)} findings")
    click.echo(good)


def _tell_faults(name: str, faults: tuple[Fault, ...]) -> None:
    for fault in faults:
        click.echo(f"{name}:{fault.line}: {fault.place}: {fault.reason}")
    if faults:
        raise SystemExit(1)
    click.echo(f"{name}: good")


@click.group("orders")
def order_commands() -> None:
    """Service orders on guarantors' lines."""


@order_commands.command("verify")
@with_appcontext
def verify_orders() -> None:
    """Check that orders and the ledger agree; name the first bad order and exit 1 otherwise."""
    _tell_proof("the orders are sound", "order", [*map(str, verify_service_orders())])


def _wait_for_journal(app: Flask, path: Path | None) -> None:
    """Do nothing while the restored database has people in it who left since."""
    with app.app_context():
        while not may_open(path):
            log.error("the deletion journal is not replayed: the worker waits")
            time.sleep(JOURNAL_POLL_SECONDS)


def _worker_settings(settings: Settings) -> jobs.WorkerSettings:
    return jobs.WorkerSettings(
        database_url="postgresql://" + settings.database_url.split("://", 1)[1],
        concurrency=settings.job_concurrency,
        poll_seconds=settings.job_poll_milliseconds / 1000,
        stall_seconds=settings.job_stall_seconds,
        retry_seconds=settings.job_retry_seconds,
    )
