"""Start the sandbox: ``python -m wechat_integration.sandbox --host 127.0.0.1 --port 8801``.

Prints its address on the first line of standard output, and ends with status 0 on SIGTERM or
SIGINT.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from wechat_integration.sandbox.pay_keys import kept_pay_keys, made_up_pay_keys
from wechat_integration.sandbox.server import SandboxServer
from wechat_integration.sandbox.settings import (
    DEMO_APP_ID,
    DEMO_APP_SECRET,
    DEMO_REALNAME_KEY,
    DEMO_REALNAME_KEY_ID,
    SandboxSettings,
)


def main() -> int:
    """Serve until a signal asks to stop."""
    asked = _arguments().parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    with SandboxServer(settings=_settings(asked), host=asked.host, port=asked.port) as server:
        sys.stdout.write(f"sandbox listening on {server.base_url}\n")
        sys.stdout.flush()
        stop.wait()
    return 0


def _settings(asked: argparse.Namespace) -> SandboxSettings:
    return SandboxSettings(
        app_id=asked.app_id,
        app_secret=asked.app_secret,
        realname_key_id=asked.realname_key_id,
        realname_key=asked.realname_key,
        pay_keys=kept_pay_keys(asked.pay_keys) if asked.pay_keys else made_up_pay_keys(),
    )


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m wechat_integration.sandbox")
    parser.add_argument("--host", default="127.0.0.1", help="keep it on this machine")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--app-id", default=DEMO_APP_ID)
    parser.add_argument("--app-secret", default=DEMO_APP_SECRET)
    parser.add_argument("--realname-key-id", default=DEMO_REALNAME_KEY_ID)
    parser.add_argument("--realname-key", default=DEMO_REALNAME_KEY)
    parser.add_argument(
        "--pay-keys", type=Path, help="a file of WeChat Pay's keys, made when it is not there"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
