"""Pages to read the contract: /openapi.json, /docs (Swagger UI from here), /problems/<code>."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import flask_swagger_ui
import orjson
from flask import Response, current_app
from markdown_it import MarkdownIt
from werkzeug.exceptions import NotFound

from app.web.auth import public
from app.web.openapi import Blueprint, openapi_document

blueprint = Blueprint("docs", __name__, description="The contract, to read.")

PROBLEM_PAGES = Path(__file__).parent.parent.parent / "docs" / "problems"
_CODE = re.compile(r"[a-z0-9_]{1,80}")
_VIEWER = files(flask_swagger_ui).joinpath("dist")
_VIEWER_FILES = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
# Swagger UI writes style attributes; nothing may come from or go to another address.
_VIEWER_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = """<!doctype html>
<html lang="zh"><head><meta charset="utf-8"><title>Integrity Card API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" href="/docs/favicon-32x32.png"></head>
<body><div id="viewer"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script></body></html>
"""
_START = """SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#viewer", validatorUrl: null, deepLinking: true
});
"""
_MARKDOWN = MarkdownIt("commonmark", {"html": False})
_CACHED = {"Cache-Control": "public, max-age=86400"}


@blueprint.route("/openapi.json")
@public
@blueprint.response(200, description="The OpenAPI 3.1 document.")
def read_document() -> Response:
    """The contract as OpenAPI 3.1."""
    cached = current_app.extensions.get("card_openapi_bytes")
    if cached is None:
        cached = orjson.dumps(openapi_document(current_app))
        current_app.extensions["card_openapi_bytes"] = cached
    return Response(cached, content_type="application/json")


@blueprint.route("/docs")
@public
@blueprint.response(200, content_type="text/html", description="A page.")
def show_viewer() -> Response:
    """The contract as a page to read and try."""
    return Response(
        _PAGE, content_type="text/html", headers={"Content-Security-Policy": _VIEWER_POLICY}
    )


@blueprint.route("/docs/<file>")
@public
@blueprint.response(200, content_type="application/octet-stream", description="A file.")
@blueprint.refuses(404)
def read_viewer_file(*, file: str) -> Response:
    """A file of the viewer."""
    if file == "start.js":
        return Response(_START, content_type="text/javascript")
    if file not in _VIEWER_FILES:
        raise NotFound
    body = _VIEWER.joinpath(file).read_bytes()
    return Response(body, content_type=_VIEWER_FILES[file], headers=_CACHED)


@blueprint.route("/problems/<code>")
@public
@blueprint.response(200, content_type="text/html", description="A page.")
@blueprint.refuses(404)
def explain_problem(*, code: str) -> Response:
    """What a refusal means and what to do."""
    if _CODE.fullmatch(code) is None:
        raise NotFound
    page = PROBLEM_PAGES / f"{code}.md"
    if not page.is_file():
        raise NotFound
    return Response(_as_html(page.read_text(encoding="utf-8")), content_type="text/html")


def _as_html(markdown: str) -> str:
    body = _MARKDOWN.render(markdown)
    head = '<head><meta charset="utf-8"></head>'
    return f'<!doctype html>\n<html lang="zh">{head}<body>{body}</body></html>\n'
