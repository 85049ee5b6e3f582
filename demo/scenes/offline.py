"""A gate without a network: two take the same ticket, and one rule says which of them counts."""

from __future__ import annotations

import secrets
import shutil
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx

from app.kernel.ids import new_id
from demo.api import Api
from demo.servers import free_port
from demo.setting import Shop
from demo.telling import table, tell
from integrity_card_scanner.envelope import Kind, PublicKey, SigningKey, sign_envelope
from integrity_card_scanner.platform import Platform
from integrity_card_scanner.scanner import Scanner
from integrity_card_scanner.storage import Storage
from integrity_card_scanner.suites import ED25519

if TYPE_CHECKING:
    from demo.journey import Scene

BENEFIT = "scenic_spot"
GATES = ("东门闸机", "西门闸机")
APART_SECONDS = 1.0  # more than the gates' clocks differ after a sync


@dataclass(frozen=True)
class Gate:
    """A device: its name, its folder, its key, and whose lists it believes."""

    name: str
    folder: Path
    device_id: UUID
    key: SigningKey
    root: PublicKey

    def started(self) -> Scanner:
        """The device as it comes up: with what lies in its folder and nothing else."""
        return Scanner(
            Storage(self.folder), device_id=self.device_id, key=self.key, root=self.root
        )

    def sync(self, base_url: str) -> int:
        """Upload what was scanned and fetch the lists; how many scans were answered."""
        with httpx.Client(base_url=base_url, trust_env=False) as http:
            return Platform(http).sync(self.started())


def scan_without_network(
    scene: Scene, *, spot: Shop, operator: Api, holder: Api, name: str
) -> None:
    """Enrol and sync two gates, cut the network, scan twice, upload, see the conflict, decide."""
    east, west = _enrol_gates(scene, spot)
    code = _claim(holder, name)
    nowhere = f"http://127.0.0.1:{free_port()}"
    try:
        east.sync(nowhere)
    except httpx.ConnectError:
        tell("the network is cut: the gates reach nothing and go on from their files")
    _scan(east, code, "takes the ticket")
    _scan(east, code, "is shown it again")
    time.sleep(APART_SECONDS)
    _scan(west, code, "takes the same ticket, for it cannot know")
    _scan(west, code[:-6] + code[-3:] + code[-6:-3], "is shown a ticket somebody has altered")
    tell("the network is back; the gate that scanned later uploads first:")
    for gate in sorted((east, west), key=_scanned_at, reverse=True):
        tell(f"{gate.name} uploads {gate.sync(scene.base_url)} scan")
        _show_lines(spot)
    tell("the earlier scan counts, by the gates' clocks as the platform set them and in whichever "
         "order they come; the other is a conflict")  # fmt: skip
    _decide(operator)
    _show_lines(spot)


def _enrol_gates(scene: Scene, spot: Shop) -> tuple[Gate, Gate]:
    root = _publish_keys(scene)
    folder = scene.pictures / "gates"
    shutil.rmtree(folder, ignore_errors=True)
    gates = []
    for number, name in enumerate(GATES, start=1):
        invited = spot.owner.post(
            "/merchant/device-invitations", {"shop_id": spot.shop_id, "name": name}, expect=201
        )
        key = SigningKey(ED25519, secrets.token_bytes(32))
        with httpx.Client(base_url=scene.base_url, trust_env=False) as http:
            device_id = Platform(http).enrol(code=invited["code"], key=key)
        gate = Gate(name, folder / str(number), device_id, key, root)
        gate.sync(scene.base_url)
        tell(f"{name} makes its own key, is enrolled by the owner's code and has the lists")
        gates.append(gate)
    return gates[0], gates[1]


def _publish_keys(scene: Scene) -> PublicKey:
    """The root's key lies on a machine without a network; here it is made and forgotten."""
    root = SigningKey(ED25519, secrets.token_bytes(32))
    draft, envelope = scene.pictures / "key-list.draft", scene.pictures / "key-list.signed"
    scene.command("offline", "draft-key-list", str(draft))
    envelope.write_bytes(sign_envelope(root, Kind.KEY_LIST, draft.read_bytes()))
    told = scene.command(
        "offline", "publish-key-list", str(envelope), root.public.public.hex()
    ).strip()
    tell(f"the platform drafts its list of keys, the offline root signs it: {told} published")
    return root.public


def _claim(holder: Api, name: str) -> str:
    """A ticket that can be checked without the platform."""
    voucher_id = str(new_id())
    body = {"voucher_id": voucher_id, "benefit_code": BENEFIT}
    claimed = holder.post("/me/vouchers", body)
    shown = holder.post(f"/me/vouchers/{voucher_id}/offline-code")
    tell(f"{name} claims {claimed['name']} {claimed['value']}; the code on the phone is signed, "
         f"good until {shown['expires_at']}")  # fmt: skip
    return str(shown["code"])


def _scan(gate: Gate, code: str, what: str) -> None:
    verdict = gate.started().scan(code)
    value = dict(verdict.voucher.value) if verdict.accepted and verdict.voucher else None
    told = f"taken, {value}" if value else f"refused, {verdict.reason}"
    tell(f"{gate.name} {what}: {told}")


def _scanned_at(gate: Gate) -> datetime:
    """When the gate took the ticket that it has not uploaded yet."""
    [record] = gate.started().unsent()
    return record.scanned_at


def _decide(operator: Api) -> None:
    """An operator sees both sides of the conflict and says what the merchant gets."""
    [conflict] = operator.get("/offline/disputes")["disputes"]
    tell(f"an operator sees the conflict, and what counts instead, scanned at "
         f"{conflict['first_scanned_at']}: the gate could not know of it and is paid too")
    body = {
        "device_id": conflict["device_id"], "scan_id": conflict["scan_id"], "outcome": "counted",
        "reason_code": "taken_in_good_faith",
    }
    operator.post("/offline/decisions", body)


def _show_lines(spot: Shop) -> None:
    """The scans as the merchant sees them: nothing about the person."""
    scans: list[dict[str, Any]] = spot.clerk.get("/offline/scans", shop_id=spot.shop_id)["scans"]
    devices = spot.owner.get("/merchant/devices")["devices"]
    names = {one["device_id"]: one["name"] for one in devices}
    rows = [
        (names[one["device_id"]], one["scanned_at"], one["standing"], one["outcome"] or "",
         one["reason_code"] or "", "yes" if one["is_counted"] else "no")
        for one in scans
    ]  # fmt: skip
    header = ("gate", "scanned at", "standing", "decided", "because", "paid for")
    table(header, rows)
