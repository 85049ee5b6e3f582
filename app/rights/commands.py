"""Commands about those who left."""

from __future__ import annotations

from pathlib import Path

import click
from flask.cli import with_appcontext

from app.kernel.database import transaction
from app.rights.journal import BrokenJournalError, note_end, read_journal
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
    count, last = 0, None
    try:
        for last in read_journal(file):
            count += replay(line=last)
    except BrokenJournalError as error:
        raise click.ClickException(str(error)) from error
    if last is not None:
        with transaction():
            note_end(last)
    click.echo(f"{count} left again")
