"""The gunicorn entry point."""

from app.factory import create_app
from app.web.logs import configure_logging

app = create_app()
configure_logging(app.extensions["card_settings"].log_level)
