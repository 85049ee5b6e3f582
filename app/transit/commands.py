"""Operator commands for transit: `flask --app wsgi transit …`; docs/transit.md tells when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import reduce
from typing import Any, TypeVar
from uuid import UUID

import click
from flask.cli import with_appcontext

from app.kernel.errors import DomainError
from app.transit.files import make_files
from app.transit.operators import Terms, agree_terms, register_operator
from app.web.keys import key_provider

F = TypeVar("F", bound=Callable[..., Any])


def terms_options(command: F) -> F:
    """The options that say what is agreed."""
    options = (
        click.option("--trips", "trips_per_day", type=click.IntRange(1, 1000), required=True,
                     help="Subsidised trips of one person and day."),
        click.option("--fen", "subsidy_per_day_fen", type=click.IntRange(1, 10_000_000),
                     required=True, help="Subsidy of one person and day, in fen."),
        click.option("--complete-within", "complete_within_days", type=click.IntRange(0, 30),
                     required=True, help="Days in which a missing tap-out can come."),
    )  # fmt: skip
    return reduce(lambda wrapped, option: option(wrapped), reversed(options), command)


@click.group("transit")
def transit_commands() -> None:
    """Buses and metros."""


@transit_commands.command("add-operator")
@click.argument("merchant_id", type=click.UUID)
@click.argument("benefit_code")
@terms_options
@with_appcontext
def add_operator(merchant_id: UUID, benefit_code: str, **terms: int) -> None:
    """Make a merchant a transit operator; shows the credential of its machine once."""
    try:
        made = register_operator(
            keys=key_provider(), merchant_id=merchant_id, benefit_code=benefit_code,
            terms=Terms(**terms),
        )
    except DomainError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"source_id {made.source_id}")
    click.echo(f"credential_id {made.credential_id}")
    click.echo(f"secret {made.secret}")


@transit_commands.command("agree-terms")
@click.argument("merchant_id", type=click.UUID)
@click.argument("valid_from", type=click.DateTime(formats=["%Y-%m-%d"]))
@terms_options
@with_appcontext
def agree(merchant_id: UUID, valid_from: datetime, **terms: int) -> None:
    """Agree other terms from a day on, tomorrow at the earliest."""
    try:
        agree_terms(merchant_id=merchant_id, valid_from=valid_from.date(), terms=Terms(**terms))
    except DomainError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"from {valid_from.date()}")


@transit_commands.command("make-files")
@click.argument("merchant_id", type=click.UUID)
@with_appcontext
def make_files_now(merchant_id: UUID) -> None:
    """Make the next files of an operator now, beside those of the day."""
    click.echo(f"files {make_files(merchant_id=merchant_id)}")
