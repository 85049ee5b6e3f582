"""Source machines: a strong secret, kept as a keyed hash, that can rotate."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.kernel.database import reading, transaction
from app.kernel.ids import new_id
from app.kernel.keys import KeyRing, new_key_document
from app.members import operations
from app.members.sources import CredentialRefused, SourceExists, SourceNotFound
from tests.members.api import bearer, claims_of, keys_of, let_show_tokens


def sign_in(client: FlaskClient, made: operations.NewCredential, **changes: str) -> Any:
    body = {"credential_id": str(made.credential_id), "secret": made.secret, **changes}
    return client.post("/api/v1/sources/token", json=body)


@pytest.fixture
def made(app: Flask) -> operations.NewCredential:
    with transaction():
        made = operations.create_source_account(
            keys=keys_of(app), name="市中心血站", source_id=new_id()
        )
    let_show_tokens(made.source_id)
    return made


def test_a_machine_signs_in_as_its_source(
    client: FlaskClient, made: operations.NewCredential
) -> None:
    tokens = sign_in(client, made).get_json()
    claims = claims_of(tokens["access_token"])
    assert (claims["role"], claims["sub"]) == ("source", str(made.source_id))
    assert claims["aud"] == "integrity-card/source"


def test_another_secret_or_id_is_refused_alike(
    client: FlaskClient, made: operations.NewCredential
) -> None:
    wrong = sign_in(client, made, secret=made.secret[:-1] + "?")
    unknown = sign_in(client, made, credential_id=str(new_id()))
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.get_json() == unknown.get_json()


def test_the_secret_is_told_once_and_kept_as_a_hash(made: operations.NewCredential) -> None:
    assert made.secret not in repr(made)
    assert len(made.secret) >= 43
    with reading() as session:
        stored: bytes = session.execute(
            text("SELECT secret_hash FROM source_credentials WHERE credential_id = :c"),
            {"c": made.credential_id},
        ).scalar_one()
    assert made.secret.encode() not in stored
    assert len(stored) == 34


def test_secrets_rotate_without_a_gap(
    app: Flask, client: FlaskClient, made: operations.NewCredential
) -> None:
    with transaction():
        fresh = operations.add_source_credential(keys=keys_of(app), source_id=made.source_id)
    old_tokens = sign_in(client, made).get_json()
    assert sign_in(client, fresh).status_code == 200
    operations.end_source_credential(credential_id=made.credential_id)
    assert sign_in(client, made).status_code == 401
    refreshed = client.post(
        "/api/v1/tokens/refresh", headers=bearer(old_tokens["refresh_token"])
    )
    assert refreshed.status_code == 401
    assert sign_in(client, fresh).status_code == 200


def test_the_key_of_the_hashes_rotates(app: Flask) -> None:
    document = new_key_document()
    with transaction():
        made = operations.create_source_account(
            keys=KeyRing.from_document(document), name="图书馆"
        )
    let_show_tokens(made.source_id)
    fresh = {**new_key_document()["sign_in"][0], "id": 2}
    both = KeyRing.from_document({**document, "sign_in": [fresh, *document["sign_in"]]})
    opened = operations.sign_in_source(
        keys=both, credential_id=made.credential_id, secret=made.secret
    )
    assert opened.subject_id == made.source_id
    with pytest.raises(CredentialRefused):
        operations.sign_in_source(
            keys=KeyRing.from_document({**document, "sign_in": [fresh]}),
            credential_id=made.credential_id, secret=made.secret,
        )


def test_a_source_is_made_once(app: Flask, made: operations.NewCredential) -> None:
    keys = keys_of(app)
    for name, source_id in (("市中心血站", new_id()), ("别的名字", made.source_id)):
        with pytest.raises(SourceExists), transaction():
            operations.create_source_account(keys=keys, name=name, source_id=source_id)
    with pytest.raises(SourceNotFound), transaction():
        operations.add_source_credential(keys=keys, source_id=new_id())
    for refused in (operations.disable_source,):
        with pytest.raises(SourceNotFound):
            refused(source_id=new_id())
