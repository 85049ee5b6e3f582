"""The gunicorn entry point, and where `flask --app wsgi …` finds its commands."""

import gc
import os
import sys
from importlib import import_module

gc.disable()  # nothing that is loaded here is garbage: to look again and again costs a third

from app.factory import create_app  # noqa: E402 -- see above
from app.kernel.processes import leave_no_core  # noqa: E402 -- see above
from app.web.logs import configure_logging  # noqa: E402 -- see above


def asks_for_demo() -> bool:
    """Whether this is `flask --app wsgi demo …`, which brings servers and settings of its own."""
    words = (word for word in sys.argv[1:] if not word.startswith("-") and word != "wsgi")
    return os.environ.get("FLASK_RUN_FROM_CLI") == "true" and next(words, None) == "demo"


leave_no_core()
if asks_for_demo():
    app = import_module("demo.commands").app
else:
    app = create_app()
    configure_logging(app.extensions["card_settings"].log_level)
gc.enable()
