"""A bus company: the gate asks, the fare engine takes the day's file, trips go up in batches."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson

from app.kernel.clock import city_date, now
from app.kernel.ids import new_id
from demo.api import Api
from demo.setting import BUSES, open_shop
from demo.signatures import verify_detached
from demo.telling import table, tell, yuan

if TYPE_CHECKING:
    from demo.journey import Scene

COMPLETE_WITHIN_DAYS = 5
TERMS = ("--trips", "4", "--fen", "300", "--complete-within", str(COMPLETE_WITHIN_DAYS))
FARE_FEN, MOST_FEN = 200, 600
SHOWN_CHARS = 8  # of ids


def ride_buses(scene: Scene, operators: tuple[Api, Api], *, rider: Api, name: str) -> None:
    """Ask at the gate, fetch a file and check it, upload trips of which one lacks its tap-out."""
    company = open_shop(operators, scene.anybody, organisation=BUSES, benefit="transit")
    machine = _register_machine(scene, company.merchant_id)
    code = rider.post("/me/pass-code")["code"]
    told = machine.post("/transit/entitlement", {"code": code})
    account_id = str(told["account_id"])
    tell(f"a gate reads {name}'s pass code and learns an account of this company alone, "
         f"{account_id[:SHOWN_CHARS]}…, and {told['price_percent']} per cent of the fare; no name, "
         "no tier, no score")  # fmt: skip
    (fares,) = (
        one for one in scene.anybody.get("/benefits")["benefits"] if one["code"] == "transit"
    )
    for honour in fares["honours"]:
        tell(f"whoever holds a record of {'、'.join(honour['items'])} pays "
             f"{honour['value']['price_percent']} per cent, whatever the score")  # fmt: skip
    _fetch_files(scene, machine, company.merchant_id)
    _upload_trips(machine, account_id)
    rows = [
        (one["tap_in_at"], yuan(one["fare_fen"]), one["outcome"] or "waits until its day is closed")
        for one in rider.get("/me/transit/trips")["trips"]
    ]
    tell(f"{name} sees the trips on the phone, without places:")
    table(("tap-in", "fare", "what becomes of it"), rows)
    settled_on = city_date(now()) + timedelta(days=1 + COMPLETE_WITHIN_DAYS)
    tell(f"a tap-out may come for {COMPLETE_WITHIN_DAYS} days: this day is settled on {settled_on} "
         "at 01:00, and its subsidy is in the company's sums from then on, not today")  # fmt: skip


def _register_machine(scene: Scene, merchant_id: str) -> Api:
    """The city makes the merchant a transit operator; its fare engine signs requests."""
    shown = scene.command("transit", "add-operator", merchant_id, "transit", *TERMS)
    made = dict(line.split(" ", 1) for line in shown.splitlines())
    return scene.anybody.signing(made)


def _fetch_files(scene: Scene, machine: Api, merchant_id: str) -> None:
    """Files come after midnight; here they are made at once.  Each is checked before it is used."""
    scene.command("transit", "make-files", merchant_id)
    for one in machine.get("/transit/files")["files"]:
        content = machine.get_bytes(f"/transit/files/{one['file_id']}.jsonl")
        signature = machine.get_bytes(f"/transit/files/{one['file_id']}.jws").decode()
        kid = verify_detached(content, signature, scene.key_set)
        head, *lines = [orjson.loads(line) for line in content.splitlines()]
        listed = ", ".join(
            f"{line['account_id'][:SHOWN_CHARS]}… pays {line['price_percent']} %" for line in lines
        )
        tell(f"the fare engine fetches the {head['kind']} file {head['sequence']} and checks its "
             f"signature by key {kid}: {listed or 'nothing new'}")  # fmt: skip


def _upload_trips(machine: Api, account_id: str) -> None:
    """A whole trip and one without a tap-out; later the same two, the tap-out with them."""
    whole, missing = _trip(account_id), _trip(account_id, is_whole=False)
    begun = {name: missing[name] for name in ("trip_id", "tap_in_at")}
    late = {**_trip(account_id), **begun}
    for what, rows in (
        (f"two trips, the second without a tap-out at {yuan(MOST_FEN)}", [whole, missing]),
        (f"the first again, and the second with its late tap-out at {yuan(FARE_FEN)}",
         [whole, late]),
    ):  # fmt: skip
        told = machine.post("/transit/batches", {"batch_id": str(new_id()), "trips": rows})
        answers = "; ".join(
            f"row {one['row_number']} {one['reason'] or one['outcome']}" for one in told["rows"]
        )
        tell(f"it uploads {what}: {answers}")


def _trip(account_id: str, *, is_whole: bool = True) -> dict[str, Any]:
    """Without a tap-out the fare engine has taken the highest fare of the line."""
    moment = now()
    trip: dict[str, Any] = {
        "trip_id": str(new_id()), "account_id": account_id, "tap_in_at": moment.isoformat(),
        "tap_in_place": "S01", "fare_fen": FARE_FEN if is_whole else MOST_FEN,
    }
    if is_whole:
        tap_out_at = moment + timedelta(minutes=2)
        trip |= {"tap_out_at": tap_out_at.isoformat(), "tap_out_place": "S07"}
    return trip
