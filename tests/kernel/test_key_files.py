"""The file of a ring: changed whole, never losing a key that is needed."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.kernel.key_files import KeyRingError, RingFile
from app.kernel.keys import KEY_ID_MAX, KeyPurpose, KeyRing, Suite, new_key_document

AT = datetime(2026, 5, 4, 12, tzinfo=UTC)
CODE = KeyPurpose.CODE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(new_key_document()), encoding="utf-8")
    path.chmod(0o640)
    return path


def ids(path: Path, purpose: KeyPurpose = CODE) -> list[int]:
    return [key.id for key in KeyRing.from_file(path).all(purpose)]


def test_r30_a_key_is_known_then_active_then_in_escrow(path: Path, tmp_path: Path) -> None:
    ring, escrow = RingFile(path), tmp_path / "escrow.json"
    before = KeyRing.from_file(path).active(CODE)
    assert ring.add(CODE, Suite.SM4_GCM_SM3) == 2
    assert ids(path) == [1, 2]
    assert KeyRing.from_file(path).by_id(CODE, 2).suite is Suite.SM4_GCM_SM3
    assert ring.superseded_at(CODE, 1) is None
    ring.promote(CODE, 2, at=AT)
    assert (ids(path), ring.superseded_at(CODE, 1)) == ([2, 1], AT)
    ring.retire(CODE, 1, escrow=escrow)
    assert ids(path) == [2]
    assert ring.add(CODE, Suite.AES_GCM_SHA256) == 3
    assert ids(path, KeyPurpose.TOKEN) == [1]
    assert ring.readmit(escrow) == 1
    assert ring.readmit(escrow) == 0
    assert KeyRing.from_file(path).by_id(CODE, 1) == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert stat.S_IMODE(escrow.stat().st_mode) == 0o600


def test_what_is_not_to_be_done_changes_nothing(path: Path, tmp_path: Path) -> None:
    ring, escrow, held = RingFile(path), tmp_path / "escrow.json", path.read_bytes()
    other = {"code": [{**new_key_document()["code"][0]}]}
    escrow.write_text(json.dumps(other), encoding="utf-8")
    for refused in (
        lambda: ring.promote(CODE, 1, at=AT),
        lambda: ring.promote(CODE, 2, at=AT),
        lambda: ring.retire(CODE, 1, escrow=escrow),
        lambda: ring.retire(CODE, 9, escrow=escrow),
        lambda: ring.readmit(escrow),  # another key by the same id
    ):
        with pytest.raises(KeyRingError):
            refused()
    assert path.read_bytes() == held
    assert json.loads(escrow.read_text(encoding="utf-8")) == other


def test_ids_are_not_used_twice_and_run_out(path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    document["code"][0]["id"] = KEY_ID_MAX
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(KeyRingError):
        RingFile(path).add(CODE, Suite.AES_GCM_SHA256)
