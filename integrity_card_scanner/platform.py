"""Talking to the platform: enrol, fetch the lists, upload what was scanned.

Nothing here must succeed: what was not answered is sent again the next time, in any order.
"""

from __future__ import annotations

import base64
from typing import Any, Final
from uuid import UUID

import httpx

from integrity_card_scanner.envelope import Kind, SigningKey, sign_envelope
from integrity_card_scanner.records import SCANS_MAX, ScanRecord
from integrity_card_scanner.scanner import NotReadyError, Scanner

API: Final = "/api/v1"
TIMEOUT_SECONDS: Final = 10.0


class Platform:
    """The platform behind an HTTP client whose base address is its own."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def enrol(self, *, code: str, key: SigningKey) -> UUID:
        """Enrol a device with the code that the shop's owner was shown; its id."""
        body = {
            "code": code, "suite": key.suite, "public_key": key.public.public.hex(),
            "proof": sign_envelope(key, Kind.ENROLMENT, code.encode()).hex(),
        }
        return UUID(self._post("/devices", body)["device_id"])

    def sync(self, scanner: Scanner) -> int:
        """Upload everything and take the lists; how many scans were answered.

        httpx.HTTPError leaves what was not answered where it is.  NotReadyError: the platform
        lets this device do nothing any more.
        """
        sent = sum(len(self._upload(scanner, records)["answers"]) for records in _batches(scanner))
        key_list, deny_list = self._get("/offline/key-list"), self._get("/offline/deny-list")
        # Last, so that no other call stands between the platform's time in it and the device's.
        grant = self._upload(scanner, ())["grant"]
        if grant is None:
            scanner.switched_off()
            raise NotReadyError("switched_off")
        scanner.synced(key_list=key_list, deny_list=deny_list, grant=base64.b64decode(grant))
        return sent

    def _upload(self, scanner: Scanner, records: tuple[ScanRecord, ...]) -> dict[str, Any]:
        body = {
            "device_id": str(scanner.device_id),
            "upload": base64.b64encode(scanner.upload(records)).decode(),
        }
        answer = self._post("/offline/uploads", body)
        scanner.confirmed(frozenset(bytes.fromhex(one["scan_id"]) for one in answer["answers"]))
        return answer

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._http.post(f"{API}{path}", json=body, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        read: dict[str, Any] = answer.json()
        return read

    def _get(self, path: str) -> bytes:
        answer = self._http.get(f"{API}{path}", timeout=TIMEOUT_SECONDS)
        return answer.raise_for_status().content


def _batches(scanner: Scanner) -> list[tuple[ScanRecord, ...]]:
    unsent = scanner.unsent()
    return [unsent[start : start + SCANS_MAX] for start in range(0, len(unsent), SCANS_MAX)]
