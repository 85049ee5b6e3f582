"""Commands about those who left."""

from __future__ import annotations

from pathlib import Path

import click
from flask.cli import with_appcontext

from app.rights.journal import BrokenJournalError, read_journal
from app.rights.leaving import replay


@click.group("rights")
def rights_commands() -> None:
    """Those who left."""


@rights_commands.command("replay-journal")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@with_appcontext
def replay_journal(file: Path) -> None:
    """After a restore, before it opens: let those who left since leave again, and erase them.

    Needs the role card_job.  It may be broken off and begun anew.
    """
    try:
        count = sum(replay(line=line) for line in read_journal(file))
    except BrokenJournalError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{count} left again")
