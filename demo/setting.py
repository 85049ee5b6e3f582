"""Sets the scene over HTTP: staff, departments with a year of files, merchants, clerks."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from app.kernel.ids import new_id
from app.records.catalogue import REGISTER
from demo.api import Api, sign_in_staff
from demo.load import FOLDER, ListedDelivery, list_deliveries
from demo.telling import table, tell


@dataclass(frozen=True)
class StaffLogin:
    """What a staff member types."""

    username: str
    password: str
    totp_uri: str


@dataclass(frozen=True)
class Organisation:
    """Who applies; `username` is its clerk's."""

    name: str
    credit_code: str
    category: str
    username: str


# Real organisations' codes are on the public register; these only have the right check digit.
LIBRARY = Organisation("市图书馆", "12330700472800001D", "library", "lib-01")
CINEMA = Organisation("江南影城", "91330702MA2DEM001D", "culture", "cinema-01")
BUSES = Organisation("市公交集团", "91330700704556001J", "transit", "bus-01")
SCENIC_SPOT = Organisation("双龙风景区", "913307007045561018", "tourism", "spot-01")
HOSPITAL = Organisation("市中心医院", "123307004728002042", "medical", "hospital-01")


@dataclass(frozen=True)
class Shop:
    """A counter with somebody behind it."""

    name: str
    shop_id: str
    merchant_id: str
    clerk: Api
    owner: Api


def create_departments(operator: Api, anybody: Api) -> dict[str, Api]:
    """An account for each department's machine; the API for each, by unit."""
    types: dict[str, set[str]] = {}
    for listed in list_deliveries():
        if listed.record_type != REGISTER:
            types.setdefault(listed.unit, set()).add(listed.record_type)
    machines = {}
    for unit, record_types in types.items():
        body = {"source_id": str(new_id()), "unit": unit, "record_types": sorted(record_types)}
        made = operator.post("/sources", body, expect=201)
        machines[unit] = anybody.signing(made)
    return machines


def deliver_the_year(operator: Api, machines: dict[str, Api]) -> None:
    """Send every listed file: the operator the register, each department its own."""
    rows = []
    for listed in list_deliveries():
        report = _send(listed, operator, machines)
        rows.append((
            listed.file, report["row_count"], report["accepted_count"], report["corrected_count"],
            report["voided_count"], report["dropped_count"], report["refused_count"],
            report["file_reason"] or "",
        ))
    header = ("file", "rows", "accepted", "corrected", "void", "strangers", "refused", "whole file")
    table(header, rows)


def _send(listed: ListedDelivery, operator: Api, machines: dict[str, Api]) -> dict[str, str]:
    is_register = listed.record_type == REGISTER
    form = {
        "delivery_id": str(new_id()),
        "delivered_on": listed.delivered_on.isoformat(),
        "encoding": listed.encoding.value,
    }
    api, path = (operator, "/register-imports") if is_register else (
        machines[listed.unit], "/deliveries"
    )
    if not is_register:
        form["record_type"] = listed.record_type
    content = Path(FOLDER / listed.file).read_bytes()
    report: dict[str, str] = api.upload(path, form, name=listed.file, content=content)
    return report


def hire_colleague(operator: Api, anybody: Api) -> Api:
    """A second operator: what changes the programme for everybody takes two."""
    body = {
        "username": "operator-2", "password": secrets.token_urlsafe(16), "role": "operator",
        "display_name": "二号窗口",
    }
    made = operator.post("/staff", body, expect=201)
    return sign_in_staff(
        anybody, username=body["username"], password=body["password"], totp_uri=made["totp_uri"]
    )


def open_shop(
    operators: tuple[Api, Api], anybody: Api, *, organisation: Organisation, benefit: str
) -> Shop:
    """An organisation applies, two operators approve, its owner employs a clerk."""
    first, second = operators
    ticket = _apply(anybody, organisation, benefit)
    path = f"/merchant-applications/{ticket['application_id']}"
    first.post(f"{path}/proposal", {"reason": "资料已经核对无误"})
    merchant = second.post(f"{path}/confirmation", {"reason": "复核无误，同意加入"})
    taken = {"benefit_code": benefit, "merchant_id": merchant["merchant_id"]}
    first.post("/benefit-merchants", taken, expect=204)
    invited = anybody.post("/merchant-applications/owner-invitation", ticket, expect=201)
    owner = _join(anybody, invited["code"], f"{organisation.username}-owner")
    (shop,) = owner.get("/merchant/shops")["shops"]
    place = {
        "role": "clerk", "display_name": f"{organisation.name}工作人员", "shop_id": shop["shop_id"],
    }
    invited = owner.post("/merchant/staff-invitations", place, expect=201)
    clerk = _join(anybody, invited["code"], organisation.username)
    tell(f"{organisation.name} ({organisation.credit_code}) applied, signed, was approved by two; "
         f"it takes “{benefit}”, and {organisation.username} is at the counter")  # fmt: skip
    return Shop(shop["name"], shop["shop_id"], merchant["merchant_id"], clerk, owner)


def _apply(anybody: Api, organisation: Organisation, benefit: str) -> dict[str, str]:
    """Send an application; the ticket it is followed with."""
    text = anybody.get("/commitment-text")
    ticket = {"application_id": str(new_id()), "secret": secrets.token_urlsafe(32)}
    body = {
        **ticket, "name": organisation.name, "credit_code": organisation.credit_code,
        "category": organisation.category, "shops": [{"name": f"{organisation.name}前台"}],
        "benefit_codes": [benefit], "contact_name": "周敏", "contact_phone": "0579-00000000",
        "text_version": text["version"], "text_hash": text["text_hash"],
    }
    anybody.post("/merchant-applications", body, expect=201)
    return ticket


def _join(anybody: Api, code: str, username: str) -> Api:
    """Open the account that a code is for, and sign in."""
    password = secrets.token_urlsafe(16)
    body = {"code": code, "username": username, "password": password}
    made = anybody.post("/staff-invitations/acceptance", body, expect=201)
    return sign_in_staff(
        anybody, username=username, password=password, totp_uri=made["totp_uri"]
    )
