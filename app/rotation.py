"""Changing the keys of the ring while the service goes on: `flask --app wsgi keys …`.

docs/runbooks/keys.md tells the order.  The commands need the role card_job.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import click
from flask.cli import with_appcontext
from sqlalchemy import func, select

from app.config import running_settings
from app.counter import rekeying as counter
from app.kernel.database import reading
from app.kernel.key_files import KeyRingError, RingFile
from app.kernel.keys import KeyPurpose, Suite
from app.kernel.rotation import Awaited, Closed, KeyLostError, OldKey, Stock
from app.library import rekeying as library
from app.members import rekeying as members
from app.merchants import rekeying as merchants
from app.records import rekeying as records
from app.redemptions import rekeying as redemptions
from app.service_orders import rekeying as service_orders
from app.web.keys import key_provider
from app.webhooks import rekeying as webhooks

STOCKS: Final[tuple[Stock, ...]] = (
    *members.STOCKS, *records.STOCKS, *merchants.STOCKS, *webhooks.STOCKS, *counter.STOCKS,
    *library.STOCKS, *redemptions.STOCKS, *service_orders.STOCKS,
)
STAYING: Final = {
    KeyPurpose.CONTENT: "its keys stay: each tells records from their duplicates",
    KeyPurpose.PUBLICATION: "its keys stay for as long as their signatures are to be checked",
    KeyPurpose.OFFLINE_VOUCHER: "its keys are retired as docs/runbooks/offline-keys.md says",
    KeyPurpose.OFFLINE_LIST: "its keys are retired as docs/runbooks/offline-keys.md says",
}
RESTARTED_WITHIN: Final = timedelta(hours=1)  # of a promotion: every process
SHORT_LIVED: Final = timedelta(minutes=20)  # access tokens, pass codes, tickets, references
BATCH: Final = 1_000
BATCH_MAX: Final = 10_000

_PURPOSE = click.argument("purpose", type=click.Choice([one.value for one in KeyPurpose]))


@click.group("keys")
def key_commands() -> None:
    """The keys of the ring; docs/runbooks/keys.md tells when."""


@key_commands.command("status")
@with_appcontext
def status() -> None:
    """List every key and what would be lost without it; exit 1 when something is lost already."""
    for purpose in KeyPurpose:
        active, *others = key_provider().all(purpose)
        click.echo(f"{purpose}\t{active.id}\t{active.suite.name}\tactive")
        for key in others:
            needed = ", ".join(_needs(purpose, _old_key(purpose, key.id))) or "needed by nothing"
            click.echo(f"{purpose}\t{key.id}\t{key.suite.name}\t{needed}")
    lost = [
        f"{count} {stock.name}"
        for stock in STOCKS if isinstance(stock, Closed)
        if (count := stock.lost(key_provider()))
    ]
    if lost:
        raise click.ClickException(f"under no key of the ring: {', '.join(lost)}")


@key_commands.command("add")
@_PURPOSE
@click.option(
    "--suite", type=click.Choice([one.name for one in Suite]), default=Suite.AES_GCM_SHA256.name
)
@with_appcontext
def add(purpose: str, suite: str) -> None:
    """Put a fresh key behind the active one; then restart every process."""
    with _told():
        key_id = _ring().add(KeyPurpose(purpose), Suite[suite])
    click.echo(f"{purpose} {key_id} is known; restart every process, then promote it")


@key_commands.command("promote")
@_PURPOSE
@click.argument("key_id", type=int)
@with_appcontext
def promote(purpose: str, key_id: int) -> None:
    """Use a key that every process knows for all that is new; then restart every process."""
    with _told():
        _ring().promote(KeyPurpose(purpose), key_id, at=_now())
    click.echo(f"{purpose} {key_id} is active; restart every process, then rewrap")


@key_commands.command("rewrap")
@_PURPOSE
@click.option("--batch", type=click.IntRange(1, BATCH_MAX), default=BATCH, show_default=True)
@with_appcontext
def rewrap(purpose: str, batch: int) -> None:
    """Move what is kept under other keys of the purpose to the active one.

    One short transaction a batch, while the service goes on.  It may be broken off and begun anew.
    """
    for stock in _stocks(KeyPurpose(purpose)):
        with _told():
            moved = sum(stock.renew(key_provider(), batch))
        click.echo(f"{stock.name}\t{moved}")


@key_commands.command("retire")
@_PURPOSE
@click.argument("key_id", type=int)
@click.argument("escrow", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--stolen", is_flag=True, help="Do not wait for what is alive under it: that dies.")
@with_appcontext
def retire(purpose: str, key_id: int, escrow: Path, *, stolen: bool) -> None:
    """Move a key that nothing needs any more to the escrow file; then restart every process."""
    chosen = KeyPurpose(purpose)
    with _told():
        _require_idle(chosen, key_id, stolen=stolen)
        _ring().retire(chosen, key_id, escrow=escrow)
    click.echo(f"{purpose} {key_id} is in {escrow}; restart every process, rewrap once more")


@key_commands.command("readmit")
@click.argument("escrow", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@with_appcontext
def readmit(escrow: Path) -> None:
    """Put retired keys behind those of the ring: for a backup from their time."""
    with _told():
        count = _ring().readmit(escrow)
    click.echo(f"{count} keys are known again")


def _require_idle(purpose: KeyPurpose, key_id: int, *, stolen: bool) -> None:
    """KeyRingError when something needs the key, or might."""
    if purpose in STAYING:
        raise KeyRingError(f"{purpose}: {STAYING[purpose]}")
    key = _old_key(purpose, key_id)
    if key.used_until + SHORT_LIVED > _now() and not stolen:
        until = (key.used_until + SHORT_LIVED).isoformat(timespec="minutes")
        raise KeyRingError(f"what it closed last is good until {until}")
    needed = _needs(purpose, key, but=Awaited if stolen else None)
    if needed:
        raise KeyRingError(f"it is needed by {', '.join(needed)}")


def _needs(purpose: KeyPurpose, key: OldKey, but: type[Stock] | None = None) -> list[str]:
    counts = {
        stock.name: stock.needing(key_provider(), key)
        for stock in _stocks(purpose) if but is None or not isinstance(stock, but)
    }
    return [f"{count} {name}" for name, count in counts.items() if count]


def _stocks(purpose: KeyPurpose) -> Iterator[Stock]:
    return (stock for stock in STOCKS if stock.purpose is purpose)


def _old_key(purpose: KeyPurpose, key_id: int) -> OldKey:
    """A key as the ring's file knows it; one that was never active is as if used until now."""
    superseded_at = _ring().superseded_at(purpose, key_id)
    return OldKey(key_id, _now() if superseded_at is None else superseded_at + RESTARTED_WITHIN)


def _now() -> datetime:
    """By the clock that what is kept was dated with."""
    with reading() as session:
        moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return moment


def _ring() -> RingFile:
    return RingFile(running_settings().keys_file)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (KeyRingError, KeyLostError) as error:
        raise click.ClickException(str(error)) from error
