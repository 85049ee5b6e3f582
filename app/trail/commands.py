"""Commands about the trail: the proof that nothing under its seals was changed."""

from __future__ import annotations

from pathlib import Path

import click
from flask.cli import with_appcontext

from app.trail import heads, sealing
from app.web.keys import key_provider


@click.group("trail")
def trail_commands() -> None:
    """Prove the trail."""


@trail_commands.command("verify")
@click.option(
    "--heads", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The file of heads from outside of the database.",
)
@with_appcontext
def verify_trail(file: Path | None) -> None:
    """Check every line and seal; name the first bad one and exit 1 when there is one."""
    findings = sealing.verify()
    if file is not None:
        findings += heads.verify_heads(file, keys=key_provider())
    if findings:
        raise click.ClickException(f"first bad line: {findings[0]}\n{len(findings)} findings")
    for head in sealing.list_heads():
        click.echo(f"{head.register}\t{head.seal_number}\t{head.digest}")
    click.echo("the trail is sound")


@trail_commands.command("seal")
@with_appcontext
def seal_trail() -> None:
    """Put what came in under seals now; needs the role card_job."""
    click.echo(f"{sealing.seal_lines()} lines sealed")


@trail_commands.command("note-restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@with_appcontext
def note_restore(file: Path) -> None:
    """After a restore, note in the file of heads that later seals were lost with the database."""
    count = heads.note_restore(file, keys=key_provider())
    click.echo(f"{count} registers noted")
