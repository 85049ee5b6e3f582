"""What the worker and commands do in this room; `factory` takes its blueprint from here."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from app.kernel import checks, jobs
from app.settlement import closing, proof
from app.settlement.routes import blueprint

__all__ = ["blueprint"]


@jobs.handler(closing.CLOSING_TOPIC)
def freeze_months(_: jobs.Message) -> None:
    """Freeze the months whose closing is confirmed."""
    closing.freeze_due()


@jobs.periodic("freeze_settlements", cron="*/10 * * * *")
def freeze_settlements() -> None:
    """Freeze months whose worker died."""
    closing.freeze_due()


@jobs.periodic("verify_settlement", cron="*/10 * * * *")
def verify_settlement() -> None:
    """Prove sheets and budgets by the ledger and the redemptions."""
    checks.record_result(name="settlement", findings=proof.verify())


@click.command("verify")
@with_appcontext
def tell_faults() -> None:
    """Check sheets and budgets against ledger and redemptions; exit 1 with what is wrong."""
    faults = proof.verify()
    click.echo("\n".join(map(str, faults)) or "sheets, ledger and budgets agree")
    raise SystemExit(bool(faults))


blueprint.cli.add_command(tell_faults)
