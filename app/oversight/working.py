"""What the worker does in this room; `factory` takes its blueprint from here."""

from __future__ import annotations

from app.kernel import jobs
from app.oversight import incidents, operations
from app.oversight.incident_routes import blueprint as incident_blueprint
from app.oversight.routes import blueprint
from app.web.keys import key_provider

__all__ = ["blueprint", "incident_blueprint"]


@jobs.handler(incidents.COUNT_TOPIC)
def count_people(message: jobs.Message) -> None:
    """List the people of an incident; the message goes by its id."""
    incidents.count_people(incident_id=message.citizen_id)


@jobs.handler(incidents.RELEASE_TOPIC)
def send_notices(message: jobs.Message) -> None:
    """Put the notices of a released incident before its people."""
    incidents.send_notices(incident_id=message.citizen_id)


@jobs.periodic("incidents", cron="*/10 * * * *")
def watch_incidents() -> None:
    """Go on with incidents whose worker died; raise the alarm when somebody waits too long."""
    incidents.resume_counts()
    incidents.watch_terms()


@jobs.handler(operations.FAIRNESS_TOPIC)
def carry_out_fairness_report(message: jobs.Message) -> None:
    """Count how groups of members fare; the message goes by the id of the report."""
    operations.carry_out_report(keys=key_provider(), report_id=message.citizen_id)


@jobs.periodic("resume_fairness_reports", cron="*/10 * * * *")
def resume_fairness_reports() -> None:
    """Go on with reports whose worker died."""
    operations.resume_reports(keys=key_provider())
