"""The routes of publications: the list, the exact bytes, their signatures, the public keys."""

from __future__ import annotations

from typing import Any, cast

import orjson
from flask import Response, request, url_for

from app.kernel.detached import sign_detached, verification_keys
from app.scoring import publication_schemas
from app.scoring.publications import Publication, list_publications, open_publication
from app.web import limits
from app.web.auth import public
from app.web.keys import key_provider
from app.web.openapi import API_PREFIX, Blueprint

JOSE = "application/jose"
KEY_SET = "application/jwk-set+json"
LASTING_SECONDS = 86_400  # the bytes never change
PASSING_SECONDS = 300  # what grows, and what another key signs tomorrow

blueprint = Blueprint("publications", __name__, url_prefix=API_PREFIX)
well_known = Blueprint("well_known", __name__, description="Where others look for keys.")


@blueprint.route("/publications", methods=["GET"])
@public
@limits.per_address("120/minute")
@blueprint.response(200, publication_schemas.Publications)
def list_all() -> dict[str, Any]:
    """What is published: rules in force and proposed, catalogues, figures; newest first."""
    return {"publications": [_entry(one) for one in list_publications()]}


@blueprint.route("/publications/<string:kind>/<string:edition>.json", methods=["GET"])
@public
@limits.per_address("120/minute")
@blueprint.response(200, description="The published bytes, always the same.")
@blueprint.refuses(404)
def read_publication(kind: str, edition: str) -> Response:
    """A publication: the exact bytes that the signature beside it covers."""
    found = open_publication(kind=kind, name=edition)
    return _cached(found.content, "application/json", LASTING_SECONDS)


@blueprint.route("/publications/<string:kind>/<string:edition>.jws", methods=["GET"])
@public
@limits.per_address("120/minute")
@blueprint.response(200, content_type=JOSE, description="A detached JWS over the bytes.")
@blueprint.refuses(404)
def read_signature(kind: str, edition: str) -> Response:
    """The signature of a publication; its `kid` names a key of /.well-known/jwks.json."""
    found = open_publication(kind=kind, name=edition)
    signature = sign_detached(keys=key_provider(), payload=found.content)
    return _cached(signature.encode(), JOSE, PASSING_SECONDS)


@well_known.route("/.well-known/jwks.json", methods=["GET"])
@public
@well_known.response(200, content_type=KEY_SET, description="A JSON Web Key Set.")
def read_keys() -> Response:
    """The public keys that publications are checked with (RFC 7517)."""
    key_set = orjson.dumps({"keys": verification_keys(keys=key_provider())})
    return _cached(key_set, KEY_SET, PASSING_SECONDS)


def _entry(one: Publication) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "name": one.name,
        "published_on": one.published_on,
        "sha256": one.sha256,
        "address": _address("read_publication", one),
        "signature_address": _address("read_signature", one),
    }


def _address(view: str, one: Publication) -> str:
    return url_for(f"publications.{view}", kind=one.kind, edition=one.name)


def _cached(body: bytes, content_type: str, seconds: int) -> Response:
    answer = Response(body, content_type=content_type)
    answer.headers["Cache-Control"] = f"public, max-age={seconds}"
    answer.add_etag()
    return cast("Response", answer.make_conditional(request.environ))
