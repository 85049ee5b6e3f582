"""The offline root: a key on a machine without a network that signs key lists and nothing else.

`new-key FILE` makes it; `sign FILE DRAFT ENVELOPE` signs what the platform drafted.  Both print the
root's public key, which is what scanners are given.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from integrity_card_scanner.envelope import Kind, SigningKey, sign_envelope
from integrity_card_scanner.lists import KeyList
from integrity_card_scanner.suites import ED25519


def main(arguments: Sequence[str]) -> int:
    """Run a command; 0 when it was done."""
    parser = argparse.ArgumentParser(prog="python -m integrity_card_scanner.root")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("new-key").add_argument("key", type=Path)
    signing = commands.add_parser("sign")
    for name in ("key", "draft", "envelope"):
        signing.add_argument(name, type=Path)
    given = parser.parse_args(arguments)
    if given.command == "new-key":
        handle = os.open(given.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(32))
    root = SigningKey(ED25519, given.key.read_bytes())
    if given.command == "sign":
        draft = given.draft.read_bytes()
        listed = KeyList.from_payload(draft)  # what is signed can be read
        given.envelope.write_bytes(sign_envelope(root, Kind.KEY_LIST, draft))
        sys.stdout.write(f"version {listed.version}, {len(listed.keys)} keys, root ")
    sys.stdout.write(f"{root.public.public.hex()}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
