"""The commands of docs/runbooks/offline-keys.md, one after the other."""

from __future__ import annotations

from pathlib import Path

from flask import Flask

from integrity_card_scanner.envelope import SigningKey
from integrity_card_scanner.root import main as root_command
from integrity_card_scanner.suites import ED25519


def test_the_runbook_works(app: Flask, tmp_path: Path) -> None:
    key, draft, envelope = (tmp_path / name for name in ("root.key", "draft", "envelope"))
    run = app.test_cli_runner().invoke
    root_command(["new-key", str(key)])
    assert run(args=["offline", "draft-key-list", str(draft)]).exit_code == 0
    root_command(["sign", str(key), str(draft), str(envelope)])
    root = _public(key)
    for said, expected in (("00" * 32, 1), ("no hex", 1), (root, 0), (root, 1)):
        done = run(args=["offline", "publish-key-list", str(envelope), said])
        assert done.exit_code == expected, done.output
    report = run(args=["offline", "report"])
    assert report.exit_code == 0
    (line,) = [one for one in report.output.splitlines() if one.startswith("key ")]
    _, kid, state = line.split()
    assert state == "ready"
    assert "worst case 0.00 yuan" in report.output
    # With one key in the ring there is no next one: nothing is signed from now on.
    done = run(args=["offline", "retire-key", kid, "--reason", "drill"])
    assert done.exit_code == 1
    assert "offline_unavailable" in done.output
    assert f"key {kid} retired" in run(args=["offline", "report"]).output


def _public(key: Path) -> str:
    return SigningKey(ED25519, key.read_bytes()).public.public.hex()
