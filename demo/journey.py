"""The journey: the whole job of the card, over HTTP, told step by step."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import zxingcpp
from PIL import Image

from app.kernel.clock import city_date, now
from app.kernel.ids import new_id
from app.redemptions.qr import qr_terminal
from demo.api import Api
from demo.scenes.clinic import be_debited, be_treated, open_hospital, visit
from demo.scenes.leaving import leave
from demo.scenes.library import ask_for_books
from demo.scenes.offline import scan_without_network
from demo.scenes.rental import rent_without_deposit
from demo.scenes.settlement import settle
from demo.scenes.transit import ride_buses
from demo.setting import (
    CINEMA,
    LIBRARY,
    SCENIC_SPOT,
    Shop,
    create_departments,
    deliver_the_year,
    hire_colleague,
    open_shop,
)
from demo.telling import chapter, show, table, tell
from wechat_integration.sandbox.control import SandboxControl

VOLUNTEERS = "市志愿服务联合会"


@dataclass(frozen=True)
class Person:
    """Somebody made up, with a phone in the pocket."""

    name: str
    id_number: str
    phone: str
    openid: str


# In the register since 2025-10-15: consented at a counter, never used WeChat so far.
HE_WENJING = Person("何文静", "330726198608062029", "13857900002", "openid-of-he-wenjing")
# Known to nobody yet.
LIN_XIAOYU = Person("林小雨", "330702199505201229", "13857900005", "openid-of-lin-xiaoyu")


@dataclass(frozen=True)
class Scene:
    """Where the journey happens."""

    anybody: Api
    operator: Api
    wechat: SandboxControl
    redeemed_template_id: str
    pictures: Path
    library_bind: str  # where self-service machines ask
    base_url: str
    command: Callable[..., str]  # what an operator types after `flask --app wsgi`; its output
    key_set: dict[str, Any]  # the public keys of what the platform signs


@dataclass(frozen=True)
class Town:
    """Who is there after the first day."""

    operators: tuple[Api, Api]
    library: Shop
    cinema: Shop
    wenjing: Api
    xiaoyu: Api


def play(scene: Scene) -> None:
    """Walk through everything; UnexpectedAnswerError stops it at the first surprise."""
    town = open_town(scene)
    show_score_and_ticket(scene, town)
    show_library(scene, town)

    chapter("A bus company learns who pays less, and settles trips that come late")
    ride_buses(scene, town.operators, rider=town.wenjing, name=HE_WENJING.name)

    chapter("A scenic spot rents without a deposit: one comes back whole, one damaged")
    spot = open_shop(
        town.operators, scene.anybody, organisation=SCENIC_SPOT, benefit="scenic_spot"
    )
    rent_without_deposit(
        town.operators, spot=spot, holder=town.wenjing, name=HE_WENJING.name,
        stranger=town.xiaoyu, stranger_name=LIN_XIAOYU.name,
    )

    chapter("A hospital treats first and is paid after, insurance before the patient")
    hospital, line_id = open_hospital(scene, town.operators)
    desk = visit(
        scene, hospital=hospital, line_id=line_id, patient=town.wenjing, person=HE_WENJING
    )
    order_id = be_treated(scene, desk, HE_WENJING.name)

    chapter("The network is cut at the scenic spot, and two gates take one ticket")
    scan_without_network(
        scene, spot=spot, operator=scene.operator, holder=town.wenjing, name=HE_WENJING.name
    )

    chapter("Meanwhile the hospital's bill has become due: WeChat Pay Score debits it")
    be_debited(scene, desk, order_id, HE_WENJING.name)

    chapter(f"{LIN_XIAOYU.name} leaves")
    leave(scene, library=town.library, citizen=town.xiaoyu, name=LIN_XIAOYU.name)

    chapter("The month so far, as it will be settled with each merchant")
    for shop in (town.cinema, hospital, spot):
        settle(shop)
    tell("Excel and CSV for the books: /api/v1/settlement/sheet.xlsx and .csv")


def open_town(scene: Scene) -> Town:
    """A year of records, two counters, two citizens, today's file."""
    chapter("Departments deliver a year of records; strangers leave no trace")
    machines = create_departments(scene.operator, scene.anybody)
    deliver_the_year(scene.operator, machines)

    chapter("A library and a cinema open their counters")
    operators = (scene.operator, hire_colleague(scene.operator, scene.anybody))
    library = open_shop(operators, scene.anybody, organisation=LIBRARY, benefit="library")
    cinema = open_shop(operators, scene.anybody, organisation=CINEMA, benefit="cinema")

    chapter("Two citizens sign in by WeChat and join")
    town = Town(
        operators, library, cinema, wenjing=join(scene, HE_WENJING), xiaoyu=join(scene, LIN_XIAOYU)
    )

    chapter(f"{VOLUNTEERS} delivers today's file about both of them")
    deliver_today(machines[VOLUNTEERS])
    return town


def show_score_and_ticket(scene: Scene, town: Town) -> None:
    """The score line by line; a ticket for points, redeemed once."""
    chapter("Every point of the score is explained")
    explain(town.wenjing, HE_WENJING.name)
    explain(town.xiaoyu, LIN_XIAOYU.name)

    chapter(f"{LIN_XIAOYU.name} claims a cinema ticket with points")
    code = claim_ticket(scene, town.xiaoyu)

    chapter("The clerk at the cinema scans it: once, and only once")
    redeem_once(town.cinema, code)
    tell_points(town.xiaoyu, LIN_XIAOYU.name)
    tell_message(scene)


def show_library(scene: Scene, town: Town) -> None:
    """What a library learns, at its desk and at its self-service machine."""
    chapter("At the library the pass code says who stands here, and nothing else")
    present_pass_code(town.library, town.wenjing, HE_WENJING.name)
    present_pass_code(town.library, town.xiaoyu, LIN_XIAOYU.name)

    chapter("The library's desk and its self-service machine ask how many books")
    ask_for_books(scene, library=town.library, holder=town.wenjing, name=HE_WENJING.name)


def join(scene: Scene, person: Person) -> Api:
    """Sign in with a WeChat code, agree to the texts, pass the real-name check."""
    scene.wechat.register_person(name=person.name, id_number=person.id_number)
    scene.wechat.grant_accepts(openid=person.openid, template_id=scene.redeemed_template_id)
    code = scene.wechat.issue_login_code(openid=person.openid)
    signed_in = scene.anybody.post("/sign-in/wechat", {"code": code})
    texts = scene.anybody.get("/consent-texts")["texts"]
    tokens = scene.anybody.post(
        "/join",
        {
            "ticket": signed_in["join_ticket"],
            "name": person.name,
            "id_number": person.id_number,
            "phone_code": scene.wechat.issue_phone_code(phone=person.phone),
            "consents": [
                {"purpose": text["purpose"], "text_version": text["version"]} for text in texts
            ],
        },
        expect=201,
    )
    citizen = scene.anybody.signed_in(tokens)
    me = citizen.get("/me")
    tell(
        f"{me['name']} {me['id_number']} joined on {me['joined_on']}, agreed to "
        + ", ".join(text["title"] for text in texts)
    )
    return citizen


def deliver_today(machine: Api) -> None:
    """A small file, written the way a department writes it."""
    today = city_date(now())
    rows = [
        (HE_WENJING.id_number, today, "2"),
        (LIN_XIAOYU.id_number, today - timedelta(days=1), "5.5"),
        (LIN_XIAOYU.id_number, today, "3"),
        ("330702199505201228", today, "3"),  # a wrong check digit: this row is refused, no other
    ]
    lines = ["记录编号,版本号,记录状态,身份证号,服务日期,服务时长,活动名称"]
    for at, (id_number, on, hours) in enumerate(rows, start=1):
        lines.append(f"ZY-DEMO-{at},1,有效,{id_number},{on:%Y/%m/%d},{hours},社区图书整理")
    form = {
        "delivery_id": str(new_id()),
        "record_type": "volunteer_hours",
        "delivered_on": today.isoformat(),
        "encoding": "utf-8",
    }
    report = machine.upload(
        "/deliveries", form, name="volunteer_hours_today.csv",
        content="\n".join(lines).encode(),
    )
    tell(
        f"{report['row_count']} rows: {report['accepted_count']} accepted, "
        f"{report['refused_count']} refused {report['refused_by_reason']}"
    )
    for row in machine.get(f"/deliveries/{report['delivery_id']}/refusals")["refusals"]:
        tell(f"row {row['row_number']}: {row['reason']}")


def explain(citizen: Api, name: str) -> None:
    """The score of today with the lines behind each indicator."""
    score = citizen.get("/me/score/explanation", as_of=city_date(now()).isoformat())
    scheme = score["scheme"]
    tell(
        f"{name}: {score['total']} of {score['total_cap']}, tier {score['tier'] or 'none'}, by "
        f"{scheme['code']} {scheme['version']}"
    )
    rows = [
        (f"{one['code']} {one['name']}", one["exact"], one["points"], one["cap"], len(one["lines"]))
        for one in score["indicators"]
        if one["points"]
    ]
    table(("indicator", "exact", "points", "cap", "records"), rows)
    upcoming = score["next_tier"]
    if upcoming:
        tell(f"next tier {upcoming['code']}: {upcoming['missing_points']} to go")


def claim_ticket(scene: Scene, citizen: Api) -> str:
    """Claim; the price is held.  The code is drawn here and saved as PNG, and read back."""
    tell_points(citizen, LIN_XIAOYU.name)
    voucher_id = str(new_id())
    claim = {"voucher_id": voucher_id, "benefit_code": "cinema"}
    voucher = citizen.post("/me/vouchers", claim)
    tell(f"claimed: {voucher['price_points']} points are held until {voucher['expires_at']}")
    tell_points(citizen, LIN_XIAOYU.name)
    text: str = citizen.get(f"/me/vouchers/{voucher_id}/code")["code"]
    png = citizen.get_bytes(f"/me/vouchers/{voucher_id}/code.png")
    path = scene.pictures / "cinema-ticket.png"
    path.write_bytes(png)
    show(qr_terminal(text))
    tell(f"saved as {os.path.relpath(path)}; a scanner reads: {read_picture(png)[:24]}…")
    return read_picture(png)


def read_picture(png: bytes) -> str:
    """What a scanner sees at 180 pixels."""
    picture = Image.open(io.BytesIO(png)).convert("L").resize((180, 180))
    only = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
    found = zxingcpp.read_barcodes(picture, formats=only)
    assert len(found) == 1, "the picture holds one readable code"
    return str(found[0].text)


def redeem_once(cinema: Shop, code: str) -> None:
    """Preview, redeem, ask again with the same id, scan again with another."""
    preview = cinema.clerk.post("/redemptions/preview", {"shop_id": cinema.shop_id, "code": code})
    tell(f"preview: {preview['benefit_code']} {preview['value']}, {preview['price_points']} points")
    body = {"redemption_id": str(new_id()), "shop_id": cinema.shop_id, "code": code}
    first = cinema.clerk.send("/redemptions", body)
    tell(f"redeemed: {first.document['benefit_code']} at {first.document['redeemed_at']}")
    again = cinema.clerk.send("/redemptions", body)
    assert again.content == first.content, "the same id gives the same bytes"
    tell("the same request again gives the same answer, byte for byte")
    other = {**body, "redemption_id": str(new_id())}
    refused = cinema.clerk.post("/redemptions", other, expect=409)
    tell_refusal(refused)


def tell_refusal(problem: dict[str, Any]) -> None:
    """A problem document as the clerk reads it."""
    known = {"type", "title", "status", "code", "advice"}
    details = {key: value for key, value in problem.items() if key not in known}
    tell(f"a second scan: {problem['status']} {problem['code']}: {problem['advice']} {details}")


def tell_points(citizen: Api, name: str) -> None:
    """Balance, held and available."""
    points = citizen.get("/me/balance")
    tell(
        f"{name}'s points: balance {points['balance_points']}, held {points['held_points']}, "
        f"available {points['available_points']}"
    )


def tell_message(scene: Scene) -> None:
    """The message that the worker sent by WeChat after the redemption."""
    deadline = now() + timedelta(seconds=30)
    while not scene.wechat.sent_messages() and now() < deadline:
        time.sleep(0.2)
    for message in scene.wechat.sent_messages():
        tell(f"the worker sent a WeChat message: {message.data}")


def present_pass_code(library: Shop, citizen: Api, name: str) -> None:
    """Show a pass code; the counter learns the value of the benefit."""
    code = citizen.post("/me/pass-code")["code"]
    preview = library.clerk.post("/redemptions/preview", {"shop_id": library.shop_id, "code": code})
    for offered in preview["benefits"]:
        tell(f"{name}: the counter learns {offered['value']}")
    burnt = library.clerk.post(
        "/redemptions/preview", {"shop_id": library.shop_id, "code": code}, expect=409
    )
    tell(f"the same code again: {burnt['code']}: {burnt['advice']}")
