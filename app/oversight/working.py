"""What the worker does in this room; `factory` takes its blueprint from here."""

from __future__ import annotations

from app.kernel import jobs
from app.oversight import operations
from app.oversight.routes import blueprint
from app.web.keys import key_provider

__all__ = ["blueprint"]


@jobs.handler(operations.FAIRNESS_TOPIC)
def carry_out_fairness_report(message: jobs.Message) -> None:
    """Count how groups of members fare; the message goes by the id of the report."""
    operations.carry_out_report(keys=key_provider(), report_id=message.citizen_id)


@jobs.periodic("resume_fairness_reports", cron="*/10 * * * *")
def resume_fairness_reports() -> None:
    """Go on with reports whose worker died."""
    operations.resume_reports(keys=key_provider())
