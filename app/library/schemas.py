"""The bodies and answers of a library's desk, its machines, and citizens' own waivers."""

from __future__ import annotations

from typing import Final

from marshmallow import fields, validate

from app.library.machines import ENCODINGS
from app.library.references import READER_MAX_CHARS, TEXT_MAX_CHARS
from app.library.standing import KINDS
from app.merchants.schemas import NAME
from app.redemptions.schemas import SCANNED
from app.web.openapi import ApiSchema
from app.web.requests import PAGE_MAX_ROWS

SEALED: Final = validate.Length(1, TEXT_MAX_CHARS)
READER: Final = validate.Regexp(rf"[0-9A-Za-z][0-9A-Za-z._-]{{0,{READER_MAX_CHARS - 1}}}\Z")
READER_SAYS: Final = {
    "description": "The library's own account of the reader; only a keyed hash of it is kept."
}
KIND: Final = {"enum": [*KINDS]}


class AtDesk(ApiSchema):
    """Which desk."""

    shop_id = fields.UUID(required=True)


class Ask(AtDesk):
    """Show a pass code; it is burnt."""

    code = fields.String(required=True, validate=SCANNED)


class Standing(ApiSchema):
    """What a library learns of somebody, and nothing else."""

    eligible = fields.Boolean(
        required=True, attribute="standing.eligible",
        metadata={"description": "true: better than what everybody gets"},
    )
    tier = fields.String(
        required=True, allow_none=True, attribute="standing.tier",
        metadata={"description": "null without the consent to tell libraries"},
    )
    books = fields.Integer(required=True, attribute="standing.books")
    childrens_books_deposit_free = fields.Integer(
        required=True, attribute="standing.childrens_books_deposit_free"
    )
    deposit_waived = fields.Boolean(
        required=True, attribute="standing.deposit_waived",
        metadata={"description": "by the tier of now, or by a waiver that stands here"},
    )
    waivers = fields.List(
        fields.String(), required=True, attribute="standing.waivers",
        metadata={"description": "The kinds of waivers that stand at this library."},
    )
    reference = fields.String(
        required=True,
        metadata={"description": "Registers one waiver, as the same clerk in the same shop."},
    )
    reference_expires_at = fields.AwareDateTime(required=True)


class NewWaiver(AtDesk):
    """A deposit to waive, under an id that the caller makes (UUIDv7) and keeps for retries."""

    waiver_id = fields.UUID(required=True)
    reference = fields.String(required=True, validate=SEALED)
    kind = fields.String(required=True, validate=validate.OneOf(KINDS), metadata=KIND)
    reader_reference = fields.String(required=True, validate=READER, metadata=READER_SAYS)


class WaiverReturn(AtDesk):
    """Which waiver ends."""

    receipt = fields.String(required=True, validate=SEALED)


class WaiverSearch(AtDesk):
    """Whose waivers to look for."""

    reader_reference = fields.String(required=True, validate=READER, metadata=READER_SAYS)


class WaiverPage(ApiSchema):
    """How many, and the time of the last line of the page before."""

    limit = fields.Integer(load_default=20, validate=validate.Range(1, PAGE_MAX_ROWS))
    before = fields.AwareDateTime(load_default=None)


class DeskWaiverPage(WaiverPage):
    """The same for a desk."""

    shop_id = fields.UUID(required=True)


class DeskWaiver(ApiSchema):
    """A waiver as its library sees it: nothing about the person."""

    receipt = fields.String(required=True, metadata={"description": "Returns the waiver."})
    waiver_id = fields.UUID(required=True, attribute="waiver.waiver_id")
    kind = fields.String(required=True, attribute="waiver.kind", metadata=KIND)
    shop_name = fields.String(required=True, attribute="waiver.shop_name")
    registered_at = fields.AwareDateTime(required=True, attribute="waiver.registered_at")
    returned_at = fields.AwareDateTime(
        required=True, allow_none=True, attribute="waiver.returned_at"
    )


class DeskWaivers(ApiSchema):
    """Waivers that stand at a library, the latest registered first."""

    waivers = fields.List(fields.Nested(DeskWaiver), required=True)


class Waiver(ApiSchema):
    """A waiver of the caller."""

    waiver_id = fields.UUID(required=True)
    kind = fields.String(required=True, metadata=KIND)
    shop_name = fields.String(required=True)
    registered_at = fields.AwareDateTime(required=True)
    returned_at = fields.AwareDateTime(required=True, allow_none=True)


class Waivers(ApiSchema):
    """Waivers of the caller, the latest registered first."""

    waivers = fields.List(fields.Nested(Waiver), required=True)


class NewMachine(ApiSchema):
    """A self-service machine, under an id that the caller makes (UUIDv7)."""

    machine_id = fields.UUID(required=True)
    shop_id = fields.UUID(required=True)
    name = fields.String(required=True, validate=NAME)
    encoding = fields.String(
        load_default=ENCODINGS[0], validate=validate.OneOf(ENCODINGS),
        metadata={"description": "of the texts that it sends and shows"},
    )


class Machine(ApiSchema):
    """A machine and where it stands."""

    machine_id = fields.UUID(required=True)
    shop_id = fields.UUID(required=True)
    name = fields.String(required=True)
    encoding = fields.String(required=True)
    suspended = fields.Boolean(required=True)


class MachineSecret(ApiSchema):
    """A machine with its password, which is told once; it logs in with its id."""

    machine = fields.Nested(Machine, required=True)
    secret = fields.String(required=True)


class Machines(ApiSchema):
    """The machines of a library."""

    machines = fields.List(fields.Nested(Machine), required=True)


class MachineSuspension(ApiSchema):
    """Stop (true) or allow (false) a machine."""

    suspended = fields.Boolean(required=True)
