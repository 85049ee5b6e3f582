"""The decision at the gate: take an offline code or say why not.

Time is the platform's: the device's clock, corrected by what the platform said at the last sync.  A
clock that is off by more than SKEW_MAX, or that went back since, ends offline mode.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import cbor2

from integrity_card_scanner.envelope import BadEnvelopeError, PublicKey, SigningKey
from integrity_card_scanner.lists import (
    AGE_MAX,
    DenyList,
    Grant,
    KeyList,
    Use,
    open_deny_list,
    open_grant,
    open_key_list,
)
from integrity_card_scanner.records import ScanRecord, first_previous, sign_upload
from integrity_card_scanner.storage import Storage
from integrity_card_scanner.vouchers import OfflineVoucher, merchant_tag, read_code

SKEW_MAX: Final = timedelta(minutes=5)
REMEMBERED: Final = timedelta(days=32)  # beyond a code: others of the voucher may follow
TAKEN, UNSENT, STATE, LISTS = "taken", "unsent", "state", "lists"


class NotReadyError(RuntimeError):
    """Offline mode is off; `reason` is stable."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Verdict:
    """Taken when `reason` is None; `voucher` is told when the code itself was good."""

    reason: str | None
    voucher: OfflineVoucher | None = None

    @property
    def accepted(self) -> bool:
        """Whether the scan was taken and kept."""
        return self.reason is None


@dataclass(frozen=True)
class _Lists:
    keys: KeyList
    deny: DenyList
    grant: Grant


@dataclass(frozen=True)
class _Taken:
    """What is remembered of a taken voucher while it could be shown again.

    `person_tag` is the one of the day of the scan.
    """

    reference: bytes
    person_tag: bytes
    benefit_code: str
    expires_seconds: int
    worth_fen: int
    sequence: int


def clock() -> datetime:
    """The device's own clock."""
    return datetime.now(UTC)


class Scanner:
    """One enrolled device: who it is, what it holds, what it has taken."""

    def __init__(
        self,
        storage: Storage,
        *,
        device_id: UUID,
        key: SigningKey,
        root: PublicKey,
        now: Callable[[], datetime] = clock,
    ) -> None:
        self._storage = storage
        self.device_id = device_id
        self._key = key
        self._root = root
        self._now = now
        self._taken: dict[bytes, _Taken] = {}
        self._by_sequence: dict[int, _Taken] = {}
        self._uses: Counter[tuple[bytes, str]] = Counter()
        self._remember([_Taken(*cbor2.loads(entry)) for entry in storage.entries(TAKEN)])
        self._unsent = [ScanRecord.load(entry) for entry in storage.entries(UNSENT)]
        state = storage.read(STATE) or [0, first_previous(device_id)]
        if self._unsent and self._unsent[-1].sequence > state[0]:  # a crash between the two writes
            state = [self._unsent[-1].sequence, self._unsent[-1].scan_id]
        self._last_sequence, self._last_id = int(state[0]), bytes(state[1])
        self._skew, self._latest = timedelta(0), datetime.fromtimestamp(0, UTC)
        self._lists: _Lists | None = None
        held = storage.read(LISTS)
        if held is not None:
            self._skew = timedelta(seconds=held[3])
            self._latest = datetime.fromtimestamp(held[4], UTC)
            self._lists = self._opened(held[0], held[1], held[2])

    def synced(self, *, key_list: bytes, deny_list: bytes, grant: bytes) -> None:
        """Take what the platform said just now; BadEnvelopeError leaves all as it was."""
        lists = self._opened(key_list, deny_list, grant)
        if self._lists is not None and lists.keys.version < self._lists.keys.version:
            raise BadEnvelopeError("key_list_older")
        if self._lists is not None and lists.deny.issued_at < self._lists.deny.issued_at:
            raise BadEnvelopeError("deny_list_older")
        self._skew, self._latest = lists.grant.issued_at - self._now(), lists.grant.issued_at
        self._lists = lists
        self._storage.write(LISTS, [
            key_list, deny_list, grant, self._skew.total_seconds(), self._latest.timestamp(),
        ])  # fmt: skip
        self._forget_taken(lists.grant.issued_at)

    def switched_off(self) -> None:
        """The platform lets this device do nothing any more: forget the lists, keep the scans."""
        self._lists = None
        self._storage.write(LISTS, None)

    def scan(self, text: str) -> Verdict:
        """Take a code or refuse it; a taken one is kept before this returns."""
        return self._read(text, self._take)

    def check(self, text: str) -> Verdict:
        """Whether a code is good here and now, taking nothing and keeping nothing.

        For passes, which are shown many times and accounted for elsewhere: no cap is looked at.
        """
        return self._read(text, lambda *_: None)

    def unsent(self) -> tuple[ScanRecord, ...]:
        """What the platform has not confirmed yet."""
        return tuple(self._unsent)

    def upload(self, records: Sequence[ScanRecord]) -> bytes:
        """A signed upload of these records."""
        return sign_upload(
            self._key, device_id=self.device_id, last_sequence=self._last_sequence, records=records
        )

    def confirmed(self, scan_ids: frozenset[bytes]) -> None:
        """Forget unsent records that the platform has answered."""
        self._unsent = [record for record in self._unsent if record.scan_id not in scan_ids]
        self._storage.rewrite(UNSENT, [record.dump() for record in self._unsent])

    def _opened(self, key_list: bytes, deny_list: bytes, grant: bytes) -> _Lists:
        keys = open_key_list(key_list, root=self._root)
        lists = _Lists(keys, open_deny_list(deny_list, keys=keys), open_grant(grant, keys=keys))
        if lists.grant.device_id != self.device_id:
            raise BadEnvelopeError("grant_foreign")
        return lists

    def _ready(self) -> tuple[_Lists, datetime]:
        """The lists and the corrected time; NotReadyError when offline mode is off."""
        lists = self._lists
        if lists is None:
            raise NotReadyError("never_synced")
        moment = self._now() + self._skew
        if abs(self._skew) > SKEW_MAX or moment < self._latest - SKEW_MAX:
            raise NotReadyError("clock_wrong")
        if moment - lists.deny.issued_at > AGE_MAX or moment >= lists.keys.expires_at:
            raise NotReadyError("lists_too_old")
        if moment >= lists.grant.expires_at:
            raise NotReadyError("grant_expired")
        return lists, moment

    def _voucher_keys(self, lists: _Lists) -> Callable[[bytes], PublicKey | None]:
        find = lists.keys.find(Use.VOUCHER)
        return lambda kid: None if kid in lists.deny.retired_kids else find(kid)

    def _read(
        self, text: str, then: Callable[[_Lists, OfflineVoucher, datetime, str], str | None]
    ) -> Verdict:
        """Why a code is not good, or what comes of a good one."""
        try:
            lists, moment = self._ready()
            voucher = read_code(text, self._voucher_keys(lists)).voucher
        except (NotReadyError, BadEnvelopeError) as error:
            return Verdict(error.reason)
        reason = _not_here(lists, voucher, moment) or then(lists, voucher, moment, text)
        return Verdict(reason, voucher)

    def _take(
        self, lists: _Lists, voucher: OfflineVoucher, moment: datetime, text: str
    ) -> str | None:
        reason = self._refusal(lists.grant, voucher, moment)
        if reason is None:
            self._keep(voucher, text, moment)
            self._latest = moment
        return reason

    def _refusal(self, grant: Grant, voucher: OfflineVoucher, moment: datetime) -> str | None:
        """Why this device does not take a code that is good here, the first reason that holds."""
        unsent = [self._by_sequence[record.sequence] for record in self._unsent
                  if record.sequence in self._by_sequence]  # fmt: skip
        of_benefit = sum(one.benefit_code == voucher.benefit_code for one in unsent)
        cap = grant.benefit_unsent_max.get(voucher.benefit_code)
        worth = sum(one.worth_fen for one in unsent) + voucher.worth_fen
        uses = self._uses[voucher.tag_on(moment), voucher.benefit_code]
        return _first_of({
            "already_taken": voucher.reference.bytes in self._taken,
            "person_cap": uses >= voucher.uses_per_day,
            "benefit_cap": cap is not None and of_benefit >= cap,
            "device_cap": len(self._unsent) >= grant.unsent_max
            or worth > grant.unsent_worth_max_fen,
        })  # fmt: skip

    def _keep(self, voucher: OfflineVoucher, text: str, moment: datetime) -> None:
        """Chain and store the scan; what is remembered first cannot be taken twice."""
        milliseconds = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        record = ScanRecord(self._last_sequence + 1, self._last_id, milliseconds, text)
        taken = _Taken(
            voucher.reference.bytes, voucher.tag_on(moment), voucher.benefit_code,
            int(voucher.expires_at.timestamp()), voucher.worth_fen, record.sequence,
        )
        self._storage.append(TAKEN, _dumped(taken))
        self._storage.append(UNSENT, record.dump())
        self._storage.write(STATE, [record.sequence, record.scan_id])
        self._add(taken)
        self._unsent.append(record)
        self._last_sequence, self._last_id = record.sequence, record.scan_id

    def _remember(self, taken: list[_Taken]) -> None:
        """Know exactly these taken vouchers."""
        self._taken, self._by_sequence, self._uses = {}, {}, Counter()
        for one in taken:
            self._add(one)

    def _add(self, taken: _Taken) -> None:
        self._taken[taken.reference] = taken
        self._by_sequence[taken.sequence] = taken
        self._uses[taken.person_tag, taken.benefit_code] += 1

    def _forget_taken(self, moment: datetime) -> None:
        """Forget vouchers whose codes are long over."""
        unsent = {record.sequence for record in self._unsent}
        kept_from = (moment - REMEMBERED).timestamp()
        self._remember([
            one for one in self._taken.values()
            if one.expires_seconds > kept_from or one.sequence in unsent
        ])  # fmt: skip
        self._storage.rewrite(TAKEN, [_dumped(one) for one in self._taken.values()])


def _not_here(lists: _Lists, voucher: OfflineVoucher, moment: datetime) -> str | None:
    """Why a code is not good here and now, whatever was taken before."""
    mine = merchant_tag(lists.grant.merchant_id)
    return _first_of({
        "not_yet_valid": moment < voucher.not_before_at - SKEW_MAX,
        "expired": moment >= voucher.expires_at,
        "denied": lists.deny.denies(voucher.slot),
        "wrong_benefit": voucher.benefit_code not in lists.grant.benefit_codes,
        "wrong_merchant": bool(voucher.scope) and mine not in voucher.scope,
    })  # fmt: skip


def _first_of(reasons: Mapping[str, bool]) -> str | None:
    return next((reason for reason, holds in reasons.items() if holds), None)


def _dumped(taken: _Taken) -> bytes:
    return cbor2.dumps(list(vars(taken).values()))
