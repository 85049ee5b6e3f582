"""Self-service machines of a library: their accounts, and what they ask.

A machine logs in with its id and a password that was told once; of the password a keyed hash is
kept, with the key's suite and id before it, so that the key can rotate.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from app.kernel.crypto import key_id_of, keyed_digest
from app.kernel.database import reading, transaction
from app.kernel.keys import Key, KeyProvider, KeyPurpose, UnknownKeyError
from app.library.models import LibraryMachine
from app.library.queries import find_live_waivers
from app.library.references import READER_MAX_CHARS, reader_hashes
from app.library.refusals import (
    LibraryMachineExists,
    LibraryMachineRefused,
    LibraryMachineSuspended,
    LibraryMachineUnknown,
    LibraryReaderUnknown,
)
from app.library.standing import Standing, standing_of_all, tell_standing
from app.members.queries import is_active
from app.merchants.devices import merchant_of_owner
from app.merchants.queries import require_open_shop
from app.merchants.refusals import ShopUnknown
from app.redemptions.codes import MANUAL_ALPHABET, CodeUnreadable, PassCode, read_scan
from app.redemptions.operations import present_pass_code
from app.redemptions.refusals import CardInactive
from app.trail.operations import Actor, record_act

ENCODINGS: Final = ("utf-8", "gb18030")
SECRET_CHARS: Final = 24  # 110 bits, to be typed once without look-alikes
_OUR_CODES: Final = "IC1"


@dataclass(frozen=True)
class Machine:
    """A machine and where it stands; `encoding` is that of its messages."""

    machine_id: UUID
    merchant_id: UUID
    shop_id: UUID
    name: str
    encoding: str
    suspended: bool


@dataclass(frozen=True)
class NewSecret:
    """A machine with its password, which is told once."""

    machine: Machine
    secret: str = field(repr=False)


@dataclass(frozen=True)
class MachineAnswer:
    """What a machine learns.

    `refused` is a refusal's code: then the standing is what everybody gets, with nobody behind it.
    """

    standing: Standing
    refused: str | None = None
    citizen_id: UUID | None = field(default=None, repr=False)


def make_machine(
    *, keys: KeyProvider, owner_id: UUID, machine_id: UUID, shop_id: UUID, name: str, encoding: str
) -> NewSecret:
    """An account for a machine in a shop of the owner.

    Refuses `not_merchant_staff`, `shop_unknown`, `merchant_suspended`, `library_machine_exists`.
    """
    secret = _new_secret()
    with transaction() as session:
        merchant_id = merchant_of_owner(session, owner_id)
        if require_open_shop(shop_id=shop_id).merchant_id != merchant_id:
            raise ShopUnknown
        made = session.scalar(
            insert(LibraryMachine)
            .values(
                machine_id=machine_id, shop_id=shop_id, merchant_id=merchant_id, name=name,
                encoding=encoding, secret_hash=_hash(keys.active(KeyPurpose.SIGN_IN), secret),
            )
            .on_conflict_do_nothing()
            .returning(LibraryMachine)
        )
        if made is None:
            raise LibraryMachineExists
        _record("make_library_machine", machine_id, Actor("merchant_owner", owner_id))
        return NewSecret(_machine(made), secret)


def renew_secret(*, keys: KeyProvider, owner_id: UUID, machine_id: UUID) -> NewSecret:
    """Another password for a machine of the owner; the old one is refused from now on.

    Refuses `not_merchant_staff`, `library_machine_unknown`.
    """
    secret = _new_secret()
    with transaction() as session:
        changed = session.scalar(
            update(LibraryMachine)
            .where(
                LibraryMachine.machine_id == machine_id,
                LibraryMachine.merchant_id == merchant_of_owner(session, owner_id),
            )
            .values(secret_hash=_hash(keys.active(KeyPurpose.SIGN_IN), secret))
            .returning(LibraryMachine)
        )
        if changed is None:
            raise LibraryMachineUnknown
        _record("renew_library_machine", machine_id, Actor("merchant_owner", owner_id))
        return NewSecret(_machine(changed), secret)


def set_machine_suspended(
    *, actor: Actor, owner_id: UUID | None, machine_id: UUID, suspended: bool
) -> Machine:
    """Stop or allow a machine, from its next message on; without an owner: any machine.

    Refuses `not_merchant_staff`, `library_machine_unknown`.
    """
    statement = update(LibraryMachine).where(LibraryMachine.machine_id == machine_id)
    with transaction() as session:
        if owner_id is not None:
            own = LibraryMachine.merchant_id == merchant_of_owner(session, owner_id)
            statement = statement.where(own)
        changed = session.scalar(statement.values(suspended=suspended).returning(LibraryMachine))
        if changed is None:
            raise LibraryMachineUnknown
        verb = "suspend" if suspended else "allow"
        _record(f"{verb}_library_machine", machine_id, actor)
        return _machine(changed)


def list_machines(*, owner_id: UUID) -> list[Machine]:
    """The machines of the owner's merchant.  Refuses `not_merchant_staff`."""
    with reading() as session:
        own = LibraryMachine.merchant_id == merchant_of_owner(session, owner_id)
        query = select(LibraryMachine).where(own).order_by(LibraryMachine.created_at)
        found = session.scalars(query)
        return [_machine(row) for row in found]


def sign_in_machine(*, keys: KeyProvider, login: str, secret: str) -> Machine:
    """The machine with this login and password.

    Refuses `library_machine_refused`, and what `require_machine` refuses.
    """
    try:
        machine_id = UUID(login)
    except ValueError:
        raise LibraryMachineRefused from None
    with reading() as session:
        held = session.get(LibraryMachine, machine_id)
    if held is None or not _fits(keys, held.secret_hash, secret):
        raise LibraryMachineRefused
    _keep_under_active_key(keys, held, secret)
    return require_machine(machine_id=machine_id)[0]


def require_machine(*, machine_id: UUID) -> tuple[Machine, str]:
    """A machine that may ask now, and the name of its shop.

    Refuses `library_machine_suspended`, `shop_unknown`, `merchant_suspended`.
    """
    with reading() as session:
        held = session.get_one(LibraryMachine, machine_id, populate_existing=True)
        machine = _machine(held)
        if machine.suspended:
            raise LibraryMachineSuspended
        return machine, require_open_shop(shop_id=machine.shop_id).shop_name


def present(*, keys: KeyProvider, machine_id: UUID, text: str) -> MachineAnswer:
    """What stands behind what a machine scanned: a pass code, or the library's own reader's code.

    A pass code is burnt.  Whoever cannot be looked at gets what everybody gets.  Refuses as
    `require_machine` does, and `not_a_library`.
    """
    with transaction():
        machine, shop_name = require_machine(machine_id=machine_id)
        citizen_id, refused = _holder(keys, machine, text)
        if citizen_id is None:
            return MachineAnswer(standing_of_all(merchant_id=machine.merchant_id), refused)
        return _told(machine, shop_name, citizen_id)


def ask_again(*, machine_id: UUID, citizen_id: UUID) -> MachineAnswer:
    """The same for a holder whom this machine has before it; refuses as `present` does."""
    with transaction():
        machine, shop_name = require_machine(machine_id=machine_id)
        if not is_active(citizen_id=citizen_id):
            of_all = standing_of_all(merchant_id=machine.merchant_id)
            return MachineAnswer(of_all, CardInactive.code)
        return _told(machine, shop_name, citizen_id)


def _told(machine: Machine, shop_name: str, citizen_id: UUID) -> MachineAnswer:
    standing = tell_standing(
        citizen_id=citizen_id, merchant_id=machine.merchant_id, shop_name=shop_name,
        actor=Actor("machine", machine.machine_id),
    )
    return MachineAnswer(standing, citizen_id=citizen_id)


def _holder(keys: KeyProvider, machine: Machine, text: str) -> tuple[UUID | None, str | None]:
    """Who stands behind a text, or the refusal's code why nobody does."""
    if not text.startswith(_OUR_CODES):
        return _reader(keys, machine, text)
    try:
        read = read_scan(keys, text)
    except CodeUnreadable:
        return None, CodeUnreadable.code
    if not isinstance(read, PassCode):  # a voucher is for the desk
        return None, CodeUnreadable.code
    refused = present_pass_code(shown=read, presenter_id=machine.machine_id)
    return (read.citizen_id, None) if refused is None else (None, refused)


def _reader(keys: KeyProvider, machine: Machine, text: str) -> tuple[UUID | None, str | None]:
    """Who has a waiver that stands for this account of the library, if it is one person."""
    found = set()
    if 0 < len(text) <= READER_MAX_CHARS:
        hashes = reader_hashes(keys, merchant_id=machine.merchant_id, reader_reference=text)
        waivers = find_live_waivers(merchant_id=machine.merchant_id, hashes=hashes)
        found = {waiver.citizen_id for waiver in waivers}
    if len(found) != 1:
        return None, LibraryReaderUnknown.code
    [citizen_id] = found
    if not is_active(citizen_id=citizen_id):
        return None, CardInactive.code
    return citizen_id, None


def _new_secret() -> str:
    return "".join(secrets.choice(MANUAL_ALPHABET) for _ in range(SECRET_CHARS))


def _record(action: str, machine_id: UUID, actor: Actor) -> None:
    record_act(actor=actor, action=action, subject=str(machine_id))


def _machine(row: LibraryMachine) -> Machine:
    return Machine(
        row.machine_id, row.merchant_id, row.shop_id, row.name, row.encoding, row.suspended
    )


def _hash(key: Key, secret: str) -> bytes:
    digest = keyed_digest(key, b"library-machine-secret:" + secret.encode())
    return bytes((key.suite, key.id)) + digest


def _keep_under_active_key(keys: KeyProvider, held: LibraryMachine, secret: str) -> None:
    """Nobody but the machine knows its password: when it signs in, its hash follows the ring."""
    active = keys.active(KeyPurpose.SIGN_IN)
    if key_id_of(held.secret_hash) == active.id:
        return
    with transaction() as session:
        session.execute(
            update(LibraryMachine)
            .where(
                LibraryMachine.machine_id == held.machine_id,
                LibraryMachine.secret_hash.in_([held.secret_hash]),  # no other since
            )
            .values(secret_hash=_hash(active, secret))
            .execution_options(synchronize_session=False)
        )


def _fits(keys: KeyProvider, stored: bytes, secret: str) -> bool:
    try:
        key = keys.by_id(KeyPurpose.SIGN_IN, stored[1])
    except UnknownKeyError:
        return False
    return hmac.compare_digest(stored, _hash(key, secret))
