"""S54: the production configuration; S51 and O6 where they are settings."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.config import Settings
from app.factory import create_app
from demo.servers import ROLES
from tests.conftest import ROOT

EXAMINED = """
import resource, sys
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
import wsgi
assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0), "a crash leaves personal data on a disk"
app = wsgi.app
assert not app.debug and not app.testing, "debugging is on"
assert not app.config.get("PROPAGATE_EXCEPTIONS"), "exceptions reach the server"
loaded = {"werkzeug.debug", "cProfile", "pdb", "flask_debugtoolbar"} & set(sys.modules)
assert not loaded, loaded
assert app.config["MAX_CONTENT_LENGTH"] == 1_000_000
assert not app.has_static_folder
"""

FORKED = """
import os, runpy, sys, threading
import psutil
runpy.run_path("gunicorn.conf.py")
assert "app.factory" in sys.modules, "each worker loads everything anew"
assert threading.active_count() == 1 and not psutil.Process().net_connections()
from app.kernel.ids import new_id, random_id
reading, writing = os.pipe()
for _ in range(4):
    if os.fork() == 0:
        os.write(writing, "".join(f"{new_id()}\\n{random_id()}\\n" for _ in range(100)).encode())
        os._exit(0)
    os.wait()
os.close(writing)
drawn = os.fdopen(reading).read().split()
assert len(drawn) == len(set(drawn)) == 800, "workers draw the same ids"
"""


@pytest.fixture(scope="module")
def gunicorn_settings(monkeypatch_module: pytest.MonkeyPatch, tmp_path_factory: Any) -> Any:
    place = str(tmp_path_factory.mktemp("metrics"))
    monkeypatch_module.setenv("PROMETHEUS_MULTIPROC_DIR", place)
    return runpy.run_path(str(ROOT / "gunicorn.conf.py"))


@pytest.fixture(scope="module")
def monkeypatch_module() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def variables_of(settings: Settings) -> dict[str, str]:
    return {
        "DATABASE_URL": settings.database_url,
        "CARD_KEYS_FILE": str(settings.keys_file),
        "WECHAT_APP_ID": "x",
        "WECHAT_APP_SECRET": "x",
        "WECHAT_REDEEMED_TEMPLATE_ID": "x",
        "REAL_NAME_URL": "https://realname.example",
        "REAL_NAME_KEY_ID": "x",
        "REAL_NAME_SECRET": "x" * 32,
    }


@pytest.mark.parametrize("debug", ["0", "1"])
def test_debugging_stays_off(settings: Settings, debug: str) -> None:
    subprocess.run(
        [sys.executable, "-c", EXAMINED],
        cwd=ROOT,
        env={**os.environ, **variables_of(settings), "FLASK_DEBUG": debug},
        check=True,
    )


def test_gunicorn_accepts_its_settings(settings: Settings, tmp_path: Path) -> None:
    gunicorn = str(Path(sys.executable).with_name("gunicorn"))
    place = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    done = subprocess.run(
        [gunicorn, "--config", "gunicorn.conf.py", "--check-config"],
        cwd=ROOT,
        env={**os.environ, **variables_of(settings), **place},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_workers_outlive_their_statements(gunicorn_settings: dict[str, Any]) -> None:
    statement_seconds = int(ROLES["card_web"]["settings"]["statement_timeout"].removesuffix("s"))
    assert gunicorn_settings["timeout"] > statement_seconds + 5
    assert gunicorn_settings["graceful_timeout"] >= statement_seconds


def test_gunicorn_is_bounded_and_quiet(gunicorn_settings: dict[str, Any]) -> None:
    assert gunicorn_settings["worker_class"] == "app.web.worker.Worker"
    assert gunicorn_settings["bind"].startswith("127.0.0.1:")
    assert gunicorn_settings["limit_request_line"] <= 4_094
    assert gunicorn_settings["limit_request_fields"] <= 100
    assert gunicorn_settings["limit_request_field_size"] <= 8_190
    assert gunicorn_settings["accesslog"] is None
    assert gunicorn_settings["control_socket_disable"]
    assert not gunicorn_settings["preload_app"]


def test_d1_gunicorn_leaves_no_core_and_no_metrics_of_its_own(tmp_path: Path) -> None:
    script = (
        "import os, resource, runpy; made = runpy.run_path('gunicorn.conf.py');"
        " assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0);"
        " assert os.listdir(os.environ['TMPDIR']); made['on_exit'](None);"
        " assert not os.listdir(os.environ['TMPDIR'])"
    )
    environment = {name: os.environ[name] for name in os.environ if "PROMETHEUS" not in name}
    subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT, env={**environment, "TMPDIR": str(tmp_path)}, check=True,
    )


def test_workers_share_what_is_loaded_and_nothing_else(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", FORKED],
        cwd=ROOT, env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}, check=True,
    )


def test_nothing_of_development_is_served(session_app: Flask) -> None:
    words = ("debug", "console", "profil", "admin", "static", "swagger", "phpinfo", "sandbox")
    rules = [rule.rule for rule in session_app.url_map.iter_rules()]
    assert [rule for rule in rules if any(word in rule for word in words)] == []


def test_forwarded_addresses_are_believed_from_named_proxies_alone(settings: Settings) -> None:
    app = create_app(settings)
    forged = {"X-Forwarded-For": "10.0.0.1", "X-Real-Ip": "10.0.0.1"}
    client = app.test_client()
    with client:
        client.get("/livez", headers=forged, environ_base={"REMOTE_ADDR": "8.8.8.8"})
        from flask import request  # noqa: PLC0415 -- the request of the block

        assert request.remote_addr == "8.8.8.8"


def test_secrets_of_the_settings_stay_out_of_representations(settings: Settings) -> None:
    told = repr(settings)
    for name in ("database_url", "wechat_app_secret", "real_name_secret", "redis_url"):
        value = getattr(settings, name)
        assert value
        assert value not in told
