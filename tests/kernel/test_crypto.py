"""Sealing binds a value to its key, suite, row and column."""

import base64
import json
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kernel import crypto
from app.kernel.ids import new_id, random_id
from app.kernel.keys import Key, KeyPurpose, KeyRing, Suite, UnknownKeyError, new_key_document
from tests.conftest import Sized

CITIZEN = UUID("0193a5f0-0000-7000-8000-000000000001")
OTHER = UUID("0193a5f0-0000-7000-8000-000000000002")


def entry(key_id: int, suite: Suite, fill: int) -> dict[str, object]:
    return {
        "id": key_id,
        "suite": int(suite),
        "secret": base64.b64encode(bytes([fill]) * 32).decode(),
    }


def ring(*entries: dict[str, object]) -> KeyRing:
    return KeyRing.from_document({**new_key_document(), "code": list(entries)})


@pytest.mark.parametrize("suite", list(Suite))
@given(plaintext=st.binary(max_size=200), context=st.binary(max_size=50))
def test_r30_what_is_sealed_is_opened(suite: Suite, plaintext: bytes, context: bytes) -> None:
    keys = ring(entry(7, suite, 1))
    sealed = crypto.seal(keys.active(KeyPurpose.CODE), plaintext, context=context)
    assert sealed[:2] == bytes((suite, 7))
    assert crypto.unseal(keys, KeyPurpose.CODE, sealed, context=context) == plaintext


@pytest.mark.parametrize("suite", list(Suite))
def test_every_changed_byte_and_every_cut_is_refused(suite: Suite) -> None:
    keys = ring(entry(7, suite, 1))
    sealed = crypto.seal(keys.active(KeyPurpose.CODE), b"330702198503120412", context=b"here")
    for at in range(len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1
        with pytest.raises(crypto.SealBrokenError):
            crypto.unseal(keys, KeyPurpose.CODE, bytes(changed), context=b"here")
        with pytest.raises(crypto.SealBrokenError):
            crypto.unseal(keys, KeyPurpose.CODE, sealed[:at], context=b"here")


def test_d2_a_value_moved_to_another_row_or_column_is_refused() -> None:
    keys = KeyRing.from_document(new_key_document())
    key, wrapped = crypto.new_data_key(keys, citizen_id=CITIZEN)
    here = crypto.field_context(table="profiles", column="name", row_id=CITIZEN)
    sealed = crypto.seal(key, "方志远".encode(), context=here)
    opened = crypto.open_data_key(keys, wrapped, citizen_id=CITIZEN)
    assert crypto.unseal_with(opened, sealed, context=here).decode() == "方志远"
    for moved in (
        crypto.field_context(table="profiles", column="name", row_id=OTHER),
        crypto.field_context(table="profiles", column="phone", row_id=CITIZEN),
    ):
        with pytest.raises(crypto.SealBrokenError):
            crypto.unseal_with(opened, sealed, context=moved)
    with pytest.raises(crypto.SealBrokenError):
        crypto.open_data_key(keys, wrapped, citizen_id=OTHER)


def test_r30_an_old_key_opens_what_it_closed_until_it_is_retired() -> None:
    old, new = entry(1, Suite.AES_GCM_SHA256, 1), entry(2, Suite.SM4_GCM_SM3, 2)
    sealed = crypto.seal(ring(old).active(KeyPurpose.CODE), b"x", context=b"")
    rotated = ring(new, old)
    assert rotated.active(KeyPurpose.CODE).id == 2
    assert crypto.unseal(rotated, KeyPurpose.CODE, sealed, context=b"") == b"x"
    with pytest.raises(crypto.SealBrokenError):
        crypto.unseal(ring(new), KeyPurpose.CODE, sealed, context=b"")


def test_nonces_do_not_repeat(sized: Sized) -> None:
    key = Key(KeyPurpose.CODE, 1, Suite.AES_GCM_SHA256, bytes(32))
    count = sized(ci=100_000, full=1_000_000)
    nonces = {crypto.seal(key, b"", context=b"")[2:14] for _ in range(count)}
    assert len(nonces) == count


def test_d3_keyed_digests_differ_by_key_suite_and_purpose() -> None:
    digests = {
        crypto.keyed_digest(Key(KeyPurpose.INDEX_PHONE, 1, suite, bytes([fill]) * 32), b"1")
        for suite in Suite
        for fill in (1, 2)
    }
    assert len(digests) == 4
    assert {len(digest) for digest in digests} == {32}


def test_a_key_never_shows_its_secret() -> None:
    key = Key(KeyPurpose.CODE, 1, Suite.AES_GCM_SHA256, b"visible-if-wrong" * 2)
    assert "visible" not in repr(key)


def test_a_ring_without_a_purpose_is_refused() -> None:
    document = new_key_document()
    del document["token"]
    with pytest.raises(ValueError, match="token"):
        KeyRing.from_document(document)


@pytest.mark.parametrize("bad", [{"id": 0}, {"id": 256}, {"suite": 9}, {"secret": "c2hvcnQ="}])
def test_a_bad_key_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- the messages differ by what is wrong
        ring({**entry(1, Suite.AES_GCM_SHA256, 1), **bad})


def test_a_ring_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(new_key_document()), encoding="utf-8")
    keys = KeyRing.from_file(path)
    assert keys.all(KeyPurpose.TOKEN) == (keys.active(KeyPurpose.TOKEN),)
    with pytest.raises(UnknownKeyError):
        keys.by_id(KeyPurpose.TOKEN, 99)


def test_ids_are_ordered_by_time_and_citizen_ids_are_not() -> None:
    made = [new_id() for _ in range(1000)]
    assert made == sorted(made)
    assert {one.version for one in made} == {7}
    citizens = [random_id() for _ in range(1000)]
    assert citizens != sorted(citizens)
    assert {one.version for one in citizens} == {4}
