"""Commands about offline codes."""

from __future__ import annotations

from typing import IO

import click
from flask.cli import with_appcontext

from app.kernel.amounts import in_yuan
from app.kernel.errors import DomainError
from app.redemptions import offline_lists, offline_uploads
from app.web.keys import key_provider
from integrity_card_scanner.envelope import PublicKey
from integrity_card_scanner.suites import ED25519


@click.group("offline")
def offline_commands() -> None:
    """Keys and lists of offline codes; docs/runbooks/offline-keys.md tells when."""


@offline_commands.command("draft-key-list")
@click.argument("draft", type=click.File("wb"))
@with_appcontext
def draft_key_list(draft: IO[bytes]) -> None:
    """Write the next key list for the offline root to sign."""
    draft.write(offline_lists.draft_key_list(key_provider()))


@offline_commands.command("publish-key-list")
@click.argument("envelope", type=click.File("rb"))
@click.argument("root")
@with_appcontext
def publish_key_list(envelope: IO[bytes], root: str) -> None:
    """Publish what the root (its public key, hexadecimal) signed, and a deny list with it."""
    try:
        version = offline_lists.publish_key_list(
            envelope=envelope.read(), root=PublicKey(ED25519, bytes.fromhex(root))
        )
    except (DomainError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    offline_lists.publish_deny_list(keys=key_provider())
    click.echo(f"key list {version}")


@offline_commands.command("retire-key")
@click.argument("kid")
@click.option("--reason", required=True)
@with_appcontext
def retire_key(kid: str, reason: str) -> None:
    """Retire a key now and file the live codes under the next one."""
    try:
        moved = offline_lists.retire_key(keys=key_provider(), kid=bytes.fromhex(kid), reason=reason)
    except (DomainError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{moved} codes under the next key")


@offline_commands.command("report")
@with_appcontext
def report_offline() -> None:
    """Keys, the worst case, and every code that was signed and never issued; exit 1 if any was."""
    for kid, state in offline_lists.list_voucher_keys(keys=key_provider()):
        click.echo(f"key {kid.hex()} {state}")
    worst = offline_lists.worst_case()
    click.echo(f"worst case {in_yuan(worst.total_fen)} yuan")
    for benefit_code, fen in sorted(worst.by_benefit_fen.items()):
        click.echo(f"worst case of {benefit_code} alone {in_yuan(fen)} yuan")
    unissued = offline_uploads.list_unissued()
    for one in unissued:
        digest = one["code_digest"].hex()
        click.echo(f"never issued {digest} {one['device_id']} {one['scanned_at']}")
    if unissued:
        raise SystemExit(1)
