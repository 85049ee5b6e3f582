"""What scanners must hold: the key list of the offline root, the deny list, the grant of a device.

The root's secret key is never here: the platform drafts a key list, somebody signs it on a machine
without a network (`python -m integrity_card_scanner.root`), and it is published with its proof.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.benefits.queries import list_offline_terms
from app.kernel.database import reading, transaction
from app.kernel.errors import Invalid
from app.kernel.keys import KeyProvider, KeyPurpose
from app.merchants.devices import EnrolledDevice, count_live_devices
from app.redemptions import refusals
from app.redemptions.models import OfflineDenyList, OfflineKeyList, OfflineRetiredKey
from integrity_card_scanner.envelope import (
    BadEnvelopeError,
    Kind,
    PublicKey,
    SigningKey,
    sign_envelope,
)
from integrity_card_scanner.lists import DenyList, Grant, KeyList, Use, open_key_list

KEY_LIST_LIFE: Final = timedelta(days=400)
GRANT_LIFE: Final = timedelta(hours=72)
REISSUED_AT_ONCE: Final = 2_000  # codes
DENY_LISTS_KEPT: Final = timedelta(hours=1)
UNSENT_MAX: Final = 200  # scans that a device may take before it must upload
UNSENT_WORTH_MAX_FEN: Final = 50_000
_LIVE_SLOTS: Final = text("""
    SELECT i.slot, e.voucher_id IS NOT NULL OR NOT citizen_is_active(i.citizen_id) AS denied
    FROM offline_issues i
    LEFT JOIN voucher_endings e ON e.citizen_id = i.citizen_id AND e.voucher_id = i.voucher_id
    WHERE i.expires_at > clock_timestamp()
""")
# A slice of the live codes of retired keys, in the order of their ends.
_REISSUE: Final = text("""
    WITH live AS MATERIALIZED (
        SELECT i.* FROM offline_issues i JOIN offline_retired_keys r ON r.kid = i.kid
        WHERE (i.expires_at, i.code_digest) > (CAST(:ended AS timestamptz), CAST(:digest AS bytea))
        ORDER BY i.expires_at, i.code_digest LIMIT :slice
    ), filed AS (
        INSERT INTO offline_issues (code_digest, reference, citizen_id, voucher_id, benefit_code,
                                    kid, slot, payload, not_before_at, expires_at)
        SELECT sha256(CAST(:kid AS bytea) || l.payload), l.reference, l.citizen_id, l.voucher_id,
            l.benefit_code, CAST(:kid AS bytea), l.slot, l.payload, l.not_before_at, l.expires_at
        FROM live l
        ON CONFLICT DO NOTHING RETURNING 1
    )
    SELECT (SELECT count(*) FROM filed) AS filed, l.expires_at, l.code_digest FROM live l
    ORDER BY l.expires_at DESC, l.code_digest DESC LIMIT 1
""")


class KeyListRefused(Invalid):
    """The key list is not signed by the root, or is older than the one in force."""

    code = "offline_key_list_refused"
    title = "The key list cannot be published"
    advice = "密钥清单签名或版本不符，请重新签名后再发布。"


@dataclass(frozen=True)
class PublishedLists:
    """The envelopes that every scanner fetches."""

    key_list: bytes
    deny_list: bytes


@dataclass(frozen=True)
class WorstCase:
    """What all devices together can lose, and with one benefit alone; in fen."""

    total_fen: int
    by_benefit_fen: Mapping[str, int]


def voucher_key(keys: KeyProvider) -> SigningKey:
    """The first key of the ring that scanners know and that is not retired.

    Refuses `offline_unavailable`.
    """
    with reading() as session:
        listed, retired = _key_list(session), _retired_kids(session)
    known = None if listed is None else listed.find(Use.VOUCHER)
    for key in ring(keys, KeyPurpose.OFFLINE_VOUCHER):
        kid = key.public.kid
        if kid not in retired and known is not None and known(kid) is not None:
            return key
    raise refusals.OfflineUnavailable


def draft_key_list(keys: KeyProvider) -> bytes:
    """The next key list for the root to sign: every key of the ring that is not retired."""
    with reading() as session:
        listed, retired = _key_list(session), _retired_kids(session)
        now = _clock(session)
    purposes = ((Use.VOUCHER, KeyPurpose.OFFLINE_VOUCHER), (Use.LIST, KeyPurpose.OFFLINE_LIST))
    entries = [
        (use, key.public) for use, purpose in purposes for key in ring(keys, purpose)
        if key.public.kid not in retired
    ]  # fmt: skip
    version = 1 if listed is None else listed.version + 1
    return KeyList(version, now, now + KEY_LIST_LIFE, tuple(entries)).payload()


def publish_key_list(*, envelope: bytes, root: PublicKey) -> int:
    """Publish what the root signed; its version.  Refuses `offline_key_list_refused`.

    The root of the first list is the root of all: scanners hold it since they were enrolled.
    """
    try:
        listed = open_key_list(envelope, root=root)
    except BadEnvelopeError as error:
        raise KeyListRefused(reason=error.reason) from error
    with transaction() as session:
        last = _last_key_list(session)
        if last is not None and (last.root_suite, last.root_public) != (root.suite, root.public):
            raise KeyListRefused(reason="another_root")
        if listed.version != (1 if last is None else last.version + 1):
            raise KeyListRefused(reason="version_out_of_order")
        session.add(OfflineKeyList(
            version=listed.version, root_suite=root.suite, root_public=root.public,
            envelope=envelope,
        ))  # fmt: skip
    return listed.version


def retire_key(*, keys: KeyProvider, kid: bytes, reason: str) -> int:
    """Retire a key now; how many live codes stand under the next one.

    Scanners learn it from the deny list that is published here.  Refuses `offline_unavailable`
    when there is no next key: publish a key list with one first.
    """
    with transaction() as session:
        line = {"kid": kid, "reason": reason}
        session.execute(insert(OfflineRetiredKey).values(line).on_conflict_do_nothing())
    publish_deny_list(keys=keys)
    return reissue_live(keys=keys)


def reissue_live(*, keys: KeyProvider) -> int:
    """File every live code of a retired key under the one that signs now; how many were new."""
    kid = voucher_key(keys).public.kid
    with reading() as session:
        ended, digest = _clock(session), b""
    filed = 0
    while True:  # each slice well within the time of a statement
        asked = {"kid": kid, "ended": ended, "digest": digest, "slice": REISSUED_AT_ONCE}
        with transaction() as session:
            last = session.execute(_REISSUE, asked).one_or_none()
        if last is None:
            return filed
        filed, ended, digest = filed + last.filed, last.expires_at, bytes(last.code_digest)


def publish_deny_list(*, keys: KeyProvider) -> int:
    """Sign what scanners must not take as of now; how many slots.  For the job, and after retiring.

    Without a key list nothing is published.
    """
    with transaction() as session:
        listed = _key_list(session)
        if listed is None:
            return 0
        now = _clock(session)
        rows = session.execute(_LIVE_SLOTS).all()
        denied = [row.slot for row in rows if row.denied]
        deny = DenyList.of_slots(
            issued_at=now, key_list_version=listed.version, retired_kids=_retired_kids(session),
            first_slot=min((row.slot for row in rows), default=0), denied=denied,
        )
        session.add(OfflineDenyList(
            issued_at=now, live_count=len(rows), denied_count=len(denied),
            envelope=sign_envelope(list_key(keys, listed), Kind.DENY_LIST, deny.payload()),
        ))  # fmt: skip
        old = OfflineDenyList.issued_at < now - DENY_LISTS_KEPT
        session.execute(delete(OfflineDenyList).where(old))
    return len(denied)


def published_lists() -> PublishedLists:
    """The lists in force.  Refuses `offline_list_unknown`."""
    newest = select(OfflineDenyList.envelope).order_by(OfflineDenyList.issued_at.desc()).limit(1)
    with reading() as session:
        key_list, deny_list = _last_key_list(session), session.scalar(newest)
    if key_list is None or deny_list is None:
        raise refusals.OfflineListUnknown
    return PublishedLists(key_list.envelope, deny_list)


def grant_device(*, keys: KeyProvider, device: EnrolledDevice) -> bytes | None:
    """What the device may do from now on, signed; None when it may nothing any more."""
    if device.switched_off_at is not None or device.merchant_suspended:
        return None
    with reading() as session:
        listed, now = _key_list(session), _clock(session)
        terms = list_offline_terms(merchant_id=device.merchant_id)
    if listed is None:
        return None
    grant = Grant(
        device_id=device.device_id, merchant_id=device.merchant_id, issued_at=now,
        expires_at=now + GRANT_LIFE, benefit_codes=frozenset(terms), unsent_max=UNSENT_MAX,
        unsent_worth_max_fen=UNSENT_WORTH_MAX_FEN,
        benefit_unsent_max={code: one.unsent_max for code, one in terms.items()},
    )
    return sign_envelope(list_key(keys, listed), Kind.GRANT, grant.payload())


def worst_case() -> WorstCase:
    """What devices off line can lose before they must upload: devices × value, within the caps."""
    total, by_benefit = 0, Counter[str]()
    for merchant_id, devices in count_live_devices().items():
        lost = {
            code: min(min(one.unsent_max, UNSENT_MAX) * one.worth_fen, UNSENT_WORTH_MAX_FEN)
            for code, one in list_offline_terms(merchant_id=merchant_id).items()
        }
        total += devices * min(sum(lost.values()), UNSENT_WORTH_MAX_FEN)
        by_benefit.update({code: devices * fen for code, fen in lost.items()})
    return WorstCase(total, by_benefit)


def list_key(keys: KeyProvider, listed: KeyList) -> SigningKey:
    """The first key of the ring that signs lists and that scanners know."""
    known = listed.find(Use.LIST)
    for key in ring(keys, KeyPurpose.OFFLINE_LIST):
        if known(key.public.kid) is not None:
            return key
    raise refusals.OfflineUnavailable


def voucher_keys_ever(keys: KeyProvider) -> dict[bytes, PublicKey]:
    """Every key that ever signed offline codes, retired ones too, by its name."""
    with reading() as session:
        lists = session.scalars(select(OfflineKeyList)).all()
    public = [key.public for key in ring(keys, KeyPurpose.OFFLINE_VOUCHER)]
    for row in lists:
        listed = open_key_list(row.envelope, root=PublicKey(row.root_suite, row.root_public))
        public += [key for use, key in listed.keys if use is Use.VOUCHER]
    return {key.kid: key for key in public}


def list_voucher_keys(*, keys: KeyProvider) -> list[tuple[bytes, str]]:
    """Every key that ever signed offline codes: `ready`, `retired`, or `not listed` yet."""
    with reading() as session:
        listed, retired = _key_list(session), _retired_kids(session)
    known = None if listed is None else listed.find(Use.VOUCHER)
    return [
        (kid, "retired" if kid in retired else "ready" if known and known(kid) else "not listed")
        for kid in voucher_keys_ever(keys)
    ]


def ring(keys: KeyProvider, purpose: KeyPurpose) -> list[SigningKey]:
    """The signing keys of a purpose, the active one first."""
    return [SigningKey(int(key.suite), key.secret) for key in keys.all(purpose)]


def _last_key_list(session: Session) -> OfflineKeyList | None:
    query = select(OfflineKeyList).order_by(OfflineKeyList.version.desc()).limit(1)
    return session.scalars(query).one_or_none()


def _key_list(session: Session) -> KeyList | None:
    row = _last_key_list(session)
    if row is None:
        return None
    return open_key_list(row.envelope, root=PublicKey(row.root_suite, row.root_public))


def _retired_kids(session: Session) -> Sequence[bytes]:
    return session.scalars(select(OfflineRetiredKey.kid)).all()


def _clock(session: Session) -> datetime:
    moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return moment
