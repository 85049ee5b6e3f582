"""`flask --app wsgi library …`: the endpoint for self-service machines."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext

from app.library.sip2_server import Limits, Sip2Server, UnsafeAddressError, tls_context
from app.web.keys import key_provider

File = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("library")
def library_commands() -> None:
    """Libraries and their self-service machines."""


@library_commands.command("sip2")
@click.option("--bind", default="127.0.0.1:6001", show_default=True, help="IP address and port.")
@click.option("--certificate", type=File, help="PEM with its chain; without it: loopback alone.")
@click.option("--private-key", type=File, help="PEM, unless it stands beside the certificate.")
@click.option("--connections", type=click.IntRange(1, 1_000), default=64, show_default=True)
@click.option("--idle-seconds", type=click.IntRange(10, 86_400), default=900, show_default=True)
@with_appcontext
def serve_sip2(
    bind: str, certificate: Path | None, private_key: Path | None, connections: int,
    idle_seconds: int,
) -> None:
    """Answer self-service machines over SIP2 until SIGTERM; the role is card_web."""
    host, _, port = bind.rpartition(":")
    tls = tls_context(certificate=certificate, private_key=private_key) if certificate else None
    try:
        server = Sip2Server(
            (host.strip("[]"), int(port)), app=current_app._get_current_object(),  # type: ignore[attr-defined]  # noqa: SLF001 -- threads need it itself
            keys=key_provider(), tls=tls,
            limits=Limits(connections=connections, idle_seconds=idle_seconds),
        )
    except UnsafeAddressError:
        raise click.UsageError(f"{bind} is not loopback: give --certificate") from None
    except (ValueError, OverflowError) as error:
        raise click.UsageError(f"{bind} is no IP address and port") from error
    for number in (signal.SIGTERM, signal.SIGINT):
        # `shutdown` waits for the loop below, which this very thread runs.
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    click.echo(f"sip2 on {bind}{' with TLS' if tls else ''}")
    with server:
        server.serve_forever(poll_interval=0.2)
