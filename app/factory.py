"""create_app(): the only module that knows every room."""

from __future__ import annotations

from flask import Flask
from flask_migrate import Migrate

from app.cli import register_commands
from app.config import Settings
from app.kernel.database import db
from app.kernel.keys import KeyRing
from app.web.auth import configure_auth
from app.web.openapi import configure_openapi
from app.web.problems import register_problems
from app.web.requests import configure_requests


def create_app(settings: Settings | None = None) -> Flask:
    """Build the application from its settings (default: the environment)."""
    settings = settings or Settings.from_environ()
    app = Flask(__name__)
    app.extensions["card_settings"] = settings
    keys = KeyRing.from_file(settings.keys_file)
    app.extensions["card_keys"] = keys
    _configure_database(app, settings)
    configure_requests(app)
    register_problems(app)
    configure_auth(
        app, keys=keys, issuer=settings.token_issuer, session_is_live=lambda _: False
    )
    configure_openapi(app)
    register_commands(app)
    return app


def _configure_database(app: Flask, settings: Settings) -> None:
    url = settings.database_url
    driver_url = "postgresql+psycopg://" + url.split("://", 1)[1]
    app.config["SQLALCHEMY_DATABASE_URI"] = driver_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {
        "pool_size": settings.database_pool_size,
        "max_overflow": 0,
        "pool_timeout": 3,
        "connect_args": {"connect_timeout": 3, "application_name": "integrity-card"},
    }
    db.init_app(app)
    Migrate(app, db, directory="migrations")
