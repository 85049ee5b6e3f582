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

# Real organisations' codes are on the public register; these two only have the right check digit.
LIBRARY = ("市图书馆", "12330700472800001D")
CINEMA = ("江南影城", "91330702MA2DEM001D")


@dataclass(frozen=True)
class StaffLogin:
    """What a staff member types."""

    username: str
    password: str
    totp_uri: str


@dataclass(frozen=True)
class Shop:
    """A counter with somebody behind it."""

    name: str
    shop_id: str
    merchant_id: str
    clerk: Api


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
        credential = {"credential_id": made["credential_id"], "secret": made["secret"]}
        machines[unit] = anybody.signed_in(anybody.post("/sources/token", credential))
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


def open_shop(
    operator: Api, anybody: Api, *, organisation: tuple[str, str], benefit: str, username: str
) -> Shop:
    """A merchant with one shop and one clerk, allowed to take one benefit."""
    name, credit_code = organisation
    merchant_id, shop_id = str(new_id()), str(new_id())
    operator.post(
        "/merchants",
        {"merchant_id": merchant_id, "credit_code": credit_code, "name": name},
        expect=201,
    )
    shop = {"shop_id": shop_id, "merchant_id": merchant_id, "name": f"{name}前台"}
    operator.post("/shops", shop, expect=201)
    operator.post(
        "/benefit-merchants", {"benefit_code": benefit, "merchant_id": merchant_id}, expect=204
    )
    login, staff_id = _create_staff(operator, username, f"{name}工作人员", "clerk")
    operator.post(
        "/staff-assignments",
        {"staff_id": staff_id, "merchant_id": merchant_id, "shop_id": shop_id, "role": "clerk"},
    )
    clerk = sign_in_staff(
        anybody, username=login.username, password=login.password, totp_uri=login.totp_uri
    )
    tell(f"{name} ({credit_code}) takes “{benefit}”; clerk {username} is at the counter")
    return Shop(shop["name"], shop_id, merchant_id, clerk)


def sign_in_owner(operator: Api, anybody: Api, *, shop: Shop, username: str) -> Api:
    """The owner of a shop's merchant, who keeps its machines."""
    login, staff_id = _create_staff(operator, username, f"{shop.name}负责人", "merchant_owner")
    operator.post(
        "/staff-assignments",
        {"staff_id": staff_id, "merchant_id": shop.merchant_id, "role": "merchant_owner"},
    )
    return sign_in_staff(
        anybody, username=login.username, password=login.password, totp_uri=login.totp_uri
    )


def _create_staff(
    operator: Api, username: str, display_name: str, role: str
) -> tuple[StaffLogin, str]:
    password = secrets.token_urlsafe(16)
    body = {
        "username": username, "password": password, "role": role, "display_name": display_name,
    }
    made = operator.post("/staff", body, expect=201)
    return StaffLogin(username, password, made["totp_uri"]), made["staff_id"]
