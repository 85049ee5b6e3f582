"""What happens between a citizen with a phone and a clerk with a scanner."""

from __future__ import annotations

from datetime import timedelta

from app.kernel.ids import new_id
from tests.journeys.town import Town, today
from tests.members.api import Person
from tests.records.programme import HOURS
from tests.redemptions.answers import outcome
from tests.redemptions.builders import Citizen

PRICE_POINTS = 60


def someone_with_points(town: Town) -> Citizen:
    """Two days of volunteer work: 100 points."""
    person = town.person()
    citizen = town.join(person)
    town.deliver(town.department(HOURS), HOURS, *volunteer_work(person))
    assert town.points(citizen) == (100, 0, 100)
    return citizen


def volunteer_work(person: Person) -> list[list[str]]:
    days = (today() - timedelta(days=1), today())
    return [
        [f"ZY-{at}", "1", "有效", person.id_number, day.isoformat(), "5", "社区图书整理"]
        for at, day in enumerate(days)
    ]


def test_claim_show_scan_redeem(town: Town) -> None:
    cinema, citizen = town.counter("cinema"), someone_with_points(town)
    voucher_id = citizen.claimed(town.client, "cinema")
    assert town.points(citizen) == (100, PRICE_POINTS, 40)
    code = citizen.voucher_code(town.client, voucher_id)
    preview = cinema.preview(town.client, code=code).get_json()
    assert (preview["benefit_code"], preview["price_points"]) == ("cinema", PRICE_POINTS)

    redemption_id = new_id()
    first = cinema.redeem(town.client, redemption_id, code=code)
    assert outcome(first) == (200, "")
    assert cinema.redeem(town.client, redemption_id, code=code).data == first.data
    assert outcome(cinema.redeem(town.client, code=code)) == (409, "already_redeemed")

    assert town.points(citizen) == (40, 0, 40)
    (held,) = town.get("/me/vouchers", citizen.headers)["vouchers"]
    assert held["status"] == "redeemed"
    assert [line["redemption_id"] for line in cinema.today(town.client)] == [str(redemption_id)]
    lines = town.get("/me/trail", citizen.headers)["lines"]
    assert "redeem" in [line["action"] for line in lines]


def test_annul_within_15_minutes(town: Town) -> None:
    cinema, citizen = town.counter("cinema"), someone_with_points(town)
    voucher_id = citizen.claimed(town.client, "cinema")
    code = citizen.voucher_code(town.client, voucher_id)
    receipt = cinema.redeem(town.client, code=code).get_json()["receipt"]

    taken_back = cinema.annul(town.client, receipt)
    assert outcome(taken_back) == (200, "")
    assert taken_back.get_json()["returned_points"] == PRICE_POINTS
    assert town.points(citizen) == (100, 0, 100)
    assert outcome(cinema.redeem(town.client, code=code)) == (409, "voucher_annulled")
    (line,) = cinema.today(town.client)
    assert line["annulled_at"] is not None

    another = citizen.voucher_code(town.client, citizen.claimed(town.client, "cinema"))
    assert outcome(cinema.redeem(town.client, code=another)) == (200, "")


def test_pass_code_at_library(town: Town) -> None:
    library, person, newcomer = town.counter("library"), town.person(), town.person()
    member = town.join(person, "library")
    machine = town.department("public_credit", "honours")
    day = today().isoformat()
    town.deliver(
        machine, "public_credit", ["PC-1", "1", "有效", person.id_number, day, *["200"] * 5]
    )
    merits = [
        [f"RY-{at}", "1", "有效", person.name, person.id_number, level, "奖", "市政府", day, ""]
        for at, level in enumerate(("一等功", "二等功"))
    ]
    town.deliver(machine, "honours", *merits)
    assert town.get("/me/score", member.headers)["tier"] == "AA"

    code = member.pass_code(town.client)
    shown = library.preview(town.client, code=code).get_json()
    assert [one["value"] for one in shown["benefits"]] == [{"books": 20, "deposit_waived": False}]
    assert person.name not in str(shown)
    assert outcome(library.preview(town.client, code=code)) == (409, "code_burnt")

    # Who has no tier, or did not consent to the library's asking, gets what everybody gets.
    everybody = town.join(newcomer)
    shown = library.preview(town.client, code=everybody.pass_code(town.client)).get_json()
    assert [one["value"] for one in shown["benefits"]] == [{"books": 15, "deposit_waived": False}]

    # The loan itself: the reference of a preview redeems the voucher that was claimed.
    member.claimed(town.client, "library")
    seen = library.preview(town.client, code=member.pass_code(town.client)).get_json()
    assert outcome(library.redeem(town.client, reference=seen["reference"])) == (200, "")


def test_broken_camera_manual_code(town: Town) -> None:
    cinema, citizen = town.counter("cinema"), someone_with_points(town)
    voucher_id = citizen.claimed(town.client, "cinema")
    code = citizen.voucher_code(town.client, voucher_id)
    typed = citizen.manual_code(town.client, voucher_id)
    misheard = "AAAA-CCCC-DDDD"
    assert outcome(cinema.redeem(town.client, manual_code=misheard)) == (404, "manual_code_unknown")

    redemption_id = new_id()
    first = cinema.redeem(town.client, redemption_id, manual_code=typed.lower())
    assert outcome(first) == (200, "")
    assert outcome(cinema.redeem(town.client, code=code)) == (409, "already_redeemed")
    assert town.points(citizen) == (40, 0, 40)
