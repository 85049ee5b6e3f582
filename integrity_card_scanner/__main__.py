"""A scanner for the terminal: `enrol`, `sync`, `scan` (codes on standard input, one a line)."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import httpx

from integrity_card_scanner.envelope import PublicKey, SigningKey
from integrity_card_scanner.platform import Platform
from integrity_card_scanner.scanner import Scanner
from integrity_card_scanner.storage import Storage
from integrity_card_scanner.suites import ED25519

DEVICE = "device"


def main(arguments: Sequence[str]) -> int:
    """Run a command; 0 when it was done."""
    parser = argparse.ArgumentParser(prog="python -m integrity_card_scanner")
    parser.add_argument("folder", type=Path, help="where this device keeps what it knows")
    commands = parser.add_subparsers(dest="command", required=True)
    enrolling = commands.add_parser("enrol", help="join a shop with the code its owner was shown")
    for name in ("address", "root", "code"):
        enrolling.add_argument(name)
    commands.add_parser("sync", help="upload scans and fetch the lists")
    commands.add_parser("scan", help="take or refuse codes from standard input")
    given = parser.parse_args(arguments)
    storage = Storage(given.folder)
    if given.command == "enrol":
        key = SigningKey(ED25519, secrets.token_bytes(32))
        with httpx.Client(base_url=given.address) as http:
            device_id = Platform(http).enrol(code=given.code, key=key)
        root_key = bytes.fromhex(given.root)
        storage.write(DEVICE, [given.address, root_key, device_id.bytes, key.secret])
        sys.stdout.write(f"{device_id}\n")
        return 0
    address, root, device, secret = storage.read(DEVICE)
    scanner = Scanner(
        storage, device_id=UUID(bytes=device), key=SigningKey(ED25519, secret),
        root=PublicKey(ED25519, root),
    )
    if given.command == "sync":
        with httpx.Client(base_url=address) as http:
            sys.stdout.write(f"{Platform(http).sync(scanner)} scans answered\n")
        return 0
    for line in sys.stdin:
        verdict = scanner.scan(line.rstrip("\r\n"))
        told = verdict.reason or dict(verdict.voucher.value if verdict.voucher else {})
        sys.stdout.write(f"{told}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
