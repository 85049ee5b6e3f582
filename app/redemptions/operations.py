"""At the counter: preview, redeem, annul; and the pass code that starts it.

`redeem` and `preview` are one SQL statement each (`redemption_redeem`, `redemption_preview` in the
migration); what they refuse is stored by them and raised here, after their commit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import func, select

from app.disputes.queries import REDEMPTION, Item, find_disputed
from app.kernel.context import request_id
from app.kernel.database import hot_call, transaction_required
from app.kernel.errors import refusal
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.merchants.queries import require_scan_permit
from app.redemptions import codes, queries
from app.redemptions.codes import CodeUnreadable, PassCode, Reference, VoucherCode
from app.redemptions.refusals import ManualCodeUnreadable
from app.redemptions.vouchers import MANUAL_CODE_TRIES

BAD_SCANS_MAX: Final = 20  # unreadable scans of one clerk within the window
BAD_TYPINGS_MAX: Final = 5  # wrong typed codes of one clerk within the window
BAD_CODES_WINDOW_SECONDS: Final = 600


@dataclass(frozen=True)
class Counter:
    """Who stands at which counter: a clerk, in a session, in a shop."""

    clerk_id: UUID
    session_id: UUID
    shop_id: UUID


@dataclass(frozen=True)
class MintedPassCode:
    """A pass code to show, and when the database's clock ends it."""

    code: str
    expires_at: datetime


@dataclass(frozen=True)
class _Request:
    """The id of a redemption and what it is asked with."""

    redemption_id: UUID
    digest: bytes


@dataclass(frozen=True)
class _Scan:
    """What was presented, opened: the arguments of the SQL functions."""

    citizen_id: UUID
    kind: str
    code_digest: bytes | None = None
    expires_at: datetime | None = None
    holder_session_id: UUID | None = None
    voucher_id: UUID | None = None
    fault: str | None = None
    manual_hash: bytes | None = None

    def parameters(self) -> dict[str, object]:
        return {
            "citizen": self.citizen_id, "code_kind": self.kind, "code_digest": self.code_digest,
            "code_expires_at": self.expires_at, "holder_session": self.holder_session_id,
            "voucher": self.voucher_id, "code_fault": self.fault,
        }


def mint_pass_code(
    *, keys: KeyProvider, citizen_id: UUID, session_id: UUID
) -> MintedPassCode:
    """A fresh pass code; nothing is stored.  Refuses an ended session."""
    now = queries.pass_code_time(citizen_id=citizen_id, session_id=session_id)
    if not now.live:
        raise refusal("unauthenticated")
    code = codes.make_pass_code(
        keys, citizen_id=citizen_id, session_id=session_id, issued_at=now.moment
    )
    return MintedPassCode(code, now.moment + codes.PASS_CODE_LIFE)


def preview(
    *,
    keys: KeyProvider,
    counter: Counter,
    code: str | None = None,
    manual_code: str | None = None,
) -> dict[str, Any]:
    """What a clerk may know before redeeming: of a person, or of one voucher.

    It burns a pass code and answers with a reference to redeem with.
    """
    scan = _open(keys, counter, code=code, manual_code=manual_code)
    row = _call(queries.PREVIEW, {**scan.parameters(), **_at(counter), "trail": new_id()})
    if row["refusal_code"] is not None:
        raise _refusal(row)
    _restore_try(scan)
    answer: dict[str, Any] = row["answer"]
    if scan.holder_session_id is not None:
        answer["reference"] = codes.make_reference(
            keys, citizen_id=scan.citizen_id, session_id=scan.holder_session_id,
            clerk_id=counter.clerk_id, shop_id=counter.shop_id, previewed_at=row["moment"],
        )
    return answer


def redeem(
    *,
    keys: KeyProvider,
    counter: Counter,
    redemption_id: UUID,
    code: str | None = None,
    reference: str | None = None,
    manual_code: str | None = None,
    benefit_code: str | None = None,
) -> str:
    """Redeem a voucher, once; the answer as JSON text, byte for byte the same for the same id.

    Exactly one of `code`, `reference` and `manual_code` says what was presented.  A refusal is kept
    under its `redemption_id` and comes again for it.
    """
    presented = [str(counter.shop_id), code, reference, manual_code, benefit_code]
    request = _Request(redemption_id, hashlib.sha256(orjson.dumps(presented)).digest())
    scan = _open(
        keys, counter, code=code, reference=reference, manual_code=manual_code, request=request
    )
    row = _call(queries.REDEEM, {
        **scan.parameters(), **_at(counter),
        "redemption": redemption_id,
        "request_digest": request.digest,
        "receipt": codes.make_receipt(
            keys, citizen_id=scan.citizen_id, clerk_id=counter.clerk_id,
            redemption_id=redemption_id,
        ),
        "wanted_benefit": benefit_code,
        "transfer": new_id(), "trail": new_id(), "message": new_id(),
        "request_id": request_id.get(),
    })  # fmt: skip
    if row["replayed"] or row["refusal_code"] is None:
        _restore_try(scan)
    if row["refusal_code"] is not None:
        raise _refusal(row)
    answer: str = row["answer"]
    return answer


def present_pass_code(*, shown: PassCode, presenter_id: UUID) -> str | None:
    """Burn a pass code, in the open transaction, where no voucher is looked at.

    The refusal's code of what is wrong with it or its holder, None when nothing is; commit before
    it is raised, or the code is not burnt.
    """
    presented = func.redemption_present(
        shown.citizen_id, presenter_id, shown.digest, shown.expires_at, shown.session_id
    )
    refused: str | None = transaction_required().scalar(select(presented))
    return refused


def list_redemptions_of_today(
    *, keys: KeyProvider, counter: Counter, limit: int, before: datetime | None = None
) -> list[dict[str, Any]]:
    """What the clerk's shop redeemed today, the latest first, with receipts instead of persons."""
    require_scan_permit(
        staff_id=counter.clerk_id, session_id=counter.session_id, shop_id=counter.shop_id
    )
    found = queries.list_shop_redemptions_of_today(
        shop_id=counter.shop_id, limit=limit, before=before
    )
    disputed = find_disputed(
        kind=REDEMPTION, citizen_ids={line.citizen_id for line in found}
    )
    return [
        {
            "receipt": codes.make_receipt(
                keys, citizen_id=line.citizen_id, clerk_id=line.clerk_id,
                redemption_id=line.redemption_id,
            ),
            "redemption_id": line.redemption_id,
            "benefit_code": line.benefit_code,
            "price_points": line.price_points,
            "redeemed_at": line.redeemed_at,
            "annulled_at": line.annulled_at,
            "is_disputed": (
                line.citizen_id, Item(REDEMPTION, str(line.voucher_id))
            ) in disputed,
        }
        for line in found
    ]


def _open(
    keys: KeyProvider,
    counter: Counter,
    *,
    code: str | None = None,
    reference: str | None = None,
    manual_code: str | None = None,
    request: _Request | None = None,
) -> _Scan:
    """What was presented; a text that stands for nobody is kept by clerk and refused."""
    text = code or reference or manual_code or ""
    try:
        if manual_code is not None:
            hashes = codes.manual_code_hashes(keys, codes.parse_manual_code(manual_code))
            return _find_answered(counter, hashes, request) or _open_manual(counter, hashes)
        if reference is not None:
            return _scan_of_reference(codes.read_reference(keys, reference), counter)
        return _scan_of(codes.read_scan(keys, text))
    except CodeUnreadable:
        told = CodeUnreadable.code if manual_code is None else ManualCodeUnreadable.code
        raise refusal_of_unreadable(keys, counter, text, told=told) from None


def _scan_of(read: PassCode | VoucherCode) -> _Scan:
    if isinstance(read, VoucherCode):
        return _Scan(read.citizen_id, "voucher", voucher_id=read.voucher_id)
    return _Scan(
        read.citizen_id, "pass", code_digest=read.digest, expires_at=read.expires_at,
        holder_session_id=read.session_id,
    )


def _scan_of_reference(read: Reference, counter: Counter) -> _Scan:
    own = (read.clerk_id, read.shop_id) == (counter.clerk_id, counter.shop_id)
    return _Scan(
        read.citizen_id, "reference", code_digest=read.digest, expires_at=read.expires_at,
        holder_session_id=read.session_id, fault=None if own else "reference_foreign",
    )


def _find_answered(
    counter: Counter, hashes: list[bytes], request: _Request | None
) -> _Scan | None:
    """A typed code in a request that was answered before, which neither counts nor costs a try.

    Only in the very same request: by other ids or bodies a clerk who is blocked could guess on.
    """
    if request is None:
        return None
    row = _call(queries.FIND_ANSWERED, {
        "clerk": counter.clerk_id, "redemption": request.redemption_id,
        "request_digest": request.digest, "hashes": hashes,
    })  # fmt: skip
    return None if row["citizen_id"] is None else _Scan(row["citizen_id"], "manual")


def _open_manual(counter: Counter, hashes: list[bytes]) -> _Scan:
    row = _call(queries.OPEN_MANUAL_CODE, {
        **_at(counter), "scan": new_id(), "hashes": hashes,
        "limit": BAD_TYPINGS_MAX, "window": BAD_CODES_WINDOW_SECONDS,
    })  # fmt: skip
    if row["refusal_code"] is not None:
        raise _refusal(row)
    return _Scan(
        row["citizen_id"], "manual", voucher_id=row["voucher_id"],
        manual_hash=None if row["dead"] else row["code_hash"],
        fault="manual_code_dead" if row["dead"] else None,
    )


def refusal_of_unreadable(
    keys: KeyProvider, counter: Counter, text: str, *, told: str = CodeUnreadable.code
) -> Exception:
    """Keep a text that stands for nobody, as a keyed hash by clerk, and give its refusal.

    All kinds of texts are counted as one; `told` is the code for the person who presented this one.
    """
    row = _call(queries.KEEP_UNREADABLE, {
        **_at(counter), "scan": new_id(), "digest": codes.scan_digest(keys, text),
        "reason": CodeUnreadable.code, "limit": BAD_SCANS_MAX, "window": BAD_CODES_WINDOW_SECONDS,
    })  # fmt: skip
    return refusal(told) if row["refusal_code"] == CodeUnreadable.code else _refusal(row)


def _restore_try(scan: _Scan) -> None:
    """A typed code whose presentation was good keeps its tries."""
    if scan.manual_hash is not None:
        _call(queries.RESTORE_TRY, {"hash": scan.manual_hash, "tries": MANUAL_CODE_TRIES})


def _at(counter: Counter) -> dict[str, object]:
    return {
        "clerk": counter.clerk_id, "clerk_session": counter.session_id, "shop": counter.shop_id
    }


def _call(statement: str, parameters: Mapping[str, object]) -> dict[str, Any]:
    row = hot_call(statement, parameters)
    assert row is not None, "the function returns one row"
    return row


def _refusal(row: Mapping[str, Any]) -> Exception:
    code = str(row["refusal_code"])
    if code == "too_many_bad_codes":
        return refusal(code, retry_after_seconds=BAD_CODES_WINDOW_SECONDS)
    return refusal(code, **(row.get("details") or {}))
