"""`python -m demo`: start everything, walk the journey, then serve; `--once` ends after it."""

from __future__ import annotations

import argparse
import secrets
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from app.config import Settings
from app.factory import create_app
from app.kernel.keys import KeyProvider
from app.members.operations import create_staff
from demo.api import Api, sign_in_staff
from demo.journey import Scene, play
from demo.load import prepare_programme, publish_benefits
from demo.processes import ROOT
from demo.servers import ServerInUseError
from demo.setting import StaffLogin
from demo.supervise import Stack, running_stack
from demo.telling import chapter, show, tell
from wechat_integration.sandbox.control import SandboxControl

DIRECTORY = ROOT / "var"
BENEFITS = ROOT / "app" / "benefits" / "catalogues" / "jinhua.toml"
PORT = 8080


def main() -> None:
    """Play the demo."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end when the journey is over")
    parser.add_argument("--port", type=int, default=PORT, help="where the service listens")
    options = parser.parse_args()
    tell("starting PostgreSQL, Redis, the WeChat sandbox, the web service and the worker …")
    with running_stack(
        directory=DIRECTORY, port=None if options.once else options.port, fresh=True,
        machines=True,
    ) as stack:
        operator = prepare(stack)
        anybody = Api(base_url=stack.base_url)
        with SandboxControl(base_url=stack.sandbox_url) as wechat:
            play(Scene(
                anybody=anybody,
                operator=sign_in_staff(
                    anybody, username=operator.username, password=operator.password,
                    totp_uri=operator.totp_uri,
                ),
                wechat=wechat,
                redeemed_template_id=stack.environment["WECHAT_REDEEMED_TEMPLATE_ID"],
                pictures=picture_folder(),
                library_bind=stack.environment["LIBRARY_BIND"],
                base_url=stack.base_url,
                command=partial(run_command, stack, role="card_web"),
                key_set=fetch_keys(stack),
            ))
        prove(stack)
        if not options.once:
            serve(stack, operator)


def prepare(stack: Stack) -> StaffLogin:
    """What a city's engineers do before the first day: texts, scheme, benefits, an operator."""
    login = StaffLogin("operator", secrets.token_urlsafe(16), "")
    app = create_app(Settings.from_environ(stack.environment))
    with app.app_context():
        keys: KeyProvider = app.extensions["card_keys"]
        prepare_programme()
        # Bills are due at once, so that their debit can be watched.
        published = BENEFITS.read_text(encoding="utf-8")
        publish_benefits(published.replace("pay_later_days = 10", "pay_later_days = 0"))
        made = create_staff(
            keys=keys, username=login.username, password=login.password, role="operator",
            display_name="市信用中心",
        )
    return StaffLogin(login.username, login.password, made.totp_uri)


def run_command(stack: Stack, *words: str, role: str) -> str:
    """What an operator's command prints; it ends the demo when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", *words],
        cwd=ROOT,
        env=stack.environment | {"DATABASE_URL": stack.database.url(role)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"flask {' '.join(words)}: {done.stdout}{done.stderr}")
    return done.stdout


def fetch_keys(stack: Stack) -> dict[str, Any]:
    """The public keys of what the platform signs."""
    answer = httpx.get(f"{stack.base_url}/.well-known/jwks.json", timeout=10, trust_env=False)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


def picture_folder() -> Path:
    """Where the QR pictures go."""
    folder = DIRECTORY / "demo"
    folder.mkdir(exist_ok=True)
    return folder


def prove(stack: Stack) -> None:
    """Let the ledger prove its sums, and anchor it."""
    chapter("The ledger proves itself")
    for words in (("ledger", "verify"), ("orders", "verify"), ("ledger", "anchor")):
        told = run_command(stack, *words, role="card_job")
        tell(f"flask {' '.join(words)}: {told.strip()}")


def serve(stack: Stack, operator: StaffLogin) -> None:
    """Keep serving and say where."""
    chapter("The service goes on; Ctrl-C ends it")
    show(
        f"API, to read and try   {stack.base_url}/docs\n"
        f"OpenAPI document       {stack.base_url}/openapi.json\n"
        f"benefits               {stack.base_url}/api/v1/benefits\n"
        f"scoring rules          {stack.base_url}/api/v1/schemes/current\n"
        f"health, figures        {stack.base_url}/readyz  {stack.base_url}/metrics\n"
        f"WeChat stand-in        {stack.sandbox_url}\n"
        f"SIP2                   {stack.environment['LIBRARY_BIND']}\n"
        f"logs                   {stack.log_directory}\n"
        f"operator               {operator.username}  {operator.password}\n"
        f"authenticator          {operator.totp_uri}"
    )
    try:
        stack.wait()
    except KeyboardInterrupt:
        tell("stopped")


if __name__ == "__main__":
    try:
        main()
    except ServerInUseError as error:
        sys.exit(str(error))
