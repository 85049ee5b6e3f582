"""The floors: a bare Flask answer, and J, a bare route behind a flask-jwt-extended access token."""

from __future__ import annotations

import os

from flask import Flask, Response
from flask_jwt_extended import JWTManager, create_access_token, jwt_required

app = Flask(__name__)
app.config.update(
    JWT_SECRET_KEY=os.environ.get("BENCH_FLOOR_SECRET", "a floor needs no secret, only 32 bytes"),
    JWT_ALGORITHM="HS256",
)
JWTManager(app)
ANSWER = b'{"balance_points":100,"held_points":0}'


@app.get("/bare")
def bare() -> Response:
    """A constant."""
    return Response(ANSWER, content_type="application/json")


@app.get("/token")
def token() -> Response:
    """A token for J."""
    return Response(create_access_token("00000000-0000-7000-8000-000000000000"))


@app.get("/floor")
@jwt_required()  # type: ignore[untyped-decorator]
def floor() -> Response:
    """A constant behind a verified access token."""
    return Response(ANSWER, content_type="application/json")
